"""Simultaneous band of a difference curve: the only licence to say "separated from step s on".

Pointwise 95 % tests along a 400-point curve find a difference somewhere in 90 % of null comparisons. The sup-t band
holds for the whole curve at once. Whole curves are the unit of resampling; single points are never mixed between runs:

    d(s) = mean_k(s) - mean_0(s),   SE(s) by Welch,   e_i(s) = (x_i(s) - mean(s)) sqrt(n/(n - 1))
    c = level quantile over multipliers xi ~ N(0, 1) of max_s |sum_i xi_i e_ki(s)/n_k - sum_i xi_i e_0i(s)/n_0| / SE(s)
    band: d(s) +- t_df(s)^-1(Phi(c)) SE(s): the normal critical value mapped through Student's t, for the estimated SE
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

Curves = NDArray[np.float64]
"""Curves of one arm on a common grid, shape ``(runs, points)``."""


@dataclass(frozen=True, slots=True)
class Band:
    """Difference curve, variant minus baseline, and its simultaneous band; arrays of shape ``(points,)``.

    Where no run of either arm differs from another the band is NaN: nothing can be said about that point.
    """

    difference: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def separated_from(self, steps: NDArray[np.float64]) -> float | None:
        """First step from which the band excludes 0, with one sign, up to the end of the curve; None if it does not."""
        side = np.where(self.low > 0, 1, np.where(self.high < 0, -1, 0))
        if side[-1] == 0:
            return None
        other = np.flatnonzero(side != side[-1])
        return float(steps[0 if len(other) == 0 else other[-1] + 1])


def _residuals(curves: Curves) -> Curves:
    runs = len(curves)
    scaled: Curves = (curves - curves.mean(axis=0)) * np.sqrt(runs / (runs - 1)) / runs
    return scaled


def sup_t_band(
    variant: Curves, base: Curves, generator: np.random.Generator, level: float = 0.95, draws: int = 2_000
) -> Band:
    """Sup-t band of ``variant - base`` by a multiplier bootstrap of whole curves. Needs two runs per arm.

    Args:
        variant: Curves of the variant, shape ``(n_k, points)``.
        base: Curves of the baseline on the same grid, shape ``(n_0, points)``.
        generator: Source of the multipliers; same state, same band.
        level: Probability that the band holds everywhere at once.
        draws: Multiplier draws.
    """
    difference = variant.mean(axis=0) - base.mean(axis=0)
    parts = [(arm.var(axis=0, ddof=1) / len(arm), len(arm) - 1) for arm in (variant, base)]
    variance = parts[0][0] + parts[1][0]
    se = np.sqrt(variance)
    moves = se > 1e-12 * max(float(np.abs(variant).max()), float(np.abs(base).max()), 1e-300)
    low, high = np.full_like(se, np.nan), np.full_like(se, np.nan)
    if not moves.any():
        return Band(difference, low, high)
    multipliers = [generator.standard_normal((draws, len(arm))) for arm in (variant, base)]
    residuals = [_residuals(arm)[:, moves] / se[moves] for arm in (variant, base)]
    noise = np.concatenate(multipliers, axis=1) @ np.concatenate(residuals)
    critical = np.quantile(np.maximum(noise.max(axis=1), -noise.min(axis=1)), level)
    df = variance[moves] ** 2 / sum(part[moves] ** 2 / own for part, own in parts)
    half = stdtrit(df, ndtr(critical)) * se[moves]
    low[moves], high[moves] = difference[moves] - half, difference[moves] + half
    return Band(difference, low, high)
