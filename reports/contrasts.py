"""The numbers of one contrast: a variant against the baseline on the primary metric, per task and over tasks.

Sign convention, everywhere: negative means that the change hurts. Percentages are of the baseline above its floor;
where the baseline cannot be told from its floor (g >= 1) there are none, only differences.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports.equivalence import equivalence_p, ratio_equivalence_p
from reports.heterogeneity import Change, TaskSpread, as_sample
from reports.improvement import improvement
from reports.manifest import Variant
from reports.permutation import permutation_p
from reports.scores import ScoreTable
from reports.stats import (
    Estimate,
    Interval,
    Scores,
    fieller,
    hedges_g,
    relative_effect,
    stratified_difference,
    welch,
)

Arms = tuple[Scores, Scores]
"""``(variant, baseline)`` scores of one task."""

FEWEST = 3
"""Runs per arm below which there is no interval."""
WEAK, REFUSED = 0.1, 1.0
"""Bounds of g = (t x relative standard error of the baseline)^2: from WEAK on the baseline is called weak, from REFUSED
on there are no percentages."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Confidence levels of a contrast's intervals.

    Attributes:
        interval: For one contrast: 1 - alpha, or that of a repeated interval.
        wide: Holds for all K contrasts at once: 1 - alpha / K, or repeated at that level.
        narrow: What the test of "no change larger than the margin" reads: 1 - 2 alpha, or repeated.
    """

    interval: float
    wide: float
    narrow: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Percent:
    """Relative change as a fraction of the baseline, with intervals at three levels.

    Attributes:
        value: -0.38 is a loss of 38 %.
        se: Standard error (delta method), for the number of digits.
        df: Degrees of freedom.
        interval: At 1 - alpha (Fieller for one task, delta method with t for several).
        wide: At 1 - alpha / K: holds for all K contrasts at once (Bonferroni); None when unbounded.
        narrow: At 1 - 2 alpha: what the test of "no change larger than the margin" reads.
        p_margin: P value of that test (two one-sided tests); below alpha where ``narrow`` lies inside the margin.
    """

    value: float
    se: float
    df: float
    interval: Interval
    wide: Interval | None
    narrow: Interval
    p_margin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskNumbers:
    """One contrast on one task; ``difference`` and ``percent`` are None below two runs per arm."""

    task: int
    base: Scores
    scores: Scores
    failed: int
    difference: Estimate | None
    percent: Percent | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """One contrast over all tasks.

    Attributes:
        variant: The variant.
        tasks: Its numbers per task.
        g: Largest g of the tasks; NaN without an estimate.
        difference: Mean difference over tasks in ``unit``; its p is the contrast's p.
        unit: What a difference of 1 is: the metric's own unit for one task.
        difference_interval: At 1 - alpha.
        difference_wide: At 1 - alpha / K.
        percent: Relative change; None where percentages are refused.
        points: Mean difference in shares of the declared score ranges; None where a task declares none.
        spread: How the tasks disagree; None for one task.
        hedges: Hedges g, pooled between-seed SD, mean over tasks.
        superiority: P(a baseline run beats a run of the variant), mean over tasks.
        superiority_interval: Newcombe's (one task) or logit (several).
        p_permutation: Exact or seeded Monte Carlo permutation p.
        rho: Correlation of scores of equal seeds, mean over tasks; NaN where nothing varies.
        sd_ratio: Larger between-seed SD over the smaller, tasks pooled; infinite when one arm does not vary.
    """

    variant: Variant
    tasks: tuple[TaskNumbers, ...]
    g: float = math.nan
    difference: Estimate | None = None
    unit: str = ""
    difference_interval: Interval | None = None
    difference_wide: Interval | None = None
    percent: Percent | None = None
    points: Estimate | None = None
    spread: TaskSpread | None = None
    hedges: float = math.nan
    superiority: float = math.nan
    superiority_interval: Interval | None = None
    p_permutation: float = math.nan
    rho: float = math.nan
    sd_ratio: float = math.nan

    @property
    def n(self) -> int:
        """Runs of the variant, on the task that has fewest."""
        return min(len(task.scores) for task in self.tasks)

    @property
    def n_base(self) -> int:
        """Runs of the baseline, on the task that has fewest."""
        return min(len(task.base) for task in self.tasks)

    @property
    def mean(self) -> float:
        """Mean score of the variant, over tasks."""
        return float(np.mean([task.scores.mean() if len(task.scores) else np.nan for task in self.tasks]))

    @property
    def base_mean(self) -> float:
        """Mean score of the baseline, over tasks."""
        return float(np.mean([task.base.mean() if len(task.base) else np.nan for task in self.tasks]))


def compare(
    table: ScoreTable,
    variant: Variant,
    alpha: float,
    family: int,
    *,
    levels: Levels | None = None,
    permute: bool = True,
) -> Numbers:
    """All numbers of one contrast; only counts and means below three runs per arm.

    Args:
        table: Scores.
        variant: The variant compared with the baseline.
        alpha: Two-sided level.
        family: K, the number of contrasts corrected for.
        levels: Of the intervals of the effect; those of a fixed number of runs unless given.
        permute: Work out the permutation p, by far the slowest of the numbers.
    """
    study = table.manifest
    fixed = Levels(1 - alpha, 1 - alpha / family, 1 - 2 * alpha)
    setting = _Setting(alpha, levels or fixed, study.primary.margin, study.primary.goal == "min", permute)
    arms: list[Arms] = [
        (table.scores(variant.name, task), table.scores(study.baseline.name, task)) for task in range(len(study.tasks))
    ]
    g = [_g(arm, table.floors[task], setting) for task, arm in enumerate(arms)]
    per_task = tuple(
        TaskNumbers(
            task=task,
            base=arm[1],
            scores=arm[0],
            failed=sum(run.state == "failed" for run in table.arm(variant.name, task)),
            difference=welch(*arm) if _enough(arm) and _varies(arm) else None,
            percent=_percent([arm], [table.floors[task]], [g[task]], setting),
        )
        for task, arm in enumerate(arms)
    )
    if not all(_enough(arm) for arm in arms):
        return Numbers(variant=variant, tasks=per_task)
    theta, theta_interval = improvement([(base, scores) for scores, base in arms], 1 - alpha)
    found = Numbers(
        variant=variant,
        tasks=per_task,
        g=max(g),
        superiority=theta,
        superiority_interval=theta_interval,
        rho=_rho(table, variant.name),
    )
    return _with_test(found, table, arms, g, setting) if any(_varies(arm) for arm in arms) else found


def _with_test(
    found: Numbers, table: ScoreTable, arms: Sequence[Arms], g: Sequence[float], setting: "_Setting"
) -> Numbers:
    """Add what needs variance between seeds: difference, percentage, p values, Hedges g."""
    scales, unit = _scales(table, arms, g)
    difference = stratified_difference(arms, scales)
    # One child stream per variant name: adding a variant does not change another's numbers.
    generator = np.random.default_rng([zlib.crc32(found.variant.name.encode()), len(arms)])
    return replace(
        found,
        difference=difference,
        unit=unit,
        sd_ratio=_sd_ratio(arms, scales),
        difference_interval=difference.interval(setting.levels.interval),
        difference_wide=difference.interval(setting.levels.wide),
        percent=_percent(arms, table.floors, g, setting),
        points=_points(table, arms),
        spread=_spread(arms, table.floors, g, scales, setting),
        hedges=float(np.mean([hedges_g(*arm) if _varies(arm) else 0.0 for arm in arms])),
        p_permutation=permutation_p(arms, scales, generator) if setting.permute else math.nan,
    )


@dataclass(frozen=True, slots=True)
class _Setting:
    """Two-sided level, levels of the intervals, margin, and whether the metric is a cost (its natural zero is 0)."""

    alpha: float
    levels: Levels
    margin: float
    cost: bool
    permute: bool


def _enough(arm: Arms) -> bool:
    return min(len(arm[0]), len(arm[1])) >= FEWEST


def _varies(arm: Arms) -> bool:
    """Does either arm vary between seeds by more than rounding?"""
    return any(float(np.ptp(scores)) > 1e-12 * max(1e-300, float(np.abs(scores).max())) for scores in arm)


def _above(base: Scores, floor: float | None) -> float:
    """Baseline mean above the floor, 0 where the environment declares none."""
    return float(base.mean()) - (floor or 0.0)


def _g(arm: Arms, floor: float | None, setting: _Setting) -> float:
    """Weakness of the baseline on one task; infinite when the baseline does not lie above its floor at all.

    A cost without a declared floor is negative after the flip; its zero is a natural one, so it may lie below.
    """
    if not _enough(arm):
        return math.nan
    above = _above(arm[1], floor)
    if above == 0 or (above < 0 and not (setting.cost and floor is None)):
        return math.inf
    return fieller(*arm, floor or 0.0, 1 - setting.alpha).g if _varies(arm) else 0.0


def _percent(
    arms: Sequence[Arms], floors: Sequence[float | None], g: Sequence[float], setting: _Setting
) -> Percent | None:
    """Relative change over the given tasks; None where g refuses it, nothing varies, or tasks disagree on the sign."""
    if not all(value < REFUSED for value in g) or not any(_varies(arm) for arm in arms):
        return None
    signs = {math.copysign(1.0, _above(arm[1], floor)) for arm, floor in zip(arms, floors, strict=True)}
    if len(signs) > 1:
        return None
    (sign,) = signs
    change = relative_effect(arms, [floor or 0.0 for floor in floors])

    def at(level: float) -> Interval | None:
        ends = change.interval(level)
        if len(arms) == 1:
            found = fieller(*arms[0], floors[0] or 0.0, level)
            if found.g >= REFUSED:
                return None
            ends = Interval(found.interval.low - 1, found.interval.high - 1)
        return ends if sign > 0 else Interval(-ends.high, -ends.low)

    interval, narrow = at(setting.levels.interval), at(setting.levels.narrow)
    if interval is None or narrow is None:
        return None
    return Percent(
        value=sign * change.value,
        se=change.se,
        df=change.df,
        interval=interval,
        wide=at(setting.levels.wide),
        narrow=narrow,
        p_margin=equivalence_p(change, setting.margin)
        if len(arms) > 1
        else ratio_equivalence_p(*arms[0], floors[0] or 0.0, setting.margin),
    )


def _points(table: ScoreTable, arms: Sequence[Arms]) -> Estimate | None:
    """Mean difference in shares of the tasks' score ranges."""
    ranges = score_ranges(table)
    return stratified_difference(arms, ranges) if ranges is not None else None


