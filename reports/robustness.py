"""The primary question under other statistics: does the direction found survive?

Every alternative answers -1 (hurts), 1 (helps) or 0 (not told apart) at the same family-wise level; None where it does
not apply: a permutation p or a bootstrap that cannot reach a level this small, a log ratio of a mean below the floor,
no failed run to leave out. A verdict with any other answer gets a dagger. Nothing here can change it.
"""

import math
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from reports.aggregates import iqm, point, resampled
from reports.contrasts import FEWEST, Arms, Numbers
from reports.manifest import Variant
from reports.permutation import EXACT_SPLITS, LEAST_DRAWN, smallest_p
from reports.scores import ScoreTable
from reports.stats import Estimate, holm, log_ratio, satterthwaite, stratified_difference

Direction = int | None
ALTERNATIVES = ("permutation", "other summary", "log ratio", "without failed", "paired", "IQM")
"""In the order shown; "other summary" is AUC where the end decides, the end where AUC decides."""
_LEAST_RUNS = 5
_DRAWS = 2_000
_LEAST_TAIL = 5
"""Fewest draws beyond an end of a bootstrap interval."""


def agreement(
    table: ScoreTable, found: Sequence[Numbers], alpha: float, family: int
) -> dict[str, Mapping[str, Direction]]:
    """Directions of every alternative for every contrast with a test.

    Args:
        table: Scores.
        found: Contrasts that are estimable; controls are tested unadjusted.
        alpha: Two-sided family-wise level.
        family: Ablations corrected for.

    Returns:
        Variant -> alternative -> direction.
    """
    answers: dict[str, dict[str, Direction]] = {one.variant.name: {} for one in found}
    for name, alternative in _TESTS.items():
        tested = {one.variant.name: alternative(table, one, alpha, family) for one in found}
        for variant, direction in _adjusted(tested, found, alpha, family).items():
            answers[variant][name] = direction
    for one in found:
        level = alpha if one.variant.role == "control" else alpha / family
        answers[one.variant.name]["IQM"] = _iqm(table, one, level)
    return dict(answers)


def answers_at(table: ScoreTable, one: Numbers, level: float) -> Mapping[str, Direction]:
    """Directions of every alternative for one contrast at a level of its own: the bound of the look it stopped at.

    Args:
        table: Scores as that look saw them.
        one: The contrast, estimable.
        level: Nominal p of the boundary, Holm's step included. A boundary that holds the error rate over all looks
            does so for any of these tests, whichever of them decides when to stop.
    """
    tested = {name: alternative(table, one, level, 1) for name, alternative in _TESTS.items()}
    found = {name: None if pair is None else _direction(*pair, level) for name, pair in tested.items()}
    return {**found, "IQM": _iqm(table, one, level)}


def _adjusted(
    tested: Mapping[str, tuple[float, float] | None], found: Sequence[Numbers], alpha: float, family: int
) -> dict[str, Direction]:
    """Directions from ``(difference, p)``: Holm over the ablations, plain for controls."""
    roles = {one.variant.name: one.variant.role for one in found}
    kept = {name: pair for name, pair in tested.items() if pair is not None}
    inside = [name for name in kept if roles[name] != "control"]
    adjusted = dict(zip(inside, holm([kept[name][1] for name in inside], family), strict=True)) if inside else {}
    return {
        name: None if pair is None else _direction(pair[0], float(adjusted.get(name, pair[1])), alpha)
        for name, pair in tested.items()
    }


def _direction(difference: float, p: float, alpha: float) -> int:
    return int(math.copysign(1, difference)) if p < alpha else 0


def _tested(estimate: Estimate) -> tuple[float, float] | None:
    return (estimate.value, estimate.p) if estimate.se > 0 else None


def _permutation(table: ScoreTable, one: Numbers, alpha: float, family: int) -> tuple[float, float] | None:
    level = alpha if one.variant.role == "control" else alpha / family
    exact = len(one.tasks) == 1 and math.comb(one.n + one.n_base, one.n) <= EXACT_SPLITS
    reachable = max(smallest_p(one.n, one.n_base, len(one.tasks)), 0.0 if exact else LEAST_DRAWN) < level
    if one.difference is None or min(one.n, one.n_base) < _LEAST_RUNS or not reachable:
        return None
    return one.difference.value, one.p_permutation


