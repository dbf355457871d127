"""Probability that a run of one arm beats a run of another, with Newcombe's interval.

    theta = P(X > Y) + P(X = Y)/2,   estimated by U / (m n)
    Newcombe's method 5 (Statistics in Medicine 25, 2006):
    V(theta) = theta (1 - theta) [1 + N* ((1 - theta)/(2 - theta) + theta/(1 + theta))] / (m n),   N* = (m + n)/2 - 1
    limits: the roots of (theta - estimate)^2 = z^2 V(theta)
    T tasks: logit interval about mean_t(theta_t), V_t taken at the shrunk (n theta_t + 1/4)/(n + 1/2), cut to method 5
    with V/T. The second, valid since V is concave, is wider when tasks differ; the first runs off to [0, 1] when every
    task separates fully (ten runs on six tasks: [.004, 1] against [.96, 1]). Together they cover 93 to 98 %.

It stays honest on full separation, where a percentile bootstrap collapses to [1, 1].
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtri

from reports.stats import Interval, Scores

_EDGE = 1e-12
"""At an estimate of 0 or 1 the estimate itself is a root too; the search starts this far inside."""


def superiority(x: Scores, y: Scores) -> float:
    """``P(X > Y)``, ties counted half."""
    return float((np.sign(x[:, None] - y[None, :]).mean() + 1) / 2)


def _variance(theta: float, m: int, n: int) -> float:
    spread = (1 - theta) / (2 - theta) + theta / (1 + theta)
    return theta * (1 - theta) * (1 + ((m + n) / 2 - 1) * spread) / (m * n)


def newcombe(theta: float, m: int, n: int, level: float = 0.95, tasks: int = 1) -> Interval:
    """Newcombe's method 5 for a ``theta`` estimated from ``m`` against ``n`` runs, on each of ``tasks`` tasks."""
    z2 = float(ndtri(0.5 + level / 2)) ** 2

    def excess(candidate: float) -> float:
        return (candidate - theta) ** 2 - z2 * _variance(candidate, m, n) / tasks

    inside = min(max(theta, _EDGE), 1 - _EDGE)
    low = float(brentq(excess, 0.0, inside)) if theta > 0 else 0.0
    high = float(brentq(excess, inside, 1.0)) if theta < 1 else 1.0
    return Interval(low, high)


def improvement(arms: Sequence[tuple[Scores, Scores]], level: float = 0.95) -> tuple[float, Interval]:
    """Mean over tasks of ``P(x > y)`` and its interval.

    Args:
        arms: ``(x, y)`` scores of every task.
        level: Of the interval: Newcombe's for one task, logit cut to Newcombe's for several.
    """
    thetas = [superiority(x, y) for x, y in arms]
    estimate = float(np.mean(thetas))
    score = newcombe(estimate, min(len(x) for x, _ in arms), min(len(y) for _, y in arms), level, len(arms))
    if len(arms) == 1:
        return estimate, score
    variance, edge = 0.0, 1.0
    for theta, (x, y) in zip(thetas, arms, strict=True):
        n = math.sqrt(len(x) * len(y))
        variance += _variance((n * theta + 0.25) / (n + 0.5), len(x), len(y)) / len(arms) ** 2
        edge = min(edge, 0.25 / n**2)
    centre = min(max(estimate, edge), 1 - edge)
    half = float(ndtri(0.5 + level / 2)) * math.sqrt(variance) / (centre * (1 - centre))
    low, high = float(expit(logit(centre) - half)), float(expit(logit(centre) + half))
    return estimate, Interval(min(estimate, max(low, score.low)), max(estimate, min(high, score.high)))
