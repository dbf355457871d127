"""Every arm as it is beside the same arm retuned: what of an effect is left when each arm has a value of its own.

The retuned arms are compared with the retuned baseline, with intervals, Holm family and verdicts like those of the main
result. Values were chosen on seeds of their own, so neither column has seen what it is judged by.
"""

from dataclasses import dataclass

from reports.effect_tables import effect_text, ends_of, mean_text, moment, p_text
from reports.notation import NONE, compact, decimals, fixed, plural
from reports.sentences import failures
from reports.tables import Kind, Table, Value, columns_of
from reports.tune import Tune, TunedArm
from reports.verdicts import Conclusion, Contrast, verdict_text

MARK = "*"
"""Stands behind the chosen value's score."""


@dataclass(frozen=True, slots=True)
class Retuned:
    """Both sides.

    Attributes:
        tune: What was tuned, and what was chosen.
        as_is: The arms as the study file has them.
        retuned: The same arms with their chosen values, against the retuned baseline.
    """

    tune: Tune
    as_is: Conclusion
    retuned: Conclusion

    @property
    def pairs(self) -> list[tuple[Contrast, Contrast]]:
        """Every contrast as is and retuned, in the order of the main result."""
        other = {row.variant.name: row for row in self.retuned.contrasts}
        return [(row, other[row.variant.name]) for row in self.as_is.ranked]

    def decided(self, variant: str) -> bool:
        """Whether an arm's value is chosen."""
        return self.tune.arm(variant).chosen is not None


def retuned_table(found: Retuned) -> Table:
    """Side by side: effect, interval, p and verdict as is; the chosen value; the same retuned."""
    study, tune = found.as_is.table.manifest, found.tune
    level = f"[{1 - found.as_is.alpha:.0%}]"
    spec: list[tuple[str, Kind]] = [("change", "name")]
    for side, conclusion in (("as is", found.as_is), ("retuned", found.retuned)):
        unit = "%" if conclusion.in_percent else "difference"
        spec += [(f"{unit} {side}", "decimal"), (f"{level} {side}", "left")]
        spec += [(f"p {side}", "right"), (f"verdict {side}", "left")]
    spec.insert(5, (tune.field, "left"))
    base = study.baseline.name
    cells = [[base, NONE, "", NONE, NONE, _value(tune, base), NONE, "", NONE, NONE]]
    cells += [
        [row.variant.name, *_side(found.as_is, row), _value(tune, row.variant.name), *_side(found.retuned, other)]
        for row, other in found.pairs
    ]
    records = [_base_record(found), *(_record(found, row, other) for row, other in found.pairs)]
    caption = (
        f"Every arm as it is and retuned: with the {tune.field} that did best on the tuning seeds. The retuned arms "
        "are compared with the retuned baseline. Effects, intervals and verdicts are made as those of the main result; "
        f"p is adjusted by Holm over {plural(found.as_is.family, 'ablation variant')}, each side a family of its own. "
        "Negative means that the change hurts."
    )
    if len(found.as_is.ablations) < len(found.pairs):
        caption += " Controls stand outside the correction: their p in parentheses is unadjusted."
    rules = tuple(sorted({1, 1 + len(found.as_is.ablations)} - {len(cells)}))
    return Table("retuned", caption, columns_of(spec, cells), records, rules)


def _side(conclusion: Conclusion, row: Contrast) -> list[str]:
    margin = conclusion.table.manifest.primary.margin
    return [*effect_text(row, conclusion.in_percent), p_text(row), verdict_text(row, margin)]


def _value(tune: Tune, variant: str) -> str:
    """``0.003 (own)``, ``0.001 → 0.003``."""
    own, chosen = tune.arm(variant).own, tune.chosen(variant)
    if chosen is None:
        return f"{own} \u2192 ?"
    return f"{own} (own)" if own == chosen else f"{own} \u2192 {chosen}"


def _arm_record(found: Retuned, variant: str) -> dict[str, Value]:
    arm = found.tune.arm(variant)
    chosen = found.tune.chosen(variant)
    return {"field": found.tune.field, "own": arm.own, "chosen": chosen, "edge": int(arm.edge)}


