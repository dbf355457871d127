"""Ant-Dir (Finn et al. 2017, in VariBAD's version): a four-legged ant that walks forward or backward.

Observation, 27 numbers: all coordinates but x and y, all velocities. A step of 0.05 s pays

    (dx cos t + dy sin t) / 0.05 + 1 - 0.5 |a|^2 - 0.0005 sum clip(c, -1, 1)^2

for the torso's displacement (dx, dy), the task's direction t and the contact forces and torques c on all bodies. An
episode ends where the torso leaves heights from 0.2 to 1.0 m, and after 200 steps. Contact forces are those at the
beginning of the last of the step's five time steps, where MuJoCo computes them.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch

from envs.batched import State
from envs.locomotion import models
from envs.locomotion.legged import Legged, check_signs, gym_noise, in_trials, signs
from envs.locomotion.options import AntDirOptions
from envs.sim.model import Scene
from envs.trials import Trials

CONTROL_COST = 0.5
CONTACT_COST = 5e-4
HEIGHTS = (0.2, 1.0)
"""Metres."""


class AntDir(Legged):
    """The task is +1 or -1; ``options.angle`` says which directions these are."""

    sensed: ClassVar[tuple[str, ...]] = ("qpos", "qvel", "cfrc_ext")
    substeps = 5
    num_observed: ClassVar[int] = 27

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: AntDirOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)
        self._radians = options.angle == "radians"

    def _scene(self) -> Scene:
        return models.ant()

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return signs(numbers[:, :1].transpose(1, 2))

    def _check_task(self, task: torch.Tensor) -> None:
        check_signs(task)

    def _noise(self, coordinates: torch.Tensor, velocities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return gym_noise(coordinates, velocities)

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        start = super()._begin(numbers, task)
        # The published simulator shows unit quaternions; ours would do so from the first step on.
        start["qpos"][..., 3:7] /= start["qpos"][..., 3:7].norm(dim=-1, keepdim=True)
        return start

    def _judge(self, state: State, sensed: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        velocity = (sensed["qpos"][..., :2] - state["qpos"][..., :2]) / self._seconds
        contacts = sensed["cfrc_ext"].clamp(-1, 1).square().sum((-2, -1))
        cost = CONTROL_COST * actions.square().sum(-1) + CONTACT_COST * contacts
        height = sensed["qpos"][..., 2]
        return (
            {},
            self._progress(velocity, state["task"][..., 0]) + 1 - cost,
            (height < HEIGHTS[0]) | (height > HEIGHTS[1]),
        )

    def _progress(self, velocity: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        """Speed along the task's direction."""
        if self._radians:
            return velocity[..., 0] * task.cos() + velocity[..., 1] * task.sin()
        return velocity[..., 0] * task

    def _observe(self, state: State) -> torch.Tensor:
        return torch.cat((state["qpos"][..., 2:], state["qvel"]), -1)


def make_dir(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: AntDirOptions) -> Trials:
    """``locomotion/ant_dir``."""
    return in_trials(AntDir(num_envs=num_envs, seeds=seeds, device=device, options=options), options)
