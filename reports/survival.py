"""Time to a threshold with runs that never get there: Kaplan-Meier and the restricted mean, never a mean of survivors.

    S(t) = prod_(t_i <= t) (1 - d_i / r_i)          d_i events among r_i runs at risk; censored runs leave after t_i
    RMST = integral_0^tau S(t) dt
    Var = m/(m - 1) sum_i A_i^2 d_i / (r_i (r_i - d_i)),   A_i = integral_(t_i)^tau S,   m events before tau

Where every run that did not get there was watched up to tau, the RMST is the mean of min(time, tau).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reports.stats import Estimate, Interval, satterthwaite, t_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Survival:
    """Share of runs still below the threshold.

    Attributes:
        times: Distinct event times, rising, shape ``(events,)``.
        at_risk: Runs watched just before each.
        events: Runs that got there at each.
        share: S just after each.
        runs: Runs in all.
    """

    times: Floats
    at_risk: Floats
    events: Floats
    share: Floats
    runs: int


def kaplan_meier(times: ArrayLike, reached: ArrayLike) -> Survival:
    """Product-limit estimate.

    Args:
        times: When each run got there, or was last seen, shape ``(n,)``.
        reached: Which of them got there, shape ``(n,)``; at equal times events come before censoring.
    """
    when, event = np.asarray(times, dtype=np.float64), np.asarray(reached, dtype=bool)
    distinct = np.unique(when[event])
    at_risk = np.array([np.count_nonzero(when >= t) for t in distinct], dtype=np.float64)
    events = np.array([np.count_nonzero(when[event] == t) for t in distinct], dtype=np.float64)
    share = np.cumprod(1 - events / at_risk, dtype=np.float64)
    return Survival(distinct, at_risk, events, share, len(when))


def restricted_mean(found: Survival, horizon: float) -> Estimate:
    """Mean time up to ``horizon``: area under S, with Greenwood's error corrected for few events."""
    inside = found.times < horizon
    times, share = found.times[inside], found.share[inside]
    edges = np.concatenate([[0.0], times, [horizon]])
    areas = np.diff(edges) * np.concatenate([[1.0], share])
    later = np.cumsum(areas[::-1])[::-1][1:]  # area from each event time to the horizon
    d, r = found.events[inside], found.at_risk[inside]
    open_ends = r > d  # at a last event that takes everybody, nothing is left to the right
    total = float(np.sum(later[open_ends] ** 2 * d[open_ends] / (r * (r - d))[open_ends]))
    if found.runs > 1:
        total *= found.runs / (found.runs - 1)
    return Estimate(float(areas.sum()), math.sqrt(total), max(1, found.runs - 1))


def restricted_difference(variant: Survival, base: Survival, horizon: float, level: float) -> tuple[float, Interval]:
    """Difference of two restricted means (variant minus baseline) and its Welch-Satterthwaite interval."""
    own, other = restricted_mean(variant, horizon), restricted_mean(base, horizon)
    parts = [(own.se**2, int(own.df)), (other.se**2, int(other.df))]
    half = t_quantile(level, satterthwaite(parts)) * math.hypot(own.se, other.se)
    value = own.value - other.value
    return value, Interval(value - half, value + half)
