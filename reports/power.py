"""What a number of seeds can show, before or after running: power of Welch's test by the noncentral t.

Effects are in units of the between-seed standard deviation, n is runs per arm, df = 2 (n - 1) for one task.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri, gammaincinv, ndtr

from reports.stats import Interval, t_quantile

_NODES, _WEIGHTS = (np.polynomial.legendre.leggauss(200) + np.array([[1.0], [0.0]])) / 2
"""Gauss-Legendre rule on (0, 1)."""
_MOST_SEEDS = 10_000


def power(effect: float, n: int, alpha: float = 0.05, df: float | None = None) -> float:
    """Probability that a true effect of ``effect`` standard deviations gives p < alpha with ``n`` runs per arm.

    P(|T| > c) = E[Phi(shift - c S) + Phi(-shift - c S)],   S^2 = chi2_df / df,   shift = effect sqrt(n/2)

    integrated over the quantiles of S (scipy's noncentral t turns NaN in the far tail).
    """
    dof = 2 * (n - 1) if df is None else df
    shift = effect * math.sqrt(n / 2)
    reach = t_quantile(1 - alpha, dof) * np.sqrt(2 * gammaincinv(dof / 2, _NODES) / dof)
    return float(_WEIGHTS @ (ndtr(shift - reach) + ndtr(-shift - reach)))


def detectable_effect(n: int, alpha: float = 0.05, wanted: float = 0.8, df: float | None = None) -> float:
    """Smallest effect, in standard deviations, that ``n`` runs per arm find with probability ``wanted``.

    Args:
        n: Runs per arm, two at least.
        alpha: Two-sided level of the test; ``alpha / K`` for the hardest of K contrasts under Holm.
        wanted: Power.
        df: Degrees of freedom when several tasks share the estimate; None for one task.
    """
    if n < 2:
        return math.inf
    top = 1.0
    while power(top, n, alpha, df) < wanted:
        top *= 2
    return float(brentq(lambda effect: power(effect, n, alpha, df) - wanted, 0.0, top))


def seeds_needed(effect: float, alpha: float = 0.05, wanted: float = 0.8, tasks: int = 1) -> int | None:
    """Fewest runs per arm that find ``effect`` with probability ``wanted``; None beyond ten thousand.

    Args:
        effect: In standard deviations of one run; with several tasks, of the mean over tasks of one run each.
        alpha: Two-sided level of the test.
        wanted: Power.
        tasks: Tasks that share the estimate; each adds its own degrees of freedom.
    """
    low, high = 1, 2
    while power(effect, high, alpha, tasks * 2 * (high - 1)) < wanted:
        if high >= _MOST_SEEDS:
            return None
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(effect, middle, alpha, tasks * 2 * (middle - 1)) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def sd_range(sd: float, df: float, level: float = 0.8) -> Interval:
    """Interval of a standard deviation estimated with ``df`` degrees of freedom (chi-square)."""
    tail = (1 - level) / 2
    return Interval(sd * math.sqrt(df / chdtri(df, tail)), sd * math.sqrt(df / chdtri(df, 1 - tail)))