def score_ranges(table: ScoreTable) -> list[float] | None:
    """Ceiling minus floor of every task; None where one declares none."""
    ends = [(floor, table.ceiling(task)) for task, floor in enumerate(table.floors)]
    if any(floor is None or ceiling is None for floor, ceiling in ends):
        return None
    return [float(ceiling or 0) - float(floor or 0) for floor, ceiling in ends]


def _spread(
    arms: Sequence[Arms],
    floors: Sequence[float | None],
    g: Sequence[float],
    scales: Sequence[float],
    setting: _Setting,
) -> TaskSpread | None:
    """Task effects and the contrast without each task, in the unit of the contrast; None for a single task."""
    tasks = range(len(arms))
    if len(arms) < 2:
        return None
    relative = _percent(arms, floors, g, setting) is not None

    def over(kept: Sequence[int]) -> Change:
        chosen = [arms[i] for i in kept]
        if relative:
            percent = _percent(chosen, [floors[i] for i in kept], [g[i] for i in kept], setting)
            if percent is not None:
                return Change(percent.value, percent.interval)
        found = stratified_difference(chosen, [scales[i] for i in kept])
        return Change(found.value, found.interval(setting.levels.interval))

    effects = tuple(over([i]).value for i in tasks)
    without = tuple(over([i for i in tasks if i != left]) for left in tasks)
    return TaskSpread(effects, without, as_sample(effects))


