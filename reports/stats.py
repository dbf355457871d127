"""Effects with intervals that hold at few seeds: Welch-Satterthwaite, Fieller, Hedges, Holm, Clopper-Pearson.

Every function takes the final scores of independent training runs, one array per arm, never evaluations or checkpoints.
Notation: baseline runs x_0 (n_0 of them, mean m_0, variance s2_0 with n_0 - 1), runs of the variant x_k likewise.

    Welch          d = m_k - m_0,   SE^2 = s2_k/n_k + s2_0/n_0,   df = SE^4 / sum_arms((s2/n)^2 / (n - 1))
    ratio          r = (m_k - f) / (m_0 - f)                                      f: the task's floor
    percent        effect = mean_t(r_t) - 1,   v_t = s2_kt/(n_kt m0_t^2) + r_t^2 s2_0t/(n_0t m0_t^2),
                   SE = sqrt(sum_t v_t)/T,   df = (sum v_t)^2 / sum_t(a_t^2/(n_kt - 1) + b_t^2/(n_0t - 1))
    Fieller        {r : (m_k - r m_0)^2 <= t^2 (s2_k/n_k + r^2 s2_0/n_0)}: an interval while
                   g = t^2 s2_0/(n_0 (m_0 - f)^2) < 1
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtr, stdtrit

Scores = NDArray[np.float64]
"""Final scores of one arm on one task, shape ``(n,)``."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval; infinite ends mean that the data do not bound it."""

    low: float
    high: float

    def within(self, low: float, high: float) -> bool:
        """Does all of it lie strictly inside (low, high)?"""
        return low < self.low and self.high < high


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate whose error follows Student's t: value, standard error, degrees of freedom."""

    value: float
    se: float
    df: float

    @property
    def t(self) -> float:
        """The value over its standard error; infinite when nothing varies and the value is not 0."""
        if self.se == 0:
            return 0.0 if self.value == 0 else math.copysign(math.inf, self.value)
        return self.value / self.se

    @property
    def p(self) -> float:
        """Two-sided p value of "the true value is 0"."""
        return float(2 * stdtr(self.df, -abs(self.t)))

    def interval(self, level: float = 0.95) -> Interval:
        """Two-sided interval at the given level."""
        half = t_quantile(level, self.df) * self.se
        return Interval(self.value - half, self.value + half)


def t_quantile(level: float, df: float) -> float:
    """The t that leaves ``1 - level`` outside +-t."""
    return float(stdtrit(df, 0.5 + level / 2))


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of independent variances ``(variance of a mean, its own df)``."""
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / df for variance, df in parts)
    return total**2 / spread if spread > 0 else float(sum(df for _, df in parts))


def _mean_variance(x: Scores) -> float:
    """Variance of the mean of one arm."""
    return float(x.var(ddof=1)) / len(x)


def welch(variant: Scores, base: Scores) -> Estimate:
    """Difference of two means, variant minus baseline, unequal variances allowed. Needs two runs per arm."""
    return stratified_difference([(variant, base)], [1.0])


def stratified_difference(arms: Sequence[tuple[Scores, Scores]], scales: Sequence[float]) -> Estimate:
    """Mean over tasks of (variant - baseline) / scale, the tasks and the scales taken as fixed.

    Args:
        arms: ``(variant, baseline)`` scores of every task.
        scales: What one unit of each task is worth. With one task the scale cancels in t and p.
    """
    tasks = len(arms)
    parts: list[tuple[float, float]] = []
    value = 0.0
    for (variant, base), scale in zip(arms, scales, strict=True):
        value += float(variant.mean() - base.mean()) / scale / tasks
        parts += [(_mean_variance(arm) / (scale * tasks) ** 2, len(arm) - 1) for arm in (variant, base)]
    return Estimate(value, math.sqrt(sum(variance for variance, _ in parts)), satterthwaite(parts))


def _relative_parts(variant: Scores, base: Scores, floor: float) -> tuple[float, float, float]:
    """``r``, and the two parts of its delta-method variance: the variant's and the baseline's."""
    m0 = float(base.mean()) - floor
    ratio = (float(variant.mean()) - floor) / m0
    return ratio, _mean_variance(variant) / m0**2, ratio**2 * _mean_variance(base) / m0**2


def relative_effect(arms: Sequence[tuple[Scores, Scores]], floors: Sequence[float]) -> Estimate:
    """``mean_t(r_t) - 1`` with the baseline's own uncertainty inside the standard error (delta method).

    Args:
        arms: ``(variant, baseline)`` scores of every task.
        floors: Score that counts as nothing, per task.
    """
    tasks = len(arms)
    ratios, parts = [], []
    for (variant, base), floor in zip(arms, floors, strict=True):
        ratio, own, from_base = _relative_parts(variant, base, floor)
        ratios.append(ratio)
        parts += [(own, len(variant) - 1), (from_base, len(base) - 1)]
    total = sum(variance for variance, _ in parts)
    return Estimate(float(np.mean(ratios)) - 1, math.sqrt(total) / tasks, satterthwaite(parts))


@dataclass(frozen=True, slots=True)
class Fieller:
    """Ratio of two means with Fieller's interval; ``g >= 1`` means the denominator may be 0 and nothing is bounded."""

    ratio: float
    df: float
    g: float
    interval: Interval


