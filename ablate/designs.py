"""The ``design:`` block: which sets of ablations are made at once, beside each one alone.

The settings, and what can be worked out from them, are those of ``reports.factorial``. Here they are checked against
the study's ablations and become variants, named by the changes they make (``NoA+NoB``), with cells like all others.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ablate.configs import InvalidValue, config_from_plain, config_to_plain, difference, laid_over
from ablate.problems import Problems, hint
from ablate.schema import AblationEntry, DesignEntry
from ablate.tree import Path
from ablate.variants import Draft, Variant, label_of
from reports import factorial
from reports.factorial import Design, Fraction

if TYPE_CHECKING:
    from ablate.study import Arm, Study

_PLACE: Path = ("design",)
ROMAN = {3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII"}
_MOST_ALIASES = 12


def resolved_design(
    entry: DesignEntry | None,
    ablations: Mapping[str, AblationEntry],
    drafts: Sequence[Draft],
    problems: Problems,
    *,
    adaptive: bool,
) -> Design | None:
    """Check a ``design:`` block against the ablations; what is wrong is noted.

    Args:
        entry: The block as written.
        ablations: As declared.
        drafts: The variants they became.
        problems: Where to note.
        adaptive: The study adds seeds where they are needed.
    """
    if entry is None or entry.kind == "leave_one_out":
        for key in ("factors", "resolution") if entry else ():
            if getattr(entry, key) is not None:
                problems.add((*_PLACE, key), "means nothing where every ablation is made alone (`leave_one_out`).")
        return None
    factors = tuple(ablations if entry.factors is None else entry.factors)
    before = len(problems.found)
    _check_factors(entry, factors, ablations, drafts, problems)
    if adaptive:
        problems.add(_PLACE, "needs equal seeds in all its arms: write `seeds: {count: ...}` instead of adaptive ones.")
    part = _fraction(entry, factors, problems)
    if len(problems.found) > before or any(not _of(name, drafts) for name in factors):
        return None
    return Design(entry.kind, factors, part)


def _check_factors(
    entry: DesignEntry,
    factors: Sequence[str],
    ablations: Mapping[str, AblationEntry],
    drafts: Sequence[Draft],
    problems: Problems,
) -> None:
    """Every factor is an ablation with two levels, and no two touch the same component."""
    listed = entry.factors is not None
    owner: dict[str, str] = {}
    for index, name in enumerate(factors):
        place: Path = (*_PLACE, "factors", index) if listed else _PLACE
        leave = "" if listed else " List the others as `factors`."
        if name in factors[:index]:
            problems.add(place, f"`{name}` is listed twice.")
        elif name not in ablations:
            problems.add(place, f"no ablation `{name}`.{hint(name, ablations)} Ablations: {', '.join(ablations)}.")
        elif isinstance(ablations[name].with_, list):
            problems.add(place, f"`{name}` has several values; a factor is made or not made.{leave}")
        for draft in _of(name, drafts):
            for field in draft.fields:
                other = owner.setdefault(field, name)
                if other != name:
                    both = f"`{other}` and `{name}` both change `{field}`"
                    problems.add(place, f"{both}: they cannot be made at once.{leave}")
    if len(factors) < 2:
        problems.add(_PLACE, "needs two ablations or more to combine.")


def _fraction(entry: DesignEntry, factors: Sequence[str], problems: Problems) -> Fraction | None:
    """The fraction that is asked for; what cannot be had is noted."""
    count, kind = len(factors), entry.kind
    if kind != "fractional_factorial":
        if entry.resolution is not None:
            problems.add((*_PLACE, "resolution"), f"belongs to a `fractional_factorial`, not to `{kind}`.")
        if kind == "full_factorial" and count > factorial.MOST_FULL:
            problems.add(
                _PLACE,
                f"{count} factors make {2**count} arms; a full factorial takes {factorial.MOST_FULL} at most. "
                "Choose among them, or write `kind: fractional_factorial`.",
            )
        return None
    known = [Fraction(tuple(factors), one) for one in factorial.GENERATORS.get(count, ())]
    if not known:
        what = f"3 to {factorial.MOST_FRACTION} factors have a standard fraction, these are {count}."
        problems.add(_PLACE, f"{what} Choose among them, or write `kind: pairwise`.")
        return None
    offers = ", ".join(f"{one.resolution} ({len(one.settings)} settings)" for one in known)
    if entry.resolution is None:
        problems.add(_PLACE, f"a fraction needs a `resolution`. With {count} factors: {offers}.")
        return None
    part = factorial.fraction(factors, entry.resolution)
    if part is None:
        what = f"{count} factors have no fraction of resolution {entry.resolution}. There is {offers}"
        problems.add((*_PLACE, "resolution"), f"{what}, or `kind: full_factorial`.")
    return part


def _of(name: str, drafts: Sequence[Draft]) -> list[Draft]:
    return [draft for draft in drafts if draft.variant.ablation == name]


def design_drafts(design: Design | None, drafts: Sequence[Draft], baseline: "Arm", problems: Problems) -> list[Draft]:
    """The arms of a design that make several changes; what does not fit together is noted."""
    found: list[Draft] = []
    if design is None:
        return found
    base = config_to_plain(baseline.config)
    taken = {draft.variant.name for draft in drafts}
    own = {name: _of(name, drafts)[0] for name in design.factors}
    for setting, name in design.arms.items():
        if len(setting) < 2:
            continue
        if name in taken:
            problems.add(_PLACE, f"the name `{name}` is taken, but the design calls an arm so.")
            continue
        made = [own[one] for one in design.factors if one in setting]
        delta = {field: config_to_plain(one.variant.config)[field] for one in made for field in one.fields}
        try:
            config = config_from_plain(type(baseline.config), laid_over(base, delta))
        except InvalidValue as error:
            for _, sentence in error.findings:
                problems.add(_PLACE, f"`{name}` cannot be made: {sentence}")
            continue
        moved = difference(base, config_to_plain(config))
        label = label_of(moved, type(config))
        variant = Variant(
            name, "design", None, None, None, None, None, baseline.algorithm, config, moved, label, ""
        )  # fmt: skip
        found.append(Draft(variant, _PLACE, {field: path for one in made for field, path in one.fields.items()}))
    return found


def record(design: Design) -> dict[str, Any]:
    """A design as the manifest holds it."""
    return {
        "kind": design.kind,
        "factors": list(design.factors),
        "generators": list(design.part.generators) if design.part else [],
    }


def design_data(study: "Study") -> dict[str, Any]:
    """What a design costs and can show, as plain data; empty without one."""
    design = study.design
    if design is None:
        return {}
    runs = len(study.tasks) * len(study.seeds)
    part = design.part
    return {
        "design": {
            **record(design),
            "arms": len(design.arms),
            "cells": len(design.arms) * runs,
            "leave_one_out_cells": (len(design.factors) + 1) * runs,
            "resolution": part.resolution if part else None,
            "aliases": [[sorted(one) for one in group] for group in alias_groups(design)],
            "standard_errors": errors(design, runs),
            "others": [
                {
                    "kind": one.kind,
                    "resolution": one.part.resolution if one.part else None,
                    "arms": len(one.arms),
                    "cells": len(one.arms) * runs,
                    "standard_errors": errors(one, runs),
                }
                for one in others(design)
            ],
        }
    }


def others(design: Design) -> list[Design]:
    """What else could be asked of the same changes."""
    factors, count = design.factors, len(design.factors)
    kinds: list[factorial.Kind] = ["leave_one_out", "add_one_in", "pairwise"]
    parts = [Fraction(factors, generators) for generators in factorial.GENERATORS.get(count, ())]
    found = [
        *(Design(kind, factors) for kind in kinds),
        *(Design("fractional_factorial", factors, part) for part in parts),
    ]
    if count <= factorial.MOST_FULL:
        found.append(Design("full_factorial", factors))
    return [one for one in found if one != design]


def errors(design: Design, runs: int) -> dict[str, float]:
    """Standard error of every kind of answer in between-seed SDs, with that many runs per arm."""
    first, second = design.factors[:2]
    found = {"leave one out": factorial.alone(first)}
    if set(design.arms) >= set(factorial.last(first, design.factors)):
        found["add one in"] = factorial.last(first, design.factors)
    if design.regular:
        found["main effect"] = factorial.main_effect(first, design.regular)
    if design.kind == "pairwise":
        found["interaction"] = factorial.pair_interaction(first, second)
    elif design.kind == "full_factorial" or (design.part is not None and design.part.resolution > 4):
        found["interaction"] = factorial.interaction((first, second), design.regular)
    if design.kind == "full_factorial":
        found["Shapley value"] = factorial.shapley(first, design.factors)
    return {what: factorial.error(weights, runs) for what, weights in found.items()}


def alias_groups(design: Design) -> list[tuple[factorial.Setting, ...]]:
    """Groups of changes and pairs of changes that a fraction cannot tell apart."""
    if design.part is None:
        return []
    groups = []
    seen: set[factorial.Setting] = set()
    for effect in factorial.subsets(design.factors):
        twins = design.part.aliases(effect) if 0 < len(effect) <= 2 and effect not in seen else ()
        if twins:
            groups.append((effect, *twins))
            seen.update(twins)
    return groups


_SHOWS = {
    "leave_one_out": "what each change does to the full method",
    "add_one_in": "what each change does to the full method, and what it does where all others are made already; where "
    "the two differ it interacts with the rest",
    "pairwise": "what each change does to the full method, and whether two together do more or less than their sum",
    "full_factorial": "what each change does over all settings of the others, every interaction, exact Shapley values",
}


def design_lines(study: "Study") -> list[str]:
    """What a design costs and can show, as text; nothing without one."""
    design = study.design
    if design is None:
        return []
    data = design_data(study)["design"]
    title = design.kind.replace("_", " ")
    precision = ", ".join(f"{what} {error:.2g}" for what, error in data["standard_errors"].items())
    found = [
        f"Design {title} of {', '.join(design.factors)}: {data['arms']} arms, {data['cells']:,} cells (leave one out "
        f"alone: {len(design.factors) + 1} arms, {data['leave_one_out_cells']:,} cells)."
    ]
    if design.part is not None:
        found += _fraction_lines(design)
    else:
        found.append(f"       Shows {_SHOWS[design.kind]}.")
    rest = [
        one["kind"].replace("_", " ")
        + (f" of resolution {ROMAN[one['resolution']]}" if one["resolution"] else "")
        + f" {one['cells']:,}"
        for one in data["others"]
    ]
    return [
        *found,
        f"       Standard errors in between-seed SDs: {precision}.",
        f"       Cells of other designs: {', '.join(rest)}.",
    ]


def _fraction_lines(design: Design) -> list[str]:
    part = design.part
    assert part is not None
    letters = ", ".join(f"{letter} {name}" for letter, name in zip(factorial.LETTERS, design.factors, strict=False))
    mixed = {
        3: "single changes are mixed with pairs, so a main effect may be an interaction's",
        4: "main effects are clear of pairs, pairs are mixed with each other",
    }.get(part.resolution, "main effects and pairs are clear of each other")
    found = [
        f"       Resolution {ROMAN[part.resolution]}: {mixed}. {len(part.settings)} of {2 ** len(design.factors)} "
        f"settings, {', '.join(part.generators)} ({letters}), and each change alone."
    ]
    groups = [" = ".join("×".join(_ordered(one, design)) for one in group) for group in alias_groups(design)]
    if groups:
        more = f" and {len(groups) - _MOST_ALIASES} more" if len(groups) > _MOST_ALIASES else ""
        found.append(f"       Cannot tell apart: {'; '.join(groups[:_MOST_ALIASES])}{more}.")
    return found


def _ordered(effect: factorial.Setting, design: Design) -> list[str]:
    return [one for one in design.factors if one in effect]
