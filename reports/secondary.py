"""Secondary endpoints: final score, area under the curve, time to a threshold. Exploratory, uncorrected."""

import numpy as np

from reports.curves import thresholds, times_to_threshold
from reports.effect_tables import ends_of, mean_text, moment
from reports.notation import NONE, compact, decimals, interval
from reports.stats import Interval, Scores, welch
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
        ("reached", "right"), ("steps to 90%", "right"), (difference, "left"),
    ]  # fmt: skip
    columns = columns_of(spec, [cells for cells, _ in lines])
    caption = (
        "Secondary endpoints, exploratory, uncorrected. AUC is the mean of the metric along the run. Steps to 90% is "
        "the mean number of environment steps until a running mean of three evaluations stays above 90% of the "
        "baseline's final mean; runs that never get there count with the whole budget (restricted mean)."
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
        "time": _difference(times, times_to_threshold(table, base, task, threshold)[0], conclusion.alpha),
    }  # fmt: skip
    auc, time, label = against["auc"], against["time"], table.manifest.tasks[task].label
    cells = [
        "" if task else variant, label, mean_text(finals, table), mean_text(aucs, table),
        interval(auc, decimals((auc.high - auc.low) / 4, most=4)) if auc else "",
        f"{reached}/{len(times)}" if len(times) else NONE,
        compact(float(times.mean())) if len(times) else NONE,
        f"[{compact(time.low)}, {compact(time.high)}]" if time else "",
    ]  # fmt: skip
    record: dict[str, Value] = {
        "variant": variant, "task": label, "n": len(finals), "final": sign * moment(finals, 0),
        "auc": sign * moment(aucs, 0), **ends_of("auc_difference", auc), "threshold": sign * threshold,
        "reached": reached, "time_to_threshold": moment(times, 0), **ends_of("time_to_threshold_difference", time),
    }  # fmt: skip
    return cells, record


def _difference(own: Scores, base: Scores, alpha: float) -> Interval | None:
    if min(len(own), len(base)) < 3 or (np.ptp(own) == 0 and np.ptp(base) == 0):
        return None
    return welch(own, base).interval(1 - alpha)