def _base_record(found: Retuned) -> dict[str, Value]:
    base = found.as_is.table.manifest.baseline.name
    means = {f"mean_{side}": _mean(conclusion, base) for side, conclusion in _sides(found)}
    return {"variant": base, "role": "baseline", **_arm_record(found, base), **means}


def _record(found: Retuned, row: Contrast, other: Contrast) -> dict[str, Value]:
    record: dict[str, Value] = {"variant": row.variant.name, "role": row.role, **_arm_record(found, row.variant.name)}
    for (side, conclusion), contrast in zip(_sides(found), (row, other), strict=True):
        numbers, percent, difference = contrast.numbers, contrast.numbers.percent, contrast.numbers.difference
        own: dict[str, Value] = {
            "mean": _mean(conclusion, row.variant.name), "n": numbers.n, "n_base": numbers.n_base,
            "failed": contrast.failures, "missing": contrast.missing,
            "difference": difference.value if difference else None,
            **ends_of("difference", numbers.difference_interval),
            "percent": 100 * percent.value if percent else None,
            **ends_of("percent", percent.interval if percent else None, 100),
            "p": contrast.p, "p_holm": contrast.p_holm, "verdict": contrast.verdict,
            "provisional": int(contrast.provisional), "guards": "; ".join(contrast.guards),
        }  # fmt: skip
        record |= {f"{key}_{side}": value for key, value in own.items()}
    return record


def _sides(found: Retuned) -> tuple[tuple[str, Conclusion], tuple[str, Conclusion]]:
    return ("as_is", found.as_is), ("retuned", found.retuned)


def _mean(conclusion: Conclusion, variant: str) -> Value:
    """Mean score of an arm on one task, in the metric's own sign; over several tasks it would mean nothing."""
    table = conclusion.table
    if len(table.manifest.tasks) > 1:
        return None
    return (-1 if table.flipped else 1) * moment(table.scores(variant, 0), 0)


def tuning_table(found: Retuned) -> Table:
    """Mean tuning score of every arm and value, task by task; the chosen value's is marked."""
    tune, tasks = found.tune, found.as_is.table.manifest.tasks
    cells: list[list[str]] = []
    records: list[dict[str, Value]] = []
    for arm in tune.arms:
        for task, one in enumerate(tasks):
            shown = [_score(arm, index, task) for index in range(len(tune.values))]
            cells.append(["" if task else arm.variant, one.label, arm.own, *shown])
            records += [
                {"variant": arm.variant, "task": one.label, "field": tune.field, "value": value, "own": arm.own,
                 "score": arm.scores[index][task], "failed": arm.failed[index], "runs": arm.runs,
                 "chosen": int(arm.chosen == index)}
                for index, value in enumerate(tune.values)
            ]  # fmt: skip
    spec: list[tuple[str, Kind]] = [("arm", "name"), ("task", "name"), ("own", "right")]
    spec += [(value, "right") for value in tune.values]
    columns = columns_of(spec, cells)
    if len(tasks) == 1:
        columns = (columns[0], *columns[2:])
    caption = (
        f"Tuning scores: {_criterion(found)} of every arm with every {tune.field}. {MARK} marks the chosen value. "
        "These runs served to choose and enter nothing else."
    )
    if any(any(arm.failed) for arm in tune.arms):
        caption += " Failed runs score the floor."
    rules = tuple(range(0, len(cells), len(tasks))) if len(tasks) > 1 else (1,)
    return Table("tuning", caption, columns, records, rules)


def _score(arm: TunedArm, index: int, task: int) -> str:
    score, failed = arm.scores[index][task], arm.failed[index]
    text = NONE if score is None else fixed(score, _places(arm, task))
    text += f" ({failed} failed)" if failed and not task else ""
    return text + (MARK if arm.chosen == index else "")


def _places(arm: TunedArm, task: int) -> int:
    """Decimals that show a hundredth of the range an arm's choice was made from."""
    known = [one for one in (row[task] for row in arm.scores) if one is not None]
    spread = max(known) - min(known) if known else 0.0
    return decimals(spread / 10 or abs(known[0]) / 100, most=4) if known else 0


def _criterion(found: Retuned) -> str:
    primary, tune = found.as_is.table.manifest.primary, found.tune
    what = "along the run" if tune.summary == "auc" else "over the last 10% of the budget"
    return f"{primary.name} (its mean {what} and over {plural(len(tune.seeds), 'tuning seed')})"


