"""IQM, median, mean and optimality gap of every arm, with intervals: for comparison with other papers, secondary."""

import zlib

import numpy as np

from reports.aggregates import AGGREGATES, fractional_iqm, point, resampled, stretched
from reports.effect_tables import ends_of
from reports.manifest import Variant
from reports.notation import NONE, decimals, fixed, interval
from reports.scores import ScoreTable
from reports.stats import Scores
from reports.tables import Kind, Table, Value, columns_of
from reports.verdicts import Conclusion

_DRAWS = 2_000
_LEAST = 3
LEAST_RUNS = 5
"""Runs per task below which there are no bootstrap intervals."""


def normalised(conclusion: Conclusion, variant: Variant) -> list[Scores] | None:
    """Scores of one arm per task, 0 at the floor and 1 at the ceiling, or at the baseline's mean without a ceiling.

    None where an arm has fewer than three runs on a task, or nothing to normalise by.
    """
    table = conclusion.table
    tasks = range(len(table.manifest.tasks))
    own = [table.scores(variant.name, task) for task in tasks]
    scale = _scale(conclusion)
    if scale is None or min(len(scores) for scores in own) < _LEAST:
        return None
    return [(scores - zero) / unit for scores, (zero, unit) in zip(own, scale, strict=True)]


def _scale(conclusion: Conclusion) -> list[tuple[float, float]] | None:
    """``(zero, unit)`` per task."""
    table = conclusion.table
    tasks = range(len(table.manifest.tasks))
    if ranged(table):
        return [
            (table.floors[task] or 0.0, (table.ceiling(task) or 0.0) - (table.floors[task] or 0.0)) for task in tasks
        ]
    if not conclusion.in_percent:
        return [(0.0, 1.0)] if len(tasks) == 1 else None
    found = []
    for task in tasks:
        zero, base = table.floors[task] or 0.0, table.scores(table.manifest.baseline.name, task)
        above = float(base.mean()) - zero if len(base) else 0.0
        if above <= 0:
            return None  # a cost below its natural zero: larger is worse, shares would turn around
        found.append((zero, above))
    return found


def ranged(table: ScoreTable) -> bool:
    """Does every task declare a score range?"""
    return all(table.ceiling(task) is not None for task in range(len(table.manifest.tasks)))


def unit_text(conclusion: Conclusion) -> str:
    """What 1 stands for."""
    if ranged(conclusion.table):
        return "0 is the floor and 1 the ceiling of a task"
    return "1 is the baseline's mean" if conclusion.in_percent else "scores are as measured"


def aggregate_table(conclusion: Conclusion) -> Table:
    """One row per arm, baseline first; arms with too few runs have none."""
    study, gap = conclusion.table.manifest, _scale(conclusion) != [(0.0, 1.0)]
    names = [name for name in AGGREGATES if gap or name != "optimality gap"]
    level = f"[{1 - conclusion.alpha:.0%}]"
    spec: list[tuple[str, Kind]] = [("arm", "name")]
    for i, name in enumerate(names):
        spec += [(name, "decimal"), (level + " " * i, "left")]
    cells: list[list[str]] = []
    records: list[dict[str, Value]] = []
    for variant in (study.baseline, *(row.variant for row in conclusion.ranked)):
        scores = normalised(conclusion, variant)
        if scores is None:
            cells.append([variant.name] + [NONE, ""] * len(names))
            records.append({"variant": variant.name})
            continue
        line, record = _line(conclusion, variant, scores, names)
        cells.append([variant.name, *line])
        records.append(record)
    caption = (
        f"Aggregates over all runs and tasks, secondary and for comparison with other papers; {unit_text(conclusion)}. "
        f"Intervals are {1 - conclusion.alpha:.0%} percentile bootstrap intervals of runs resampled within their task, "
        f"stretched about the estimate by \u221a(n/(n \u2212 1)), from {LEAST_RUNS} runs on. The interquartile mean "
        "does not see one task of several collapse; the verdicts follow the mean."
    )
    return Table("aggregates", caption, columns_of(spec, cells), records, (1,))


def _line(
    conclusion: Conclusion, variant: Variant, scores: list[Scores], names: list[str]
) -> tuple[list[str], dict[str, Value]]:
    generator = np.random.default_rng([zlib.crc32(variant.name.encode()), 3])
    draws = resampled([AGGREGATES[name] for name in names], scores, generator, _DRAWS)
    fewest = min(len(one) for one in scores)
    cells: list[str] = []
    record: dict[str, Value] = {"variant": variant.name, "n": fewest}
    for name, sampled in zip(names, draws, strict=True):
        estimate = point(AGGREGATES[name], scores)
        ends = stretched(estimate, sampled, fewest, 1 - conclusion.alpha)
        places = decimals((ends.high - ends.low) / 4, most=3)
        few = fewest < LEAST_RUNS
        cells += [fixed(estimate, places), "" if few else interval(ends, places)]
        key = name.replace(" ", "_")
        record |= {key: estimate, **ends_of(key, None if few else ends)}
    record["IQM_fractional"] = fractional_iqm(np.concatenate(scores))
    return cells, record
