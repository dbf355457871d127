"""Group-sequential inference: test at several looks at growing data without spending more than alpha.

Look j sees n_j runs per arm, information t_j = n_j / n_max. A spending function says how much of alpha may be used up
to each look; the boundary follows from the joint distribution of the statistics (Lan and DeMets 1983):

    P(|Z_1| < z_1, ..., |Z_{j-1}| < z_{j-1}, |Z_j| >= z_j) = f(t_j) - f(t_{j-1}),   Z_j = B(t_j) / sqrt(t_j)

B is a Brownian motion. What a look rejects at is kept as a nominal two-sided level p_j = 2 (1 - Phi(z_j)); Welch's p of
the look is compared with it, which carries the boundary over to Student's t. The interval of level 1 - p_j at look j,
for all looks at once, is the repeated confidence interval: it holds whenever one stops.

Over K contrasts with one baseline the levels follow Holm (Tamhane et al. 2021): with m of them not yet rejected each is
tested at the boundary of alpha / m; whenever one is rejected, the others are tested again at alpha / (m - 1).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtr, stdtrit

Floats = NDArray[np.float64]
Spending = Literal["quadratic", "linear", "obrien_fleming", "pocock"]

OPEN, SEPARATED, NO_CHANGE = 0, 1, 2
"""What a look leaves a contrast as."""

_FURTHEST = 10.0
"""Beyond so many standard deviations a boundary is never crossed."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(120)
_SMALLEST = 1e-10


def spent(spending: Spending, t: float, alpha: float) -> float:
    """How much of alpha may be used up to information t, 0 < t <= 1; all of it at 1."""
    if spending == "quadratic":
        return alpha * t**2
    if spending == "linear":
        return alpha * t
    if spending == "pocock":
        return alpha * math.log(1 + (math.e - 1) * t)
    return 4 * float(ndtr(ndtri(alpha / 4) / math.sqrt(t)))


@lru_cache(maxsize=512)
def boundaries(spending: Spending, looks: tuple[int, ...], alpha: float) -> tuple[float, ...]:
    """The z that |Z| must reach at each look, by recursive integration; infinite where nothing may be spent.

    Args:
        spending: How alpha is spread over the looks.
        looks: Runs per arm at each look, increasing; the last is n_max.
        alpha: Two-sided level.
    """
    found: list[float] = []
    density: tuple[Floats, Floats] | None = None  # of B(t) where no boundary was crossed: nodes, weight x density
    before, used = 0.0, 0.0
    for n in looks:
        t = n / looks[-1]
        wanted = spent(spending, t, alpha) - used
        used += wanted
        reach = _FURTHEST * math.sqrt(t)
        edge = _edge(_crossing(density, math.sqrt(t - before)), wanted, reach)
        found.append(edge / math.sqrt(t) if edge < reach else math.inf)
        density = _continued(density, math.sqrt(t - before), edge)
        before = t
    return tuple(found)


def _edge(crossed: Callable[[float], float], wanted: float, reach: float) -> float:
    """Where the probability to be beyond is the wanted one, at most the reach."""
    if crossed(reach) >= wanted:
        return reach
    return float(brentq(lambda edge: crossed(edge) - wanted, 0.0, reach))


def _crossing(density: tuple[Floats, Floats] | None, step: float) -> Callable[[float], float]:
    """Edge -> probability that B, not stopped so far, is beyond it after a step of this standard deviation."""
    if density is None:
        return lambda edge: 2 * float(ndtr(-edge / step))
    nodes, mass = density
    return lambda edge: float(mass @ (ndtr((nodes - edge) / step) + ndtr((-edge - nodes) / step)))


def _continued(density: tuple[Floats, Floats] | None, step: float, edge: float) -> tuple[Floats, Floats]:
    """Density of B inside (-edge, edge) after a step, on Gauss-Legendre nodes."""
    nodes, weights = edge * _NODES, edge * _WEIGHTS
    if density is None:
        return nodes, weights * _normal(nodes, step)
    start, mass = density
    return nodes, weights * (_normal(nodes[:, None] - start, step) @ mass)


