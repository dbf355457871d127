"""Which iterations become rows: about 200 per cell, plus the evaluations, whatever an iteration costs.

A row holds means over the iterations since the row before it, so thinning drops no episode and smooths no further than
the gap between two rows.
"""

import warnings
from typing import Any

import numpy as np

from algorithms.trainer import Metrics

ROWS = 200
"""Rows of training metrics per cell, evaluations aside."""


def passed(env_steps: int, budget: int, points: int) -> int:
    """How many of ``points`` equally spaced budgets lie at or below ``env_steps``; the last one is the budget."""
    return min(points, env_steps * points // budget)


class Thinning:
    """Gathers iterations until a row is due; its state is part of the checkpoint."""

    def __init__(self, budget: int, points: int) -> None:
        """Start at step 0, where neither a row nor an evaluation is due.

        Args:
            budget: Environment steps per seed.
            points: Evaluations, equally spaced over the budget, the last one at its end.
        """
        self._budget = budget
        self._points = points
        self._rows_passed = 0
        self._points_passed = 0
        self._sums: dict[str, np.ndarray] = {}
        self._counts: dict[str, np.ndarray] = {}

    def add(self, metrics: Metrics) -> None:
        """Take in one iteration's metrics, each ``[K]``; NaN means "nothing to report" and is left out of means."""
        for key, values in metrics.items():
            values = np.asarray(values, dtype=np.float64)
            known = np.isfinite(values)
            if key not in self._sums:
                self._sums[key] = np.zeros_like(values)
                self._counts[key] = np.zeros_like(values)
            self._sums[key] += np.where(known, values, 0.0)
            self._counts[key] += known

    def row_due(self, env_steps: int) -> bool:
        """Whether this iteration ends a row."""
        return passed(env_steps, self._budget, ROWS) > self._rows_passed or self.evaluation_due(env_steps)

    def evaluation_due(self, env_steps: int) -> bool:
        """Whether an evaluation belongs to this iteration's row; several budgets passed at once are one evaluation."""
        return passed(env_steps, self._budget, self._points) > self._points_passed

    def take(self, env_steps: int) -> Metrics:
        """Means ``[K]`` since the last row (NaN where nothing was reported); the next row starts empty."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            row = {key: total / self._counts[key] for key, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        self._rows_passed = passed(env_steps, self._budget, ROWS)
        self._points_passed = passed(env_steps, self._budget, self._points)
        return row

    def state_dict(self) -> dict[str, Any]:
        """What a resumed pack needs to write the same rows."""
        return {
            "rows_passed": self._rows_passed,
            "points_passed": self._points_passed,
            "sums": {key: value.tolist() for key, value in self._sums.items()},
            "counts": {key: value.tolist() for key, value in self._counts.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        self._rows_passed = state["rows_passed"]
        self._points_passed = state["points_passed"]
        self._sums = {key: np.array(value) for key, value in state["sums"].items()}
        self._counts = {key: np.array(value) for key, value in state["counts"].items()}
