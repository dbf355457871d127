"""Rank intervals of the changes, from simultaneous pairwise tests; never from bootstrapped ranks.

    L_k = 1 + #{j significantly worse to make},   U_k = K - #{j significantly less bad to make}

Pairs are compared by Welch's test on the arms of the changes alone (the baseline cancels), Holm over all K(K - 1)/2.
All K intervals hold together. Bootstrapped ranks do so in 2 to 4 % of studies whose changes are tied.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reports.stats import Scores, holm, stratified_difference

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Rank:
    """Place of one change among ``of``, 1 the most harmful, and the interval the data leave."""

    place: int
    low: int
    high: int
    of: int


def rank_intervals(arms: Sequence[Sequence[Scores]], scales: Sequence[float], level: float = 0.95) -> list[Rank]:
    """Rank every change with its simultaneous interval.

    Args:
        arms: For every change its scores on every task, higher is better.
        scales: What one unit of each task is worth.
        level: Probability that all intervals hold at once.

    Returns:
        In the order given; rank 1 is the lowest score, the most harmful change.
    """
    pairs = {(j, k): compared(arms[j], arms[k], scales) for j, k in combinations(range(len(arms)), 2)}
    return places_of([mean_of(arm, scales) for arm in arms], pairs, level)


def places_of(
    means: Sequence[float], pairs: Mapping[tuple[int, int], tuple[float, float]], level: float = 0.95
) -> list[Rank]:
    """Rank every change from tests of all pairs.

    Args:
        means: Score of every change, higher is better.
        pairs: Pair of changes -> its difference, first minus second, and its p.
        level: Probability that all intervals hold at once.
    """
    size = len(means)
    adjusted = holm([p for _, p in pairs.values()]) if pairs else np.empty(0)
    worse, better = [0] * size, [0] * size
    for ((j, k), (difference, _)), p in zip(pairs.items(), adjusted, strict=True):
        if p < 1 - level:
            low, high = (j, k) if difference < 0 else (k, j)
            worse[high] += 1  # `low` is significantly worse than `high`
            better[low] += 1
    order = sorted(range(size), key=means.__getitem__)
    places = {change: place for place, change in enumerate(order, 1)}
    return [Rank(places[k], 1 + worse[k], size - better[k], size) for k in range(size)]


def mean_of(arm: Sequence[Scores], scales: Sequence[float]) -> float:
    """Score of one change over all tasks."""
    return float(np.mean([scores.mean() / scale for scores, scale in zip(arm, scales, strict=True)]))


def compared(first: Sequence[Scores], second: Sequence[Scores], scales: Sequence[float]) -> tuple[float, float]:
    """Difference of two changes and its p; without spread nothing can be tested and p is 1."""
    difference = stratified_difference(list(zip(first, second, strict=True)), scales)
    largest = max(
        float(np.abs(scores).max()) / scale
        for arm in (first, second)
        for scores, scale in zip(arm, scales, strict=True)
    )
    testable = difference.se > _ROUNDING * max(largest, 1e-300)
    return difference.value, difference.p if testable else 1.0
