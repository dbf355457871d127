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

Volume = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
_AIR: Volume = ((-0.4, 0.4), (0.0, 0.35), (0.68, 1.05))
"""Goals in the air over the table and towards the robot, m."""
_BETWEEN_ARMS: Volume = ((-0.2, 0.2), (-0.5, 0.5), (0.68, 1.05))
"""The same of two robots, x from the middle of a side."""
_GOAL_SIDE, _OBJECT_SIDE = 0.75, 0.35
"""How far from the middle, towards one of two robots, goals are and objects start, m."""
_BINS: Volume = ((0.5, 0.9), (-1.0, 0.7), (0.0, 1.0))
"""Bins, x to either side, m."""


def _shifted(place: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Points ``[..., 3]`` moved along x."""
    return torch.cat((place[..., :1] + x.unsqueeze(-1), place[..., 1:]), -1)


class Regrasp(ArmHand):
    """``arm_hand/regrasp``."""

    goal_shape: ClassVar[GoalShape] = "ball"
    goal_volume: ClassVar[Volume] = _AIR
    replaces_object: ClassVar[bool] = True

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: RegraspOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)


class Throw(ArmHand):
    """``arm_hand/throw``. A bin close to the floor cannot be filled: the object falls below the end of the episode."""

    goal_shape: ClassVar[GoalShape] = "bin"
    goal_volume: ClassVar[Volume] = _BINS
    goal_above: ClassVar[float] = BIN_DEPTH
    replaces_object: ClassVar[bool] = True

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: ThrowOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)

    def _sided_goal(self, place: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
        return torch.cat((place[..., :1] * side.unsqueeze(-1), place[..., 1:]), -1)


class Reorient(ArmHand):
    """``arm_hand/reorient``."""

    goal_shape: ClassVar[GoalShape] = "object"
    goal_volume: ClassVar[Volume] = _AIR
    corners: ClassVar[tuple[tuple[int, int, int], ...]] = CORNERS

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: ReorientOptions
    ) -> None:
        self._reach = options.reach
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)

    def _ended(self, tips: torch.Tensor) -> torch.Tensor:
        return tips.amax(-1) > self._reach


class TwoArmsReorient(ArmHand):
    """``arm_hand/two_arms_reorient``."""

    robots: ClassVar[tuple[Robot, ...]] = TWO_ARMS
    goal_shape: ClassVar[GoalShape] = "object"
    goal_volume: ClassVar[Volume] = _BETWEEN_ARMS
    corners: ClassVar[tuple[tuple[int, int, int], ...]] = CORNERS

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TwoArmsOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)

    def _sided_goal(self, place: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
        return _shifted(place, _GOAL_SIDE * side)

    def _sided_object(self, place: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
        return _shifted(place, _OBJECT_SIDE * side)
