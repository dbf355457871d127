"""Variants: the baseline, and the baseline with one named delta each.

REMOVE sets a component's neutral element, REPLACE another value, ADD a value where the baseline has the neutral one.
What a variant is called in tables is computed from the difference of the resolved configs, never typed by hand. A
variant equal to the baseline or to another is refused, because it would be a comparison of nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ablate.configs import (
    Delta,
    InvalidValue,
    Plain,
    config_from_plain,
    config_to_plain,
    defaults,
    difference,
    laid_over,
    shown,
)
from ablate.problems import Problems, hint
from ablate.schema import AblationEntry
from ablate.tree import Path
from algorithms import registry
from algorithms.component import ComponentField, components

if TYPE_CHECKING:
    from ablate.study import Arm, Study

BASELINE = "baseline"
BASELINE_COLOR = "#000000"
COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",  # Okabe and Ito, without yellow (too pale)
    "#999999", "#332288", "#882255", "#117733", "#AA4499", "#44AA99", "#661100", "#6699CC", "#888888",  # Tol, muted
)  # fmt: skip

Action = Literal["REMOVE", "REPLACE", "ADD"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of every table: an algorithm with a fully resolved config.

    Attributes:
        name: ``baseline``, the ablation's name, ``VaryM[2]`` for one value of several, or the control's name.
        role: What it is compared as.
        ablation: Name of the ablation it belongs to.
        part: The part in the paper's words.
        component: The component that changes; None where several do.
        action: As declared.
        expect: Expected direction, declared before the run.
        algorithm: Registered name.
        config: Frozen config dataclass.
        delta: Dotted field -> (value in the baseline, value here).
        label: The delta in words.
        color: Of its curve, in the PDF and in MLflow.
    """

    name: str
    role: Literal["baseline", "ablation", "control"]
    ablation: str | None
    part: str | None
    component: str | None
    action: Action | None
    expect: Literal["worse", "better", "none"] | None
    algorithm: str
    config: Any
    delta: Delta
    label: str
    color: str


def expand(study: "Study") -> list[Variant]:
    """Every variant of a study: the baseline, the ablations, the controls, in the order of the file."""
    return list(study.variants)


@dataclass(frozen=True, slots=True)
class Draft:
    """A variant before its colour, and the paths of the study file that its problems belong to."""

    variant: Variant
    path: Path
    fields: Mapping[str, Path]
    """Config field -> where this variant wrote it."""


def baseline_draft(arm: "Arm") -> Draft:
    """The baseline as a variant."""
    variant = Variant(
        BASELINE, "baseline", None, None, None, None, None, arm.algorithm, arm.config, {}, BASELINE, BASELINE_COLOR
    )
    return Draft(variant, ("baseline",), {})


def control_drafts(arms: "Mapping[str, Arm]", baseline: "Arm", problems: Problems) -> list[Draft]:
    """Other algorithms for comparison."""
    base = config_to_plain(baseline.config)
    drafts = []
    for name, arm in arms.items():
        delta = difference(base, config_to_plain(arm.config))
        if arm.algorithm != baseline.algorithm:
            delta = {"algorithm": (baseline.algorithm, arm.algorithm), **delta}
        label = label_of(delta, type(arm.config))
        variant = Variant(
            name, "control", None, arm.note, None, None, None, arm.algorithm, arm.config, delta, label, ""
        )
        drafts.append(Draft(variant, ("controls", name), {}))
    return drafts


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
    if entry.component is None:
        problems.add(path, f"needs a `component`. Components: {', '.join(known)}.")
        return
    field = known.get(entry.component)
    if field is None:
        problems.add((*path, "component"), _no_component(entry.component, known))
        return
    if entry.action is None:
        problems.add(path, "needs an `action`: REMOVE, REPLACE or ADD.")
        return
    removed = _is_neutral(base[field.name], field)
    given = "with" in problems.tree.get(path)
    if entry.action == "REMOVE":
        if given:
            problems.add(
                (*path, "with"), f"REMOVE takes no `with`: it sets the neutral element `{field.marker.neutral}`."
            )
        elif removed:
            problems.add(
                path, f"REMOVE does nothing: the baseline's `{field.name}` is already `{field.marker.neutral}`."
            )
        else:
            neutral = field.marker.neutral
            yield None, path, {field.name: {"kind": neutral} if field.kinds else neutral}
        return
    if not given or entry.with_ is None:
        problems.add(path, f"{entry.action} needs `with`: {_allowed(field)}.")
        return
    if entry.action == "ADD" and not removed:
        now = shown(base[field.name])
        problems.add((*path, "action"), f"ADD: the baseline already has `{field.name}` = `{now}`; use REPLACE.")
        return
    if entry.action == "REPLACE" and removed:
        off = field.marker.neutral
        problems.add((*path, "action"), f"REPLACE: the baseline's `{field.name}` is off (`{off}`); use ADD.")
        return
    if not isinstance(entry.with_, list):
        yield None, (*path, "with"), {field.name: entry.with_}
        return
    if not entry.with_:
        problems.add((*path, "with"), f"the list is empty; write {_allowed(field)}.")
    for index, value in enumerate(entry.with_):
        yield shown_choice(value), (*path, "with", index), {field.name: value}


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