def _scales(table: ScoreTable, arms: Sequence[Arms], g: Sequence[float]) -> tuple[list[float], str]:
    """What one unit of each task is worth, and how to call it."""
    if len(arms) == 1:
        return [1.0], table.manifest.primary.name
    if all(value < REFUSED for value in g):
        pairs = zip(arms, table.floors, strict=True)
        return [abs(_above(base, floor)) for (_, base), floor in pairs], "of the baseline"
    ranges = score_ranges(table)
    if ranges is not None:
        return ranges, "of the score range"
    pooled = [math.sqrt((float(x.var(ddof=1)) + float(y.var(ddof=1))) / 2) for x, y in arms]
    return [sd or 1.0 for sd in pooled], "between-seed SD"


def _sd_ratio(arms: Sequence[Arms], scales: Sequence[float]) -> float:
    variances = [
        sum(float(arm[side].var(ddof=1)) / scale**2 for arm, scale in zip(arms, scales, strict=True)) for side in (0, 1)
    ]
    low, high = sorted(math.sqrt(variance) for variance in variances)
    return high / low if low > 1e-12 * high else math.inf


def _rho(table: ScoreTable, variant: str) -> float:
    """Correlation of the scores of runs with equal seeds, mean over tasks."""
    found = []
    for task in range(len(table.manifest.tasks)):
        auc = table.manifest.primary.summary == "auc"
        base, own = (
            {run.cell.seed: run.auc if auc else run.final for run in table.arm(name, task) if run.scored}
            for name in (table.manifest.baseline.name, variant)
        )
        seeds = sorted(base.keys() & own.keys())
        x, y = np.array([base[seed] for seed in seeds]), np.array([own[seed] for seed in seeds])
        if len(seeds) >= 3 and np.ptp(x) > 0 and np.ptp(y) > 0:
            found.append(float(np.corrcoef(x, y)[0, 1]))
    return float(np.mean(found)) if found else math.nan