def retuned_sentences(found: Retuned) -> list[str]:
    """How it was tuned and what came of it, each with its precondition."""
    tune, study = found.tune, found.as_is.table.manifest
    seeds = ", ".join(str(seed) for seed in tune.seeds[:20]) + (", ..." if len(tune.seeds) > 20 else "")
    runs = len(tune.values) * tune.arms[0].runs
    said = [
        f"The {tune.field} of each arm was chosen from {', '.join(tune.values)} on "
        f"{'seed' if len(tune.seeds) == 1 else 'seeds'} {seeds}, with {compact(tune.budget)} environment steps per "
        f"run. The comparison never sees these seeds, and every arm got the same {plural(runs, 'tuning run')}. The "
        f"value with the best {_criterion(found)} was taken; ties go to the value nearest to the arm's own."
    ]
    if len(study.tasks) > 1:
        said[0] += (
            " Each task's scores are divided by the range its environment declares, or, where it declares none, by the "
            "span between the arm's worst and best value; the mean over tasks decides."
        )
    open_arms = [arm.variant for arm in tune.arms if arm.chosen is None]
    if open_arms:
        said.append(f"Not chosen yet, because tuning runs are missing: {', '.join(open_arms)}.")
    kept = [arm.variant for arm in tune.arms if tune.chosen(arm.variant) == arm.own]
    if kept:
        keeps = "keeps its own value, so its" if len(kept) == 1 else "keep their own values, so their"
        said.append(f"{', '.join(kept)} {keeps} retuned runs are the runs as is.")
    lost = [
        arm.variant for arm in tune.arms if arm.chosen is not None and sum(arm.failed) == len(tune.values) * arm.runs
    ]
    if lost:
        said.append(f"Every tuning run failed, so the nearest value was taken: {', '.join(lost)}.")
    return [*said, *_baseline(found), *_changes(found), *_failures(found), *edges(tune)]


def _baseline(found: Retuned) -> list[str]:
    """How the baseline itself fares, where that can be said in one number."""
    base = found.as_is.table.manifest.baseline.name
    if found.tune.chosen(base) in (None, found.tune.arm(base).own) or len(found.as_is.table.manifest.tasks) > 1:
        return []
    (a, b), tables = ((one.table.scores(base, 0) for _, one in _sides(found)), (found.as_is.table, found.retuned.table))
    if not len(a) or not len(b):
        return []
    return [
        f"The baseline's mean {found.as_is.table.manifest.primary.name} is {mean_text(a, tables[0])} as is and "
        f"{mean_text(b, tables[1])} retuned."
    ]


def _changes(found: Retuned) -> list[str]:
    """Whether a verdict differs between the sides."""
    if moved := changed_verdicts(found):
        return moved
    judged = any(_judged(pair) for pair in found.pairs)
    return [f"No verdict changes when every arm has a {found.tune.field} of its own."] if judged else []


def changed_verdicts(found: Retuned) -> list[str]:
    """What a reader of the main result must know: verdicts that differ once the arms are retuned; empty without any."""
    margin = found.as_is.table.manifest.primary.margin
    moved = [
        f"{row.variant.name} ({verdict_text(row, margin)} as is, {verdict_text(other, margin)} retuned)"
        for row, other in found.pairs
        if _judged((row, other)) and row.verdict != other.verdict
    ]
    return [f"The verdict depends on {found.tune.field}: {'; '.join(moved)}."] if moved else []


def _judged(pair: tuple[Contrast, Contrast]) -> bool:
    return all(row.verdict != "not estimable" for row in pair)


def _failures(found: Retuned) -> list[str]:
    return [f"Retuned {row.variant.name}: {failures(row)}" for _, row in found.pairs if row.failures]


def edges(tune: Tune) -> list[str]:
    """Choices at the edge of what was tried; empty without any."""
    edge = [f"{arm.variant} ({tune.chosen(arm.variant)})" for arm in tune.arms if arm.edge]
    if not edge:
        return []
    return [f"Chosen at the edge of the values of {tune.field}: {', '.join(edge)}; a better value may lie beyond."]