def _arms(table: ScoreTable, one: Numbers, summary: str | None = None, *, failed: bool = True) -> list[Arms]:
    """``(variant, baseline)`` scores per task, failed runs in or out."""
    name = summary or table.manifest.primary.summary

    def scores(variant: Variant, task: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        runs = [run for run in table.arm(variant.name, task) if run.scored and (failed or run.state == "done")]
        return np.array([run.auc if name == "auc" else run.final for run in runs], dtype=np.float64)

    tasks = range(len(table.manifest.tasks))
    return [(scores(one.variant, task), scores(table.manifest.baseline, task)) for task in tasks]


def _scales(table: ScoreTable, arms: Sequence[Arms]) -> list[float]:
    """Baseline above the floor per task; its spread where that is nothing."""
    if len(arms) == 1:
        return [1.0]
    above = [float(base.mean()) - (floor or 0.0) for (_, base), floor in zip(arms, table.floors, strict=True)]
    return [abs(one) or float(base.std(ddof=1)) or 1.0 for one, (_, base) in zip(above, arms, strict=True)]


def _other_summary(table: ScoreTable, one: Numbers, alpha: float, family: int) -> tuple[float, float] | None:
    arms = _arms(table, one, "final" if table.manifest.primary.summary == "auc" else "auc")
    return _tested(stratified_difference(arms, _scales(table, arms)))


def _log_ratio(table: ScoreTable, one: Numbers, alpha: float, family: int) -> tuple[float, float] | None:
    """Mean over tasks of the logarithm of the ratio; only where every mean lies above its floor."""
    arms, floors = _arms(table, one), [floor or 0.0 for floor in table.floors]
    if any(min(own.mean(), base.mean()) <= floor for (own, base), floor in zip(arms, floors, strict=True)):
        return None
    logs = [log_ratio(own, base, floor) for (own, base), floor in zip(arms, floors, strict=True)]
    parts = [(log.se**2, log.df) for log in logs]
    value = sum(log.value for log in logs) / len(logs)
    return _tested(Estimate(value, math.sqrt(sum(v for v, _ in parts)) / len(logs), satterthwaite(parts)))


def _without_failed(table: ScoreTable, one: Numbers, alpha: float, family: int) -> tuple[float, float] | None:
    arms, everybody = _arms(table, one, failed=False), _arms(table, one)
    same = all(len(x) == len(y) for pair in zip(arms, everybody, strict=True) for x, y in zip(*pair, strict=True))
    if same or min(len(scores) for arm in arms for scores in arm) < FEWEST:
        return None
    return _tested(stratified_difference(arms, _scales(table, arms)))


def _paired(table: ScoreTable, one: Numbers, alpha: float, family: int) -> tuple[float, float] | None:
    """Differences of runs with equal seeds; the design does not license it, so it decides nothing."""
    arms = _arms(table, one)
    value, parts = 0.0, []
    for task, scale in enumerate(_scales(table, arms)):
        own, base = (
            {run.cell.seed: score for run, score in zip(runs, scores, strict=True)}
            for runs, scores in (
                ([run for run in table.arm(name, task) if run.scored], table.scores(name, task))
                for name in (one.variant.name, table.manifest.baseline.name)
            )
        )
        pairs = np.array([own[seed] - base[seed] for seed in sorted(own.keys() & base.keys())]) / scale / len(arms)
        if len(pairs) < FEWEST:
            return None
        value += float(pairs.mean())
        parts.append((float(pairs.var(ddof=1)) / len(pairs), len(pairs) - 1))
    return _tested(Estimate(value, math.sqrt(sum(variance for variance, _ in parts)), satterthwaite(parts)))


_TESTS: dict[str, Callable[[ScoreTable, Numbers, float, int], tuple[float, float] | None]] = {
    "permutation": _permutation,
    "other summary": _other_summary,
    "log ratio": _log_ratio,
    "without failed": _without_failed,
    "paired": _paired,
}


def _iqm(table: ScoreTable, one: Numbers, level: float) -> Direction:
    """Does the stretched bootstrap interval of the difference of IQMs exclude 0?"""
    arms = _arms(table, one)
    if min(one.n, one.n_base) < _LEAST_RUNS or level / 2 * _DRAWS < _LEAST_TAIL:
        return None
    scales = _scales(table, arms)
    sides = [[arm[side] / scale for arm, scale in zip(arms, scales, strict=True)] for side in (0, 1)]
    generator = np.random.default_rng([zlib.crc32(one.variant.name.encode()), 2])
    (own,), (base,) = (resampled([iqm], side, generator, _DRAWS) for side in sides)
    difference = point(iqm, sides[0]) - point(iqm, sides[1])
    factor = math.sqrt(min(one.n, one.n_base) / (min(one.n, one.n_base) - 1))
    low, high = difference + factor * (np.quantile(own - base, [level / 2, 1 - level / 2]) - difference)
    return 1 if low > 0 else -1 if high < 0 else 0
