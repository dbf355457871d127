"""The tolerance narrows as the copies of a seed succeed."""

from typing import Any

import torch

from envs.arm_hand.options import ArmHandOptions


class ToleranceCurriculum:
    """Each seed's own tolerance.

    A seed's tolerance is multiplied by ``tolerance_factor``, down to ``final_tolerance``, when the mean successes of
    its N copies' last episodes reach ``tolerance_successes`` and ``tolerance_interval`` steps have passed since the
    last time. A copy that has not finished an episode counts as 0. All copies of a seed take part, under SAPG those of
    every policy, as in the public code.
    """

    def __init__(
        self, options: ArmHandOptions, *, num_seeds: int, num_envs: int, device: torch.device | str = "cpu"
    ) -> None:
        self._options = options
        self.tolerance = torch.full((num_seeds,), options.tolerance, device=device)
        """Metres, ``[K]``."""
        self._successes = torch.zeros(num_seeds, num_envs, device=device)
        self._changed = torch.zeros(num_seeds, dtype=torch.int64, device=device)
        self._steps = 0
        self._follows = False

    def advance(self) -> None:
        """Count a step of all copies; narrow the tolerance of the seeds that have earned it."""
        self._steps += 1
        if self._follows:
            return
        options = self._options
        due = self._steps - self._changed >= options.tolerance_interval
        narrower = due & (self._successes.mean(1) >= options.tolerance_successes)
        tolerance = (self.tolerance * options.tolerance_factor).clamp(options.final_tolerance, options.tolerance)
        self.tolerance = torch.where(narrower, tolerance, self.tolerance)
        self._changed = torch.where(narrower, self._steps, self._changed)

    def record(self, ended: torch.Tensor, successes: torch.Tensor) -> None:
        """Note the successes of the episodes that ended, ``[K, N]``."""
        self._successes = torch.where(ended, successes, self._successes)

    def follow(self, tolerance: torch.Tensor) -> None:
        """Stand where another curriculum stands, ``[K]``, and no longer move by itself."""
        self.tolerance = tolerance.to(self.tolerance, copy=True)
        self._follows = True

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the next steps."""
        return {
            "tolerance": self.tolerance.clone(),
            "successes": self._successes.clone(),
            "changed": self._changed.clone(),
            "steps": self._steps,
            "follows": self._follows,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        self.tolerance = state["tolerance"].to(self.tolerance, copy=True)
        self._successes = state["successes"].to(self._successes, copy=True)
        self._changed = state["changed"].to(self._changed, copy=True)
        self._steps, self._follows = state["steps"], state["follows"]
