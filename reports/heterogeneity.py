"""How much the tasks disagree: each task's effect, leave-one-task-out, and what it means for tasks not in the study.

The main interval speaks about these tasks only. ``as_sample`` answers the other question, "if tasks were a sample": a t
interval with T - 1 degrees of freedom on the T task effects. The two are never mixed in one interval.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.stats import Estimate, Interval


@dataclass(frozen=True, slots=True)
class Change:
    """An effect and its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class TaskSpread:
    """One contrast across tasks, in the unit of the contrast.

    Attributes:
        effects: Of every task.
        without: The contrast with each task left out in turn.
        sample: The mean effect with the error it has if the tasks are a sample of tasks.
    """

    effects: tuple[float, ...]
    without: tuple[Change, ...]
    sample: Estimate

    @property
    def driver(self) -> int | None:
        """The task without which at most half of the effect is left, or its sign turns; None if there is none."""
        total = float(np.mean(self.effects))
        if total == 0 or len(self.effects) < 3:
            return None
        left = [change.value / total for change in self.without]
        task = int(np.argmin(left))
        return task if left[task] <= 0.5 else None


def as_sample(effects: Sequence[float]) -> Estimate:
    """Mean of the task effects with ``T - 1`` degrees of freedom. Needs two tasks."""
    values = np.asarray(effects, dtype=np.float64)
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values)), len(values) - 1)
