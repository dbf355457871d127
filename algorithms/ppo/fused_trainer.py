"""What trainers that train K seeds as one program share: building, reporting, evaluating, saving."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from algorithms.ppo.allocator import keep_freed_memory
from algorithms.ppo.matmul import choose_matmul
from algorithms.trainer import MakeEnv, Metrics
from envs.curriculum import follow_curriculum
from envs.spec import TaskFacts
from envs.streams import stream_seed
from envs.vector import VectorEnv


class Part(Protocol):
    """A piece of a trainer that changes while it trains."""

    def state_dict(self) -> Any:
        """Everything needed to continue bit for bit."""
        ...

    def load_state_dict(self, state: Any) -> Any:
        """Continue from ``state_dict``."""
        ...


class FusedTrainer(ABC):
    """See ``algorithms.trainer.Trainer`` for the contract."""

    config: Any

    def __init__(
        self, config: Any, make_env: MakeEnv, *, num_envs: int, seeds: Sequence[int], device: torch.device | str = "cpu"
    ) -> None:
        """Build environments, networks and optimisers.

        Raises:
            ValueError: The config cannot work with this environment.
        """
        self.config, self.seeds, self.device = config, tuple(seeds), torch.device(device)
        self.env_steps = 0
        choose_matmul()
        if self.device.type == "cpu":
            keep_freed_memory()
        self._make_env, self._num_envs = make_env, num_envs
        self.env = make_env(num_envs, [stream_seed(seed, "env") for seed in seeds])
        if problems := config.problems(TaskFacts.of(self.env)):
            self.env.close()
            raise ValueError("; ".join(f"{field}: {sentence}" for field, sentence in problems))
        self._build()

    @abstractmethod
    def _build(self) -> None:
        """Networks, optimisers and buffers for ``self.env``."""

    @abstractmethod
    def _parts(self) -> dict[str, Part]:
        """All that changes while it trains, by the name it is saved under."""

    def _row(self, figures: dict[str, Tensor]) -> Metrics:
        """One transfer of all figures, each ``[K]``, to float64 arrays."""
        values = torch.stack([figure.double() for figure in figures.values()]).cpu().numpy()
        return {"env_steps": np.full(len(self.seeds), float(self.env_steps)), **dict(zip(figures, values, strict=True))}

    @contextmanager
    def _evaluation_env(self, num_envs: int) -> Iterator[VectorEnv]:
        """The same copies at every call, their task as hard as training has made it."""
        env = self._make_env(num_envs, [stream_seed(seed, "eval") for seed in self.seeds])
        follow_curriculum(env, self.env)
        try:
            yield env
        finally:
            env.close()

    def reported_copy(self, num_envs: int) -> int:
        """A copy, of so many in an evaluation, in which the reported policy acts."""
        return 0

    def state_dict(self) -> dict[str, Any]:
        """Everything a fresh trainer of the same arguments needs to continue bit for bit."""
        return {
            "seeds": self.seeds,
            "config": dataclasses.asdict(self.config),
            "env_steps": self.env_steps,
            **{name: part.state_dict() for name, part in self._parts().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``.

        Raises:
            ValueError: The state belongs to other seeds or another config.
        """
        if tuple(state["seeds"]) != self.seeds or state["config"] != dataclasses.asdict(self.config):
            raise ValueError("the checkpoint belongs to other seeds or another config")
        self.env_steps = state["env_steps"]
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def close(self) -> None:
        """Release the environment."""
        self.env.close()