def _normal(x: Floats, sd: float) -> Floats:
    found: Floats = np.exp(-0.5 * (x / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
    return found


def nominal_levels(spending: Spending, looks: tuple[int, ...], alpha: float) -> Floats:
    """Two-sided p that each look rejects at, shape ``(looks,)``; an alpha that is no level counts as 0.99."""
    found: Floats = 2 * ndtr(-np.array(boundaries(spending, looks, min(alpha, 0.99))))
    return found


def holm_levels(spending: Spending, looks: tuple[int, ...], alpha: float, family: int) -> Floats:
    """Nominal p by number of contrasts not yet rejected: row m is for alpha / m, shape ``(family + 1, looks)``.

    Row 0 is never asked for a decision; it repeats row 1.
    """
    rows = [nominal_levels(spending, looks, alpha / m) for m in range(1, family + 1)]
    return np.stack([rows[0], *rows])


def walk(p: Floats, within: NDArray[np.bool_], levels: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Go through the looks and stop every contrast that is decided.

    Pure: the same evidence gives the same stops, however much of it lies after them.

    Args:
        p: Two-sided p at each look, shape ``(studies, contrasts, looks)``; NaN where a look may not separate.
        within: Whether the look's equivalence test says "no change larger than the margin", same shape.
        levels: Of ``holm_levels`` for this family, shape ``(family + 1, looks)``.

    Returns:
        The look each contrast stopped at (the last one where it never did) and ``OPEN``, ``SEPARATED`` or
        ``NO_CHANGE``, both of shape ``(studies, contrasts)``.
    """
    studies, contrasts, looks = p.shape
    stop = np.full((studies, contrasts), looks - 1, dtype=np.int64)
    outcome = np.zeros((studies, contrasts), dtype=np.int64)
    for j in range(looks):
        now, _ = at_look(outcome, p[:, :, j], within[:, :, j], levels[:, j])
        stop[(outcome == OPEN) & (now != OPEN)] = j
        outcome = now
    return stop, outcome


def at_look(
    outcome: NDArray[np.int64], p: Floats, within: NDArray[np.bool_], levels: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decide what one look can decide.

    Args:
        outcome: What the contrasts are before, shape ``(studies, contrasts)``.
        p: At this look, same shape; NaN where it may not separate.
        within: Whether "no change" is shown, same shape.
        levels: Nominal p by number of contrasts not yet rejected, shape ``(family + 1,)``.

    Returns:
        What they are after, and how many contrasts were not yet rejected when each was last tested.
    """
    after, tested = outcome.copy(), np.zeros_like(outcome)
    while True:
        left = len(levels) - 1 - (after == SEPARATED).sum(axis=1)
        tested[after == OPEN] = np.broadcast_to(left[:, None], after.shape)[after == OPEN]
        new = (after == OPEN) & (p <= levels[left][:, None])
        if not new.any():
            break
        after[new] = SEPARATED
    after[(after == OPEN) & within] = NO_CHANGE
    return after, tested


@dataclass(frozen=True)
class RepeatedP:
    """Repeated p values: the smallest alpha at which a look's own boundary would have been crossed.

    Worked out from the nominal levels of a grid of alphas, between which log level is linear in log alpha.
    """

    log_alpha: Floats
    log_level: Floats

    def __call__(self, p: float, look: int) -> float:
        """The repeated p of a look at which the test itself gave ``p``; no larger than 1."""
        if not p > 0:
            return p
        levels = self.log_level[:, look]
        x = math.log(p)
        if x < levels[0]:  # below the grid level and alpha fall together
            return math.exp(float(self.log_alpha[0] + x - levels[0]))
        return math.exp(float(np.interp(x, levels, self.log_alpha)))


@lru_cache(maxsize=32)
def repeated_p(spending: Spending, looks: tuple[int, ...]) -> RepeatedP:
    """Repeated p values of a plan."""
    alphas = np.concatenate([np.geomspace(_SMALLEST, 0.2, 96), np.linspace(0.22, 0.98, 39)])
    levels = np.stack([nominal_levels(spending, looks, float(alpha)) for alpha in alphas])
    return RepeatedP(np.log(alphas), np.log(np.maximum(levels, 1e-300)))


def welch_at_looks(base: Floats, arms: Floats, looks: Sequence[int]) -> tuple[Floats, Floats, Floats]:
    """Welch's test of many studies at every look at once.

    Args:
        base: Scores, shape ``(studies, tasks, n_max)``.
        arms: Shape ``(studies, contrasts, tasks, n_max)``.
        looks: Runs per arm.

    Returns:
        Mean difference over tasks (arm - baseline), its standard error and degrees of freedom
        (Welch-Satterthwaite), each of shape ``(studies, contrasts, looks)``.
    """
    value, se, df = [], [], []
    for n in looks:
        m0, v0 = base[..., :n].mean(-1)[:, None], base[..., :n].var(-1, ddof=1)[:, None] / n
        m1, v1 = arms[..., :n].mean(-1), arms[..., :n].var(-1, ddof=1) / n
        total = (v0 + v1).sum(-1)
        value.append((m1 - m0).mean(-1))
        se.append(np.sqrt(total) / base.shape[1])
        df.append((n - 1) * total**2 / (v0**2 + v1**2).sum(-1))
    return np.stack(value, -1), np.stack(se, -1), np.stack(df, -1)


def two_sided_p(value: Floats, se: Floats, df: Floats) -> Floats:
    """The p value of "the difference is 0"."""
    found: Floats = 2 * stdtr(df, -np.abs(value) / se)
    return found


def within_margin(value: Floats, se: Floats, df: Floats, margin: float, levels: Floats) -> NDArray[np.bool_]:
    """Whether the repeated interval of the looks' nominal levels lies inside +-margin.

    Args:
        value: Differences, shape ``(..., looks)``; ``se`` and ``df`` likewise.
        se: Standard errors.
        df: Degrees of freedom.
        margin: In units of the scores.
        levels: ``nominal_levels`` of twice the equivalence test's own level, shape ``(looks,)``.
    """
    inside: NDArray[np.bool_] = np.abs(value) + stdtrit(df, 1 - levels / 2) * se < margin
    return inside
