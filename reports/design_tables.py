"""The section on a two-level design: a table of effects, a table of interactions, and what they say in sentences."""

import math
from collections.abc import Sequence

from reports.designs import Answer, Findings, What
from reports.notation import NONE, decimals, fixed, interval, p_value, plural
from reports.scores import ScoreTable
from reports.stats import Interval
from reports.tables import Kind, Table, Value, columns_of

ROMAN = {3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII"}
TITLES: dict[What, str] = {
    "alone": "on the full method",
    "last": "on the stripped method",
    "gap": "their difference",
    "main": "main effect",
    "shapley": "Shapley value",
    "interaction": "interaction",
    "shapley_interaction": "Shapley interaction",
}
"""Question -> heading of its column."""
_NAMES = {
    "add_one_in": "An add-one-in",
    "pairwise": "A pairwise",
    "fractional_factorial": "A fractional factorial",
    "full_factorial": "A full factorial",
}
_EFFECTS: tuple[What, ...] = ("alone", "last", "gap", "main", "shapley")
_PAIRS: tuple[What, ...] = ("interaction", "shapley_interaction")
_ABOUT: dict[What, str] = {
    "alone": "On the full method: the change alone (the comparison of the main table).",
    "last": "On the stripped method: the change where all others are made already.",
    "gap": "Their difference: by how much the change matters more or less once the others are made.",
    "main": "Main effect: its mean over the settings of the others.",
    "shapley": "Shapley value: its mean over all orders of making the changes.",
    "interaction": "Interaction: what two changes do together beyond the sum of what each does{over}.",
    "shapley_interaction": "Shapley interaction: the same over all orders of making the others.",
}
_TESTED: tuple[What, ...] = ("main", "gap", "interaction")
"""Questions whose p value is shown; the others are described by their intervals."""


def design_tables(found: Findings | None) -> list[Table]:
    """The tables of a design: effects of changes, and interactions where it shows any."""
    if found is None:
        return []
    tables = [_table("design_effects", found, _EFFECTS, [(one,) for one in found.design.factors])]
    pairs = list(dict.fromkeys(changes for what in _PAIRS for changes in found.of(what)))
    if pairs:
        tables.append(_table("design_interactions", found, _PAIRS, pairs))
    return tables


def _table(name: str, found: Findings, asked: Sequence[What], rows: Sequence[tuple[str, ...]]) -> Table:
    shown = [what for what in asked if found.of(what)]
    twins = {changes: _twins(found, changes) for changes in rows}
    mixed = any(twins.values())
    spec: list[tuple[str, Kind]] = [("changes" if name.endswith("interactions") else "change", "name")]
    for what in shown:
        spec.append((TITLES[what] + (", %" if found.relative else ""), "left"))
        spec += [("p (Holm)", "right")] if what in _TESTED else []
    spec += [("mixed with", "name")] if mixed else []
    cells = []
    for changes in rows:
        line = [" \u00d7 ".join(changes)]
        for what in shown:
            answer = found.of(what).get(changes)
            line.append(answer_text(found, answer))
            line += [p_value(answer.p_holm if answer else math.nan)] if what in _TESTED else []
        cells.append([*line, *([twins[changes]] if mixed else [])])
    records = [_record(found, changes, shown, twins[changes]) for changes in rows]
    return Table(name, _caption(found, shown), columns_of(spec, cells), records)


def answer_text(found: Findings, answer: Answer | None) -> str:
    """Estimate and interval."""
    if answer is None:
        return NONE
    factor = 100.0 if found.relative else 1.0
    places = decimals(factor * answer.estimate.se, most=1 if found.relative else 6)
    return f"{fixed(factor * answer.estimate.value, places)} {interval(answer.interval, places, factor)}"


def _record(found: Findings, changes: tuple[str, ...], shown: Sequence[What], twins: str) -> dict[str, Value]:
    record: dict[str, Value] = {"changes": "+".join(changes), "unit": found.unit}
    for what in shown:
        answer = found.of(what).get(changes)
        ends = answer.interval if answer else Interval(math.nan, math.nan)
        record |= {
            what: answer.estimate.value if answer else None,
            f"{what}_low": ends.low,
            f"{what}_high": ends.high,
            f"{what}_se": answer.estimate.se if answer else None,
            f"{what}_df": answer.estimate.df if answer else None,
            f"{what}_p": answer.estimate.p if answer else None,
            f"{what}_p_holm": answer.p_holm if answer else None,
        }
    return record | ({"mixed_with": twins} if twins else {})


def _twins(found: Findings, changes: tuple[str, ...]) -> str:
    """Other changes and pairs that a fraction cannot tell apart from these."""
    part = found.design.part
    twins = part.aliases(frozenset(changes)) if part else ()
    return ", ".join("\u00d7".join(one for one in found.design.factors if one in twin) for twin in twins)


def _caption(found: Findings, shown: Sequence[What]) -> str:
    over = "" if found.design.kind == "pairwise" else ", over the settings of the others"
    about = " ".join(_ABOUT[what].format(over=over) for what in shown)
    unit = "% of the baseline" if found.relative else found.unit
    method = "Welch-Satterthwaite, delta method" if found.relative else "Welch-Satterthwaite"
    return (
        f"{about} In {unit}; negative means that the change hurts"
        + (", or hurts more together" if "interaction" in shown else "")
        + f". {found.level:.0%} intervals for one entry ({method}; seeds are the unit)"
        + ("; p by Holm over its column. " if any(what in _TESTED for what in shown) else ". ")
        + "Exploratory beside the main table."
    )


def design_sentences(found: Findings, table: ScoreTable) -> list[str]:
    """What the design is, what it shows, and what it cannot."""
    design = found.design
    runs = [len(table.scores(name, task)) for name in design.arms.values() for task in range(len(table.manifest.tasks))]
    seeds = f"{min(runs)}" if min(runs) == max(runs) else f"{min(runs)} to {max(runs)}"
    said = [
        f"{_NAMES[design.kind]} design of {plural(len(design.factors), 'change')} ({', '.join(design.factors)}): "
        f"{plural(len(design.arms), 'setting')}, {seeds} scored runs each on every task."
    ]
    if design.part is not None:
        said.append(_resolution(found))
    if found.missing:
        said.append(f"Without two scored runs on every task, or not what they are called: {', '.join(found.missing)}.")
    said += found.notes
    said += _sum(found)
    said += _interacting(found)
    return said


def _resolution(found: Findings) -> str:
    part = found.design.part
    assert part is not None
    meaning = {
        3: "Main effects are mixed with interactions of pairs: read them together with the last column",
        4: "Main effects are clear of pairs; pairs are mixed with each other, so a row stands for all that it names",
    }.get(part.resolution, "Main effects and pairs are clear of each other, if no three or more changes interact")
    return f"{len(part.settings)} settings are a fraction of resolution {ROMAN[part.resolution]}. {meaning}."


def _sum(found: Findings) -> list[str]:
    """The check that Shapley values add up to the whole change."""
    values = found.of("shapley")
    if not values or found.total is None:
        return []
    factor, unit = (100.0, " %") if found.relative else (1.0, "")
    places = decimals(factor * found.total.estimate.se, most=1 if found.relative else 6)
    added = fixed(factor * sum(one.estimate.value for one in values.values()), places)
    whole = answer_text(found, found.total)
    return [f"The Shapley values add up to {added}{unit}, as they must: all changes at once have {whole}{unit}."]


def _interacting(found: Findings) -> list[str]:
    """Interactions that hold after the correction, in words."""
    alpha = 1 - found.level
    said = []
    for (first, second), answer in found.of("interaction").items():
        if answer.p_holm < alpha:
            way = "hurt more" if answer.estimate.value < 0 else "hurt less"
            twins = _twins(found, (first, second))
            said.append(
                f"{first} and {second} together {way} than the sum of both ({answer_text(found, answer)}"
                f"{' %' if found.relative else ''}, p {p_value(answer.p_holm)} after Holm over the pairs)"
                + (f", unless that is {twins}." if twins else ".")
            )
    for (change,), answer in found.of("gap").items():
        if answer.p_holm < alpha:
            said.append(
                f"{change} interacts with the rest: what it does to the full method and to the stripped one differs by "
                f"{answer_text(found, answer)}{' %' if found.relative else ''} (p {p_value(answer.p_holm)} after Holm)."
            )
    if not said and (found.of("interaction") or found.of("gap")):
        said.append("No interaction holds after Holm, which does not show that there is none.")
    return said
