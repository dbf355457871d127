"""Aggregates people know from other papers: IQM, median, mean, optimality gap, performance profiles. Secondary.

Pool all runs x tasks of one arm, scores normalised per task; runs are resampled within their task (stratified). The
percentile interval of so few runs is too narrow, so it is stretched about the estimate by sqrt(n/(n - 1)). None of
these decides anything: with one of six tasks dead the IQM reports no change where the mean reports -16.7 %.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reports.stats import Interval, Scores

Draws = NDArray[np.float64]
Aggregate = Callable[[Sequence[Draws]], Draws]
"""From normalised scores of every task, each of shape ``(draws, n_t)``, to one number a draw, shape ``(draws,)``."""

_CHUNK = 200_000
"""Resampled scores held at once: what a core keeps in its cache."""


def iqm(samples: Sequence[Draws]) -> Draws:
    """Interquartile mean of the pool, as rliable: a quarter of the runs, rounded down, cut on each side."""
    pool = np.concatenate(samples, axis=1)
    size = pool.shape[1]
    cut = size // 4
    pool.sort(axis=1)  # vectorised in numpy, so four times faster than a partition of so few runs
    middle: Draws = pool[:, cut : size - cut].mean(axis=1)
    return middle


def median(samples: Sequence[Draws]) -> Draws:
    """Median over tasks of the tasks' means."""
    found: Draws = np.median(np.stack([one.mean(axis=1) for one in samples]), axis=0)
    return found


def mean(samples: Sequence[Draws]) -> Draws:
    """Mean over tasks of the tasks' means."""
    found: Draws = np.mean([one.mean(axis=1) for one in samples], axis=0)
    return found


def optimality_gap(samples: Sequence[Draws]) -> Draws:
    """Mean amount by which a run falls short of 1."""
    pool = np.concatenate(samples, axis=1)
    found: Draws = 1 - np.minimum(pool, 1.0).mean(axis=1)
    return found


AGGREGATES: dict[str, Aggregate] = {"IQM": iqm, "median": median, "mean": mean, "optimality gap": optimality_gap}


def fractional_iqm(x: ArrayLike) -> float:
    """Interquartile mean that cuts exactly a quarter on each side: the runs at the edges count in part."""
    ordered = np.sort(np.asarray(x, dtype=np.float64), axis=None)
    size = len(ordered)
    places = np.arange(size)
    weights = np.clip(np.minimum(places + 1, 0.75 * size) - np.maximum(places, 0.25 * size), 0.0, 1.0)
    return float(weights @ ordered / weights.sum())


def point(aggregate: Aggregate, scores: Sequence[Scores]) -> float:
    """The aggregate of the runs themselves."""
    return float(aggregate([one[None, :].astype(np.float64) for one in scores])[0])


def resampled(
    aggregates: Sequence[Aggregate], scores: Sequence[Scores], generator: np.random.Generator, draws: int = 2_000
) -> Draws:
    """Bootstrap draws of several aggregates from the same resampled runs, shape ``(aggregates, draws)``.

    Args:
        aggregates: What to compute.
        scores: Normalised scores of every task, shape ``(n_t,)`` each; runs are drawn within their task.
        generator: Same state, same draws.
        draws: Resamples.
    """
    total = sum(len(one) for one in scores)
    chunk = max(1, min(draws, _CHUNK // total))
    found = np.empty((len(aggregates), draws))
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        samples = [one.take(generator.integers(0, len(one), size=(size, len(one)), dtype=np.int32)) for one in scores]
        for i, aggregate in enumerate(aggregates):
            found[i, start : start + size] = aggregate(samples)
    return found


def resampled_means(scores: Sequence[Scores], generator: np.random.Generator, draws: int = 2_000) -> Draws:
    """Bootstrap draws of the mean over tasks by multinomial weights: the same law as ``resampled([mean])``, faster."""
    found = np.zeros(draws)
    for one in scores:
        counts = generator.multinomial(len(one), np.full(len(one), 1 / len(one)), size=draws)
        found += counts @ one / len(one) / len(scores)
    return found


def stretched(estimate: float, draws: Draws, n: int, level: float = 0.95) -> Interval:
    """Percentile interval of bootstrap draws, stretched about the estimate by ``sqrt(n/(n - 1))``.

    Args:
        estimate: Of the runs themselves.
        draws: Shape ``(draws,)``.
        n: Runs per task, the fewest.
        level: Nominal level.
    """
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    factor = math.sqrt(n / (n - 1))
    return Interval(estimate + factor * (float(low) - estimate), estimate + factor * (float(high) - estimate))


def profile(scores: Sequence[Scores], levels: Draws) -> Draws:
    """Performance profile: share of runs above each level, mean over tasks, shape ``(levels,)``."""
    found: Draws = np.mean([(one[:, None] > levels[None, :]).mean(axis=0) for one in scores], axis=0)
    return found


def profile_band(
    scores: Sequence[Scores], levels: Draws, generator: np.random.Generator, level: float = 0.95, draws: int = 1_000
) -> tuple[Draws, Draws]:
    """Pointwise stretched bootstrap band of a performance profile, cut to [0, 1]: ``(low, high)``."""
    estimate = profile(scores, levels)
    sampled = np.zeros((draws, len(levels)))
    for one in scores:
        counts = generator.multinomial(len(one), np.full(len(one), 1 / len(one)), size=draws)
        sampled += counts @ (one[:, None] > levels[None, :]) / len(one) / len(scores)
    low, high = np.quantile(sampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    n = min(len(one) for one in scores)
    factor = math.sqrt(n / (n - 1))
    return (
        np.clip(estimate + factor * (low - estimate), 0.0, 1.0),
        np.clip(estimate + factor * (high - estimate), 0.0, 1.0),
    )