def label_of(delta: Delta, config_type: type) -> str:
    """A delta in words: ``aggregation: leader_follower → on_policy_only``; several joined by commas."""
    if not delta:
        return "no change"
    kinds = {name: field.kinds for name, field in components(config_type).items()}
    parts = []
    for key, (old, new) in delta.items():
        known = {kind: defaults(one) for kind, one in kinds.get(key, {}).items()}
        parts.append(f"{key}: {_shown(old, known)} → {_shown(new, known)}")
    return ", ".join(parts)


def _shown(value: Any, known: Mapping[str, Plain]) -> str:
    return shown(value, known.get(value.get("kind", "")) if isinstance(value, Mapping) else None)


def shown_choice(value: Any) -> str:
    """One value of a ``with`` list as it stands in a variant's name."""
    if isinstance(value, Mapping):
        kind = [str(value["kind"])] if "kind" in value else []
        return ",".join([*kind, *(f"{key}={shown(one)}" for key, one in value.items() if key != "kind")])
    return shown(value)


def distinct(drafts: list[Draft], problems: Problems) -> list[Variant]:
    """Refuse variants that equal another, and give the rest their colours by order."""
    seen: dict[str, tuple[str, Any]] = {}
    variants = []
    for draft in drafts:
        one = draft.variant
        twin = next((name for name, key in seen.items() if key == (one.algorithm, one.config)), None)
        if twin is not None:
            what = "the baseline" if twin == BASELINE else f"`{twin}`"
            problems.add(draft.path, f"`{one.name}` is the same as {what}: there would be nothing to compare.")
            continue
        seen[one.name] = (one.algorithm, one.config)
        variants.append(one)
    return [_colored(one, index) for index, one in enumerate(variants)]


def _colored(variant: Variant, index: int) -> Variant:
    import dataclasses

    if variant.role == "baseline":
        return variant
    return dataclasses.replace(variant, color=COLORS[(index - 1) % len(COLORS)])


def shared_fields(source: Any, target: type) -> Plain:
    """The values of a config's fields that another config type declares with the same type."""
    import typing

    theirs = typing.get_type_hints(target, include_extras=True)
    ours = typing.get_type_hints(type(source), include_extras=True)
    return {key: value for key, value in config_to_plain(source).items() if key in theirs and theirs[key] == ours[key]}


def _is_neutral(value: Any, field: ComponentField) -> bool:
    current = value.get("kind") if isinstance(value, dict) else value
    return bool(current == field.marker.neutral)


def _allowed(field: ComponentField) -> str:
    return f"one of {', '.join(field.kinds)}" if field.kinds else "a number or a list of numbers"


def _no_component(name: str, known: Mapping[str, ComponentField]) -> str:
    return f"no component `{name}`.{hint(name, known)} Components: {', '.join(known)}."


def sources_of(algorithm: str) -> tuple[str, ...]:
    """The code that decides an algorithm's numbers."""
    return registry.find(algorithm).sources
