"""Secondary endpoints: final score, area under the curve, time to a threshold. Exploratory, uncorrected."""

import numpy as np

from reports.curves import compare_curves, thresholds, times_to_threshold
from reports.effect_tables import ends_of, mean_text, moment
from reports.notation import NONE, compact, decimals, interval
from reports.stats import Interval, Scores, welch
from reports.survival import Survival, kaplan_meier, restricted_difference, restricted_mean
from reports.tables import Kind, Table, Value, columns_of
from reports.verdicts import Conclusion


def secondary_table(conclusion: Conclusion) -> Table:
    """Final score, area under the curve and time to the threshold, every variant and task."""
    study = conclusion.table.manifest
    reach = thresholds(conclusion.table)
    lines = [
        _line(conclusion, variant.name, task, reach[task])
        for variant in (study.baseline, *(row.variant for row in conclusion.ranked))
        for task in range(len(study.tasks))
    ]
    difference = f"difference [{1 - conclusion.alpha:.0%}]"
    spec: list[tuple[str, Kind]] = [
        ("change", "name"), ("task", "name"), ("final", "decimal"), ("AUC", "decimal"), (difference, "left"),
        ("reached", "right"), ("steps to 90%", "right"), (difference, "left"), ("separated", "right"),
    ]  # fmt: skip
    columns = columns_of(spec, [cells for cells, _ in lines])
    caption = (
        "Secondary endpoints, exploratory, uncorrected. AUC is the mean of the metric along the run. Steps to 90% "
        "is the restricted mean (Kaplan-Meier, up to the budget) of the environment steps until a running mean of "
        "three evaluations stays above 90% of the baseline's final mean; runs that never get there are censored at "
        "the budget, never left out. Separated: first step from which the simultaneous band of the difference curve "
        "excludes 0 up to the end."
    )
    tasks = len(study.tasks)
    rules = tuple(range(0, len(lines), tasks)) if tasks > 1 else (1,)
    shown = columns if tasks > 1 else (columns[0], *columns[2:])
    return Table("secondary", caption, shown, [record for _, record in lines], rules)


def _line(conclusion: Conclusion, variant: str, task: int, threshold: float) -> tuple[list[str], dict[str, Value]]:
    """Display cells and record of one variant on one task."""
    table = conclusion.table
    sign, base = -1 if table.flipped else 1, table.manifest.baseline.name
    finals, aucs = (table.scores(variant, task, name) for name in ("final", "auc"))
    times, reached = times_to_threshold(table, variant, task, threshold)
    against = {"auc": None, "time": None} if variant == base else {
        "auc": _difference(aucs, table.scores(base, task, "auc"), conclusion.alpha),
        "time": _times_apart(
            times, times_to_threshold(table, base, task, threshold)[0], table.manifest.budget, conclusion.alpha
        ),
    }  # fmt: skip
    mean_time = (
        restricted_mean(_survival(times, table.manifest.budget), table.manifest.budget).value if len(times) else np.nan
    )
    since = _separated(conclusion, variant, task)
    auc, time, label = against["auc"], against["time"], table.manifest.tasks[task].label
    cells = [
        "" if task else variant, label, mean_text(finals, table), mean_text(aucs, table),
        interval(auc, decimals((auc.high - auc.low) / 4, most=4)) if auc else "",
        f"{reached}/{len(times)}" if len(times) else NONE,
        compact(mean_time),
        f"[{compact(time.low)}, {compact(time.high)}]" if time else "", compact(since),
    ]  # fmt: skip
    record: dict[str, Value] = {
        "variant": variant, "task": label, "n": len(finals), "final": sign * moment(finals, 0),
        "auc": sign * moment(aucs, 0), **ends_of("auc_difference", auc), "threshold": sign * threshold,
        "reached": reached, "time_to_threshold": mean_time, **ends_of("time_to_threshold_difference", time),
        "separated_from": since,
    }  # fmt: skip
    return cells, record


def _survival(times: Scores, budget: int) -> Survival:
    return kaplan_meier(times, times < budget)


def _times_apart(own: Scores, base: Scores, budget: int, alpha: float) -> Interval | None:
    """Interval of the difference of restricted means."""
    if min(len(own), len(base)) < 3 or (np.ptp(own) == 0 and np.ptp(base) == 0):
        return None
    return restricted_difference(_survival(own, budget), _survival(base, budget), budget, 1 - alpha)[1]


def _separated(conclusion: Conclusion, variant: str, task: int) -> float:
    """First step from which the band excludes 0; NaN where it does not, or where there is no band."""
    if variant == conclusion.table.manifest.baseline.name:
        return np.nan
    both = compare_curves(conclusion.table, variant, task, 1 - conclusion.alpha)
    since = both.band.separated_from(both.steps) if both is not None and both.band is not None else None
    return np.nan if since is None else since


def _difference(own: Scores, base: Scores, alpha: float) -> Interval | None:
    if min(len(own), len(base)) < 3 or (np.ptp(own) == 0 and np.ptp(base) == 0):
        return None
    return welch(own, base).interval(1 - alpha)
