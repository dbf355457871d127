"""Learning curves on one grid, their difference with its simultaneous band, and the time to reach a threshold.

Values are higher-is-better throughout. A run that failed continues at its floor after its last point: dropping it would
make the mean rise when runs die.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.bands import Band, Curves, sup_t_band
from reports.journal import Column
from reports.scores import Run, ScoreTable
from reports.stats import Scores

THRESHOLD = 0.9
"""Share of the baseline's final mean, above the floor, that counts as reached."""
SMOOTHED = 3
"""Evaluations in the running mean that must stay above the threshold."""
_MOST_POINTS = 200


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant's and the baseline's curves on one task.

    Attributes:
        steps: Common grid, shape ``(points,)``.
        variant: Shape ``(n_k, points)``.
        base: Shape ``(n_0, points)``.
        band: Of the difference; None below three runs per arm.
    """

    steps: Column
    variant: Curves
    base: Curves
    band: Band | None


def compare_curves(table: ScoreTable, variant: str, task: int, level: float) -> Comparison | None:
    """Put both arms on one grid and band their difference; None while an arm has no finished run.

    Args:
        table: Scores.
        variant: Name of the variant compared with the baseline.
        task: Index of the task.
        level: Probability that the band holds along the whole curve.
    """
    key = (variant, task, level)
    if key not in table.comparisons:  # figures and tables ask for the same bands
        table.comparisons[key] = _compared(table, variant, task, level)
    found = table.comparisons[key]
    assert found is None or isinstance(found, Comparison)
    return found


def _compared(table: ScoreTable, variant: str, task: int, level: float) -> Comparison | None:
    arms = [[run for run in table.arm(name, task) if run.scored] for name in (variant, table.manifest.baseline.name)]
    if not all(any(run.state == "done" for run in arm) for arm in arms):
        return None
    steps = common_grid([run for arm in arms for run in arm])
    own, base = (np.stack([on_grid(run, steps, table.fill[task][0]) for run in arm]) for arm in arms)
    band = None
    if min(len(own), len(base)) >= 3:
        generator = np.random.default_rng([zlib.crc32(variant.encode()), task])
        band = sup_t_band(own, base, generator, level)
    return Comparison(steps, own, base, band)


def common_grid(runs: Sequence[Run]) -> Column:
    """Steps that every finished run covers: their own where all agree, evenly spaced otherwise."""
    grids = [run.curve[0] for run in runs if run.state == "done"]
    first = grids[0]
    if len(first) <= _MOST_POINTS and all(np.array_equal(grid, first) for grid in grids):
        return first
    low, high = max(float(grid[0]) for grid in grids), min(float(grid[-1]) for grid in grids)
    return np.linspace(low, high, min(_MOST_POINTS, int(np.median([len(grid) for grid in grids]))))


def on_grid(run: Run, steps: Column, floor: float) -> Column:
    """One run interpolated; the floor after the last point of a failed run."""
    own, values = run.curve
    if len(own) == 0:
        return np.full(len(steps), floor)
    placed: Column = np.interp(steps, own, values)
    if run.state == "failed":
        placed = np.where(steps > own[-1], floor, placed)
    return placed


def thresholds(table: ScoreTable) -> list[float]:
    """Score that counts as reached, per task; NaN without a baseline."""
    found = []
    for task, floor in enumerate(table.floors):
        finals = table.scores(table.manifest.baseline.name, task, "final")
        zero = floor or 0.0
        found.append(zero + THRESHOLD * (float(finals.mean()) - zero) if len(finals) else np.nan)
    return found


def times_to_threshold(table: ScoreTable, variant: str, task: int, threshold: float) -> tuple[Scores, int]:
    """First step from which the running mean stays at or above the threshold, per scored run.

    Runs that never get there count with the whole budget: every run is censored at the same step, so the mean of these
    times is the restricted mean, and a run that fails counts as one that never got there.

    Returns:
        Times in environment steps, shape ``(n,)``, and how many runs got there.
    """
    budget = float(table.manifest.budget)
    times = np.array([_reached(run, threshold, budget) for run in table.arm(variant, task) if run.scored])
    return times, int(np.count_nonzero(times < budget))


def _reached(run: Run, threshold: float, budget: float) -> float:
    steps, values = run.curve
    if run.state == "failed" or len(steps) == 0:
        return budget
    width = min(SMOOTHED, len(values))
    smooth = np.convolve(values, np.full(width, 1 / width), mode="valid")
    below = np.flatnonzero(smooth < threshold)
    start = 0 if len(below) == 0 else int(below[-1]) + 1
    return float(steps[start + width - 1]) if start < len(smooth) else budget