def fieller(variant: Scores, base: Scores, floor: float = 0.0, level: float = 0.95) -> Fieller:
    """Ratio of the variant's mean to the baseline's, both above the floor; df taken at the estimated ratio."""
    ratio, own, from_base = _relative_parts(variant, base, floor)
    df = satterthwaite([(own, len(variant) - 1), (from_base, len(base) - 1)])
    t = t_quantile(level, df)
    g = t**2 * _mean_variance(base) / (float(base.mean()) - floor) ** 2
    if g >= 1:
        return Fieller(ratio, df, g, Interval(-math.inf, math.inf))
    half = t * math.sqrt(own * (1 - g) + from_base)
    return Fieller(ratio, df, g, Interval((ratio - half) / (1 - g), (ratio + half) / (1 - g)))


def log_ratio(variant: Scores, base: Scores, floor: float = 0.0) -> Estimate:
    """Logarithm of the ratio of two means, by the delta method; both must lie above the floor."""
    mk, m0 = float(variant.mean()) - floor, float(base.mean()) - floor
    if mk <= 0 or m0 <= 0:
        raise ValueError(f"a log ratio needs means above the floor, got {mk:g} and {m0:g}")
    parts = [(_mean_variance(variant) / mk**2, len(variant) - 1), (_mean_variance(base) / m0**2, len(base) - 1)]
    return Estimate(math.log(mk / m0), math.sqrt(parts[0][0] + parts[1][0]), satterthwaite(parts))


def log_ratio_interval(variant: Scores, base: Scores, floor: float = 0.0, level: float = 0.95) -> Interval:
    """Interval of the ratio from the one of its logarithm."""
    log = log_ratio(variant, base, floor).interval(level)
    return Interval(math.exp(log.low), math.exp(log.high))


def pooled_sd(variant: Scores, base: Scores) -> float:
    """Between-seed standard deviation, pooled over the two arms."""
    squares = (len(variant) - 1) * variant.var(ddof=1) + (len(base) - 1) * base.var(ddof=1)
    return math.sqrt(float(squares) / (len(variant) + len(base) - 2))


def cohens_d(variant: Scores, base: Scores) -> float:
    """(variant - baseline) in pooled between-seed standard deviations."""
    return float(variant.mean() - base.mean()) / pooled_sd(variant, base)


def hedges_g(variant: Scores, base: Scores) -> float:
    """Cohen's d without its small-sample bias: ``(1 - 3/(4 df - 1)) d``."""
    df = len(variant) + len(base) - 2
    return (1 - 3 / (4 * df - 1)) * cohens_d(variant, base)


def holm(p: ArrayLike, family: int | None = None) -> NDArray[np.float64]:
    """Holm's step-down adjusted p values.

    Args:
        p: Raw p values, shape ``(tested,)``.
        family: Number of hypotheses declared; those without a p value yet count as p = 1.

    Returns:
        Adjusted p values in the order given, shape ``(tested,)``.
    """
    raw = np.asarray(p, dtype=np.float64)
    size = len(raw) if family is None else family
    if size < len(raw):
        raise ValueError(f"a family of {size} cannot hold {len(raw)} p values")
    order = np.argsort(raw, kind="stable")
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * (size - np.arange(len(raw)))))
    return adjusted


def clopper_pearson(count: int, n: int, level: float = 0.95) -> Interval:
    """Exact interval of a rate of which ``count`` in ``n`` were seen."""
    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, tail))
    high = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - tail))
    return Interval(low, high)


def trimmed_mean(x: ArrayLike) -> float:
    """Interquartile mean as rliable computes it: a quarter of the runs, rounded down, cut on each side."""
    ordered = np.sort(np.asarray(x, dtype=np.float64), axis=None)
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())
