"""Cheetah-Dir and Cheetah-Vel (Finn et al. 2017, in VariBAD's version): a half cheetah that runs as it is paid to.

Observation, 20 numbers: all coordinates but the first, all velocities, the torso's position. With x the torso's first
coordinate, a step of 0.05 s pays

    cheetah_dir   g (x' - x) / 0.05 - 0.05 |a|^2           g = -1 or +1
    cheetah_vel   -|(x' - x) / 0.05 - v| - 0.05 |a|^2      v uniform on [0, 3] m/s

Nothing ends an episode but its horizon of 200 steps. The published observation holds the torso's position of one time
step (10 ms) before, which MuJoCo happened to leave there; here it is that of the state.
"""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import torch

from envs.batched import State
from envs.locomotion import models
from envs.locomotion.legged import Legged, check_signs, gym_noise, in_trials, signs
from envs.locomotion.options import CheetahDirOptions, CheetahVelOptions
from envs.sim.model import Scene
from envs.trials import Trials

CONTROL_COST = 0.05


class Cheetah(Legged):
    """Subclasses say what a speed is worth."""

    substeps = 5
    num_observed: ClassVar[int] = 20

    def _scene(self) -> Scene:
        return models.cheetah()

    @abstractmethod
    def _worth(self, speed: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        """Reward for a speed ``[K, N]`` in m/s; ``task`` is ``[K, N]``, too."""

    def _noise(self, coordinates: torch.Tensor, velocities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return gym_noise(coordinates, velocities)

    def _judge(self, state: State, sensed: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        speed = (sensed["qpos"][..., 0] - state["qpos"][..., 0]) / self._seconds
        reward = self._worth(speed, state["task"][..., 0]) - CONTROL_COST * actions.square().sum(-1)
        return {}, reward, torch.zeros_like(reward, dtype=torch.bool)

    def _observe(self, state: State) -> torch.Tensor:
        qpos = state["qpos"]
        x, z = qpos[..., :1], qpos[..., 1:2] + self._torso_height
        return torch.cat((qpos[..., 1:], state["qvel"], x, torch.zeros_like(x), z), -1)

    @cached_property
    def _torso_height(self) -> float:
        """Of the torso where its coordinate is 0."""
        return float(self.sim.model.mj.body("torso").pos[2])


class CheetahDir(Cheetah):
    """Run forward or backward."""

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return signs(numbers[:, :1].transpose(1, 2))

    def _check_task(self, task: torch.Tensor) -> None:
        check_signs(task)

    def _worth(self, speed: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        return task * speed


class CheetahVel(Cheetah):
    """Run at a given speed."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: CheetahVelOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)
        self._max_speed = options.max_speed

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return self._max_speed * numbers[:, :1].transpose(1, 2)

    def _check_task(self, task: torch.Tensor) -> None:
        if not ((task >= 0) & (task <= self._max_speed)).all():
            raise ValueError(f"the task is a speed between 0 and max_speed = {self._max_speed:g} m/s")

    def _worth(self, speed: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        return -(speed - task).abs()


def make_dir(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: CheetahDirOptions) -> Trials:
    """``locomotion/cheetah_dir``."""
    return in_trials(CheetahDir(num_envs=num_envs, seeds=seeds, device=device, options=options), options)


def make_vel(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: CheetahVelOptions) -> Trials:
    """``locomotion/cheetah_vel``."""
    return in_trials(CheetahVel(num_envs=num_envs, seeds=seeds, device=device, options=options), options)
