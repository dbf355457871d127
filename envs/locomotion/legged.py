"""What the locomotion tasks of meta-RL share: start poses, action bounds, and trials of a fixed horizon."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

import gymnasium
import numpy as np
import torch

from envs.batched import State
from envs.locomotion.options import Actions
from envs.sim.env import SimTaskEnv
from envs.trials import Trials


class LeggedOptions(Protocol):
    """Options that all of them have."""

    @property
    def steps(self) -> int:
        """Steps of an episode."""
        ...

    @property
    def episodes(self) -> int:
        """Episodes per trial."""
        ...

    @property
    def actions(self) -> Actions:
        """Whether actions have bounds."""
        ...


class Legged(SimTaskEnv):
    """A body that starts near the model's own pose and is driven by motors.

    The torso's place is the first coordinates, so nothing but coordinates and velocities need be sensed.
    """

    sensed: ClassVar[tuple[str, ...]] = ("qpos", "qvel")
    num_observed: ClassVar[int]
    """Length of an observation, the flag of several episodes not counted."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: LeggedOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.steps)
        model = self.sim.model
        bound = 1.0 if options.actions == "bounded" else np.inf
        self.action_space = gymnasium.spaces.Box(-bound, bound, (model.mj.nu,), np.float32)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (self.num_observed,), np.float32)
        self._seconds = self.substeps * model.timestep
        self._rest = model.constant("qpos0", self.device)
        self.task_size = self._size_of_task()
        self.num_draws = self.task_size + len(self._rest) + int(model.mj.nv)
        """The task's numbers, then the start's coordinates, then its velocities."""

    def _size_of_task(self) -> int:
        """P; each parameter takes one random number."""
        return 1

    @abstractmethod
    def _noise(self, coordinates: torch.Tensor, velocities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How far from rest an episode starts, from uniform numbers ``[K, N, nq]`` and ``[K, N, nv]``."""

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        drawn = numbers[:, self.task_size :].transpose(1, 2)
        first = len(self._rest)
        coordinates, velocities = self._noise(drawn[..., :first], drawn[..., first:])
        return {"qpos": self._rest + coordinates, "qvel": velocities}

    def _control(self, state: State, actions: torch.Tensor) -> Mapping[str, torch.Tensor]:
        return {"ctrl": actions}  # the motors saturate at the model's +-1


def gym_noise(coordinates: torch.Tensor, velocities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Gym's start of Ant and HalfCheetah: coordinates U(-0.1, 0.1), velocities 0.1 N(0, 1)."""
    # The middle of the uniform numbers' grid of 2^-24, so that no logarithm of 0 appears.
    normal = torch.special.ndtri(velocities.double() + 2**-25)
    return 0.2 * coordinates - 0.1, 0.1 * normal.float()


def in_trials(env: Legged, options: LeggedOptions) -> Trials:
    """Trials with the boundary of the published wrapper."""
    return Trials(env, episodes=options.episodes, boundary="terminal")


def signs(numbers: torch.Tensor) -> torch.Tensor:
    """-1 or +1 with equal chances."""
    return (numbers >= 0.5).float() * 2 - 1


def check_signs(task: torch.Tensor) -> None:
    """Raise ValueError unless every task is -1 or +1."""
    if not (task.abs() == 1).all():
        raise ValueError("the task is a direction: -1 or +1")
