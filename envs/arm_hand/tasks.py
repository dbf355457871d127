"""The four tasks: where their goals are, and what else differs.

===================  =====================================================================================
regrasp              hold the object's middle near a point in the air for 30 steps; it then goes back to the table
throw                bring the object into a bin beside the table; it then goes back to the table
reorient             bring the object's corners to a pose in the air, again and again, without putting it down
two_arms_reorient    the same between two robots, where each goal is near one of them
===================  =====================================================================================
"""

from collections.abc import Sequence
from typing import ClassVar

import torch

from envs.arm_hand.keypoints import CORNERS
from envs.arm_hand.options import RegraspOptions, ReorientOptions, ThrowOptions, TwoArmsOptions
from envs.arm_hand.scene import BIN_DEPTH, TWO_ARMS, GoalShape, Robot
from envs.arm_hand.task import ArmHand

_AIR = ((-0.4, 0.4), (0.0, 0.35), (0.68, 1.05))
"""Goals in the air over the table and towards the robot, m."""
_BETWEEN_ARMS = ((-0.2, 0.2), (-0.5, 0.5), (0.68, 1.05))
"""The same of two robots, x from the middle of a side."""
_GOAL_SIDE, _OBJECT_SIDE = 0.75, 0.35
"""How far from the middle, towards one of two robots, goals are and objects start, m."""
_BIN = ((0.5, 0.9), (-1.0, 0.7), (0.0, 1.0))
"""Bins, x to either side, m."""


def _within(volume: Sequence[tuple[float, float]], numbers: torch.Tensor) -> torch.Tensor:
    """Points of a volume for uniform numbers ``[..., 3]``."""
    low, high = torch.tensor(volume, dtype=numbers.dtype, device=numbers.device).unbind(-1)
    return low + (high - low) * numbers


def _side(numbers: torch.Tensor) -> torch.Tensor:
    """-1 or 1 for uniform numbers."""
    return torch.where(numbers < 0.5, -1.0, 1.0)


def _along_x(length: torch.Tensor) -> torch.Tensor:
    """Vectors ``[..., 3]`` of lengths ``[...]``."""
    return torch.stack((length, torch.zeros_like(length), torch.zeros_like(length)), -1)


class Regrasp(ArmHand):
    """``arm_hand/regrasp``."""

    goal_shape: ClassVar[GoalShape] = "ball"
    replaces_object: ClassVar[bool] = True

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: RegraspOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)

    def _goal(self, numbers: torch.Tensor) -> torch.Tensor:
        return _within(_AIR, numbers[..., :3])


class Throw(ArmHand):
    """``arm_hand/throw``. A bin close to the floor cannot be filled: the object falls below the end of the episode."""

    goal_shape: ClassVar[GoalShape] = "bin"
    replaces_object: ClassVar[bool] = True

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: ThrowOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)

    def _goal(self, numbers: torch.Tensor) -> torch.Tensor:
        x, y, z = _within(_BIN, numbers[..., :3]).unbind(-1)
        return torch.stack((x * _side(numbers[..., 3]), y, z), -1)

    def _goal_of(self, body: torch.Tensor) -> torch.Tensor:
        return body + body.new_tensor((0.0, 0.0, BIN_DEPTH))


class Reorient(ArmHand):
    """``arm_hand/reorient``."""

    goal_shape: ClassVar[GoalShape] = "object"
    corners: ClassVar[tuple[tuple[int, int, int], ...]] = CORNERS

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: ReorientOptions
    ) -> None:
        self._reach = options.reach
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)

    def _goal(self, numbers: torch.Tensor) -> torch.Tensor:
        return _within(_AIR, numbers[..., :3])

    def _ended(self, tips: torch.Tensor) -> torch.Tensor:
        return tips.amax(-1) > self._reach


class TwoArmsReorient(ArmHand):
    """``arm_hand/two_arms_reorient``."""

    robots: ClassVar[tuple[Robot, ...]] = TWO_ARMS
    goal_shape: ClassVar[GoalShape] = "object"
    corners: ClassVar[tuple[tuple[int, int, int], ...]] = CORNERS

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TwoArmsOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)

    def _goal(self, numbers: torch.Tensor) -> torch.Tensor:
        return _within(_BETWEEN_ARMS, numbers[..., :3]) + _along_x(_GOAL_SIDE * _side(numbers[..., 3]))

    def _object_offset(self, numbers: torch.Tensor) -> torch.Tensor:
        return _along_x(_OBJECT_SIDE * _side(numbers.squeeze(-1)))
