"""Ablations as declared, turned into variants of the baseline.

REMOVE sets a component's neutral element, REPLACE another value, ADD a value where the baseline has the neutral one;
``with`` as a list makes one variant of each value, ``compound`` with ``set`` changes several components on purpose.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ablate.configs import InvalidValue, Plain, config_from_plain, config_to_plain, difference, laid_over, shown
from ablate.problems import Problems, hint
from ablate.schema import AblationEntry
from ablate.tree import Path
from ablate.variants import Draft, Variant, label_of
from algorithms.component import ComponentField, components

if TYPE_CHECKING:
    from ablate.study import Arm


def ablation_drafts(entries: Mapping[str, AblationEntry], baseline: "Arm", problems: Problems) -> list[Draft]:
    """Every variant of every ablation; what is wrong with one is noted and the others go on."""
    known = components(type(baseline.config))
    base = config_to_plain(baseline.config)
    drafts = []
    for name, entry in entries.items():
        path: Path = ("ablations", name)
        for suffix, where, delta in _deltas(entry, path, known, base, problems):
            draft = _draft(name, suffix, entry, where, delta, baseline, base, problems)
            if draft is not None:
                drafts.append(draft)
    return drafts


_Found = tuple[str | None, Path, dict[str, Any]]


def _deltas(
    entry: AblationEntry, path: Path, known: Mapping[str, ComponentField], base: Plain, problems: Problems
) -> Iterator[_Found]:
    """``(suffix of the name, path, component -> new value)`` of every variant that an entry asks for."""
    if entry.set is not None or entry.compound:
        yield from _compound(entry, path, known, problems)
        return
    field = _component(entry, path, known, problems)
    if field is None:
        return
    refused = _refusal(entry, field, base[field.name], given="with" in problems.tree.get(path))
    if refused is not None:
        step, sentence = refused
        problems.add((*path, step) if step else path, sentence)
    elif entry.action == "REMOVE":
        neutral = field.marker.neutral
        yield None, path, {field.name: {"kind": neutral} if field.kinds else neutral}
    elif isinstance(entry.with_, list):
        for index, value in enumerate(entry.with_):
            yield shown_choice(value), (*path, "with", index), {field.name: value}
    else:
        yield None, (*path, "with"), {field.name: entry.with_}


def _component(
    entry: AblationEntry, path: Path, known: Mapping[str, ComponentField], problems: Problems
) -> ComponentField | None:
    """The component an entry names; None, noted, where it names none."""
    if entry.component is None:
        problems.add(path, f"needs a `component`. Components: {', '.join(known)}.")
        return None
    if entry.component not in known:
        problems.add((*path, "component"), _no_component(entry.component, known))
        return None
    return known[entry.component]


def _refusal(entry: AblationEntry, field: ComponentField, value: Any, *, given: bool) -> tuple[str, str] | None:
    """``(key, sentence)``: why an action makes no sense for the baseline's value, None when it does.

    Args:
        entry: The ablation.
        field: Its component.
        value: The component's value in the baseline, as plain data.
        given: Whether ``with`` was written.
    """
    neutral, off = field.marker.neutral, _is_neutral(value, field)
    if entry.action is None:
        return "", "needs an `action`: REMOVE, REPLACE or ADD."
    if entry.action == "REMOVE":
        if given:
            return "with", f"REMOVE takes no `with`: it sets the neutral element `{neutral}`."
        return ("", f"REMOVE does nothing: the baseline's `{field.name}` is already `{neutral}`.") if off else None
    if not given or entry.with_ is None:
        return "", f"{entry.action} needs `with`: {_allowed(field)}."
    if entry.with_ == []:
        return "with", f"the list is empty; write {_allowed(field)}."
    if entry.action == "ADD" and not off:
        return "action", f"ADD: the baseline already has `{field.name}` = `{shown(value)}`; use REPLACE."
    if entry.action == "REPLACE" and off and not _same_kind(entry.with_, value):
        return "action", f"REPLACE: the baseline's `{field.name}` is off (`{neutral}`); use ADD."
    return None


def _same_kind(with_: Any, value: Any) -> bool:
    """Whether all that replaces a neutral element are other settings of that very element (a split's other ratio)."""
    new = with_ if isinstance(with_, list) else [with_]
    return isinstance(value, dict) and all(
        isinstance(one, dict) and one.get("kind", value["kind"]) == value["kind"] for one in new
    )


def _compound(
    entry: AblationEntry, path: Path, known: Mapping[str, ComponentField], problems: Problems
) -> Iterator[_Found]:
    if entry.set is None:
        problems.add((*path, "compound"), "a compound ablation needs `set: {component: value, ...}`.")
        return
    if not entry.set:
        problems.add((*path, "set"), f"is empty. Components: {', '.join(known)}.")
        return
    written = problems.tree.get(path)
    for extra in ("component", "with"):
        if extra in written:
            problems.add((*path, extra), f"`{extra}` and `set` exclude each other.")
    unknown = [name for name in entry.set if name not in known]
    for name in unknown:
        problems.add((*path, "set", name), _no_component(name, known))
    if len(entry.set) > 1 and not entry.compound:
        names = ", ".join(entry.set)
        problems.add(
            (*path, "set"),
            f"changes {len(entry.set)} components at once ({names}): what the contrast shows could not be told "
            "apart. Split it, or say `compound: true`.",
        )
        return
    if len(entry.set) == 1 and entry.compound:
        problems.add((*path, "compound"), "only one component changes; write `component`, `action` and `with`.")
        return
    if len(entry.set) == 1:
        problems.add((*path, "set"), "is for compound ablations; write `component`, `action` and `with`.")
        return
    if not unknown and not any(extra in written for extra in ("component", "with")):
        yield None, (*path, "set"), dict(entry.set)


def _draft(
    name: str,
    suffix: str | None,
    entry: AblationEntry,
    where: Path,
    delta: dict[str, Any],
    baseline: "Arm",
    base: Plain,
    problems: Problems,
) -> Draft | None:
    """Build one variant's config; None where it does not fit, which is noted."""
    path: Path = ("ablations", name)
    fields = {field: (*where, field) if where[-1] == "set" else where for field in delta}
    plain = laid_over(base, delta)
    try:
        config = config_from_plain(type(baseline.config), plain)
    except InvalidValue as error:
        for inner, sentence in error.findings:
            origin = fields.get(str(inner[0]), where) if inner else where
            problems.add((*origin, *inner[1:]), sentence)
        return None
    moved = difference(base, config_to_plain(config))
    variant = Variant(
        name if suffix is None else f"{name}[{suffix}]",
        "ablation",
        name,
        entry.part,
        entry.component,
        entry.action or "REPLACE",
        entry.expect,
        baseline.algorithm,
        config,
        moved,
        label_of(moved, type(config)),
        "",
    )
    return Draft(variant, where if suffix is not None else path, fields)


def shown_choice(value: Any) -> str:
    """One value of a ``with`` list as it stands in a variant's name."""
    if isinstance(value, Mapping):
        kind = [str(value["kind"])] if "kind" in value else []
        return ",".join([*kind, *(f"{key}={shown(one)}" for key, one in value.items() if key != "kind")])
    return shown(value)


def _is_neutral(value: Any, field: ComponentField) -> bool:
    current = value.get("kind") if isinstance(value, dict) else value
    return bool(current == field.marker.neutral)


def _allowed(field: ComponentField) -> str:
    return f"one of {', '.join(field.kinds)}" if field.kinds else "a number or a list of numbers"


def _no_component(name: str, known: Mapping[str, ComponentField]) -> str:
    return f"no component `{name}`.{hint(name, known)} Components: {', '.join(known)}."
