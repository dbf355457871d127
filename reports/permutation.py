"""Permutation p value of a difference in means: exact for small arms, seeded Monte Carlo beyond.

The reference that assumes nothing but exchangeable runs; printed beside Welch's p as a robustness figure. Its smallest
attainable value is 2 / C(n_0 + n_k, n_k): with three runs per arm nothing below .1 exists.
"""

import itertools
import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from reports.stats import Scores

EXACT_SPLITS = 12_870
"""Splits of 8 + 8 runs; up to here every one is looked at."""
DRAWS = 10_000
LEAST_DRAWN = 1 / (1 + DRAWS)
"""Smallest p of drawn permutations."""
_SLACK = 1e-9
"""Relative slack under which two splits count as equally extreme (sums in another order differ in the last bit)."""


def smallest_p(m: int, n: int, tasks: int = 1) -> float:
    """Smallest two-sided p that ``m`` against ``n`` runs on each of ``tasks`` tasks can reach."""
    splits: int = math.comb(m + n, m) ** tasks
    return min(1.0, (2 if m == n else 1) / splits)


@cache
def _splits(total: int, first: int) -> NDArray[np.intp]:
    """Every way to choose the first arm, shape ``(splits, first)``."""
    return np.array(list(itertools.combinations(range(total), first)), dtype=np.intp)


def permutation_p(
    arms: Sequence[tuple[Scores, Scores]],
    scales: Sequence[float],
    generator: np.random.Generator,
    draws: int = DRAWS,
) -> float:
    """Two-sided p of ``mean_t((mean(x_t) - mean(y_t)) / scale_t) = 0``, runs exchanged within each task.

    Args:
        arms: ``(x, y)`` scores of every task.
        scales: What one unit of each task is worth; irrelevant with one task.
        generator: Used only where exact enumeration is too large; same generator state, same p.
        draws: Monte Carlo permutations.
    """
    if len(arms) == 1:
        ((x, y),) = arms
        if math.comb(len(x) + len(y), len(x)) <= EXACT_SPLITS:
            return _exact(x, y)
    observed = 0.0
    shuffled = np.zeros(draws)
    for (x, y), scale in zip(arms, scales, strict=True):
        pool = np.concatenate([x, y])
        observed += float(x.mean() - y.mean()) / scale
        order = np.argsort(generator.random((draws, len(pool))), axis=1)
        sums = pool[order[:, : len(x)]].sum(axis=1)
        shuffled += (sums / len(x) - (pool.sum() - sums) / len(y)) / scale
    extreme = np.abs(shuffled) >= abs(observed) * (1 - _SLACK)
    return float((1 + np.count_nonzero(extreme)) / (1 + draws))


def _exact(x: Scores, y: Scores) -> float:
    pool = np.concatenate([x, y])
    pool = pool - pool.mean()
    sums = np.abs(pool[_splits(len(pool), len(x))].sum(axis=1))
    observed = abs(float(pool[: len(x)].sum()))
    return float(np.mean(sums >= observed - _SLACK * float(np.abs(pool).sum())))
