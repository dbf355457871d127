"""Walker with random parameters (Rakelly et al. 2019, in VariBAD's version): walk, whatever the body is made of.

Observation, 17 numbers: all coordinates but the first, all velocities clipped to +-10. A step of 0.016 s pays

    (x' - x) / 0.016 + 1 - 0.001 |a|^2

An episode ends where the torso leaves heights from 0.8 to 2 m or angles from -1 to 1, and after 200 steps.

The task is 65 exponents u: every mass (8), every moment of inertia (24) and every coefficient of friction (24) of the
model is scaled by 1.5^u, the damping of every joint (9) by 1.3^u, in this order, the immovable floor included. Scaled
moments of a body need not be those of any solid. The constants that MuJoCo derives from masses follow the task; in the
public code those behind the softness of contacts and limits stay the nominal model's.
"""

from collections.abc import Sequence
from typing import ClassVar

import torch

from envs.batched import State, where
from envs.locomotion import models
from envs.locomotion.legged import Legged, in_trials
from envs.locomotion.options import WalkerParamsOptions
from envs.sim.model import Scene
from envs.trials import Trials

CONTROL_COST = 1e-3
SCALED = {"body_mass": 1.5, "body_inertia": 1.5, "dof_damping": 1.3, "geom_friction": 1.5}
"""Fields of the model that make a task, and the base of their scale."""
HEIGHTS = (0.8, 2.0)
"""Metres."""
MAX_ANGLE = 1.0
"""Radians."""


class WalkerParams(Legged):
    """Every copy has a model of its own."""

    num_observed: ClassVar[int] = 17

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: WalkerParamsOptions
    ) -> None:
        self.substeps = options.frame_skip
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)
        self._spread = options.spread

    def _scene(self) -> Scene:
        return models.walker()

    def _size_of_task(self) -> int:
        self._nominal = {field: self.sim.expand(field)[0].clone() for field in SCALED}
        return sum(values.numel() for values in self._nominal.values())

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return (2 * numbers[:, : self.task_size].transpose(1, 2) - 1) * self._spread

    def _check_task(self, task: torch.Tensor) -> None:
        if not (task.abs() <= self._spread).all():
            raise ValueError(f"the task is {self.task_size} exponents between -{self._spread:g} and {self._spread:g}")

    def _noise(self, coordinates: torch.Tensor, velocities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 0.01 * coordinates - 0.005, 0.01 * velocities - 0.005

    def _prepare(self, start: State, starting: torch.Tensor) -> None:
        changed = starting
        if self._state:  # a trial's next episode keeps its model
            changed = starting & (start["task"] != self._state["task"]).any(-1)
        if self.device.type == "cpu" and not changed.any():
            return
        worlds, exponents = changed.flatten(), start["task"].flatten(0, 1)
        parts = torch.split(exponents, [values.numel() for values in self._nominal.values()], -1)
        for (field, values), part in zip(self._nominal.items(), parts, strict=True):
            own = self.sim.expand(field)
            scale = SCALED[field] ** part.to(values.dtype).view(-1, *values.shape)
            own.copy_(where(worlds, values * scale, own))
        self.sim.commit_model(worlds)

    def _judge(self, state: State, sensed: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        x, height, angle = sensed["qpos"][..., :3].unbind(-1)
        speed = (x - state["qpos"][..., 0]) / self._seconds
        upright = (height > HEIGHTS[0]) & (height < HEIGHTS[1]) & (angle.abs() < MAX_ANGLE)
        return {}, speed + 1 - CONTROL_COST * actions.square().sum(-1), ~upright

    def _observe(self, state: State) -> torch.Tensor:
        return torch.cat((state["qpos"][..., 1:], state["qvel"].clamp(-10, 10)), -1)


def make_params(
    *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: WalkerParamsOptions
) -> Trials:
    """``locomotion/walker_params``."""
    return in_trials(WalkerParams(num_envs=num_envs, seeds=seeds, device=device, options=options), options)
