"""The contract between a trainer and whatever drives it.

A trainer trains K seeds as one program. Everything it returns has one entry per seed, in the order of ``seeds``.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from envs.vector import VectorEnv

Metrics = dict[str, np.ndarray]
"""Metric name -> float64 array ``[K]``, one entry per seed."""

MakeEnv = Callable[[int, Sequence[int]], VectorEnv]
"""``make_env(num_envs, seeds)`` builds one more instance of the task (for training, for evaluation)."""


class Trainer(Protocol):
    """Trains K seeds of one variant on one task.

    Built as ``TrainerClass(config, make_env, num_envs=..., seeds=..., device=...)``.
    """

    seeds: tuple[int, ...]
    env_steps: int
    """Transitions seen so far by each seed, summed over its copies."""

    def __init__(
        self, config: Any, make_env: MakeEnv, *, num_envs: int, seeds: Sequence[int], device: torch.device | str = "cpu"
    ) -> None: ...

    def iterations(self, env_steps: int) -> Iterator[Metrics]:
        """Train until each seed has seen ``env_steps`` transitions; yield one row of metrics per update.

        Keys: ``episode/return`` (finished training episodes of the reported policy; NaN where none finished),
        ``loss/...``, ``policy/...``, ``check/...`` (manipulation checks), ``probe/...``, ``health/finite`` (1, or 0
        from the update on in which a seed's parameters stopped being finite).
        """
        ...

    def evaluate(self, episodes: int) -> Metrics:
        """Play at least ``episodes`` whole episodes per seed without learning.

        Keys: ``eval/return``, ``eval/length`` and ``eval/<metric of the task>`` of the reported policy;
        ``profile/<name>@<x>`` for the point at time step x of a curve over time steps, and
        ``profile/untrained_<name>@<x>`` for the same of the untrained model. Neither the training environment nor any
        training random stream advances.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a fresh trainer of the same arguments needs to continue bit for bit: tensors, plain containers."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        ...

    def describe(self) -> dict[str, float]:
        """What could confound a comparison, measured from the built object.

        ``parameters``, ``env_steps_per_iteration``, ``rows_per_iteration``, ``minibatches``,
        ``optimizer_steps_per_iteration``, ``flops_per_env_step``.
        """
        ...

    def close(self) -> None:
        """Release the environments; idempotent."""
        ...
