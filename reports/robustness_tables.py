"""The primary contrasts in other currencies, and whether other statistics agree."""

import math

from reports.evidence import evalue
from reports.notation import NONE, fixed, p_value
from reports.robustness import ALTERNATIVES, Direction
from reports.tables import Kind, Table, Value, columns_of
from reports.verdicts import FEW, Conclusion, Contrast

_WORDS = {-1: "worse", 0: "open", 1: "better"}


def robustness_table(conclusion: Conclusion) -> Table:
    """The same contrasts in other currencies: permutation p, Hedges g, seeds' correlation, ratio of spreads."""
    rows = conclusion.ranked
    spec: list[tuple[str, Kind]] = [
        ("change", "name"), ("p (Welch)", "right"), ("p (Holm)", "right"), ("p (permutation)", "right"),
        ("Hedges g", "decimal"), ("rho of equal seeds", "decimal"), ("SD ratio", "decimal"),
    ]  # fmt: skip
    cells = []
    records: list[dict[str, Value]] = []
    for row in rows:
        found = row.numbers
        permutation = found.p_permutation if min(found.n, found.n_base) >= FEW else math.nan
        cells.append(
            [row.variant.name, p_value(row.p), p_value(row.p_holm), p_value(permutation),
             fixed(found.hedges, 2), fixed(found.rho, 2), fixed(found.sd_ratio, 1)]
        )  # fmt: skip
        records.append(
            {"variant": row.variant.name, "p": row.p, "p_holm": row.p_holm, "p_permutation": found.p_permutation,
             "hedges_g": found.hedges, "rho": found.rho, "sd_ratio": found.sd_ratio, "e_value": _evalue(row)}
        )  # fmt: skip
    caption = (
        "The primary contrasts under other statistics. Permutation p is exact up to 8 runs per arm and shown from 5. "
        "Hedges g is in pooled between-seed standard deviations. rho is the correlation of runs with equal seeds: "
        "intervals treat runs as unpaired whatever it is. An SD ratio above 3 makes a verdict provisional below ten."
    )
    return Table("robustness", caption, columns_of(spec, cells), records)


def _evalue(row: Contrast) -> float | None:
    """E-value with prior variance 1, for one task."""
    tasks = row.numbers.tasks
    return evalue(tasks[0].scores, tasks[0].base) if len(tasks) == 1 and row.numbers.difference is not None else None


def agreement_table(conclusion: Conclusion) -> Table:
    """Direction found by every alternative; those that answer otherwise are marked."""
    other = "AUC" if conclusion.table.manifest.primary.summary == "final" else "end of training"
    titles = {name: other if name == "other summary" else name for name in ALTERNATIVES}
    spec: list[tuple[str, Kind]] = [
        ("change", "name"), ("primary", "left"), *((titles[name], "left") for name in ALTERNATIVES)
    ]  # fmt: skip
    rows = [row for row in conclusion.ranked if row.answers]
    cells = [_agreement_cells(conclusion, row) for row in rows]
    records: list[dict[str, Value]] = [
        {"variant": row.variant.name, "primary": row.direction(conclusion.alpha), **row.answers,
         "flips": ", ".join(titles[name] for name in row.flips(conclusion.alpha))}
        for row in rows
    ]  # fmt: skip
    caption = (
        f"Would another analysis say otherwise? Each column tests the same contrasts at the same family-wise level: "
        "by exact permutation, on the "
        f"{'area under the curve' if other == 'AUC' else 'end of training'}, on the logarithm of the ratio, without "
        "failed runs, paired by seed, and by the difference of interquartile means (stretched bootstrap). Open: not "
        f"told apart; {NONE}: does not apply. \u2020 marks answers other than the primary one; none of them can change "
        "a verdict."
    )
    return Table("agreement", caption, columns_of(spec, cells), records)


def _agreement_cells(conclusion: Conclusion, row: Contrast) -> list[str]:
    flips = row.flips(conclusion.alpha)
    own = _WORDS[row.direction(conclusion.alpha)]
    return [row.variant.name, own, *(_word(row.answers.get(name)) + ("\u2020" if name in flips else "")
                                     for name in ALTERNATIVES)]  # fmt: skip


def _word(answer: Direction) -> str:
    return NONE if answer is None else _WORDS[answer]
