"""What a step of an arm-hand task earns, and when the object has been brought to its goal.

With h the object's height above its start, d_f the distance of fingertip f from the object, e the distance of the
furthest keypoint from its goal, and "best" the smallest value so far (d_f: since the object was placed, e: since the
goal was set)::

    approach_reward sum_f max(0, best d_f - d_f)        until the object is lifted
    + lift_reward clip(h + 0.05, 0, 0.5)                until it is lifted
    + lift_bonus                                        in the step that lifts it: h + 0.05 > lift_height
    + keypoint_reward max(0, best e - e)                once it is lifted
    + goal_bonus / success_steps                        in each step near the goal: e <= keypoint_scale tolerance
    - arm_penalty sum |arm's joint speeds| - hand_penalty sum |hand's joint speeds|
"""

from typing import NamedTuple

import torch

from envs.arm_hand.options import ArmHandOptions
from envs.batched import State

_LIFT_OFFSET, _LIFT_MOST = 0.05, 0.5


class Measured(NamedTuple):
    """What the reward looks at, after a step."""

    tips: torch.Tensor
    """Distance of each fingertip from the object's middle, m, ``[K, N, F]``."""
    keypoint: torch.Tensor
    """Distance of the furthest keypoint from its goal, m, ``[K, N]``."""
    height: torch.Tensor
    """Of the object above where episodes start it, m, ``[K, N]``."""
    arm_speed: torch.Tensor
    """Sum over the arms' joints of their speeds' magnitudes, rad/s, ``[K, N]``."""
    hand_speed: torch.Tensor
    """The same of the hands' joints."""


class Judged(NamedTuple):
    """What a step meant."""

    progress: State
    """Next ``closest_tips``, ``closest_keypoint``, ``lifted``, ``near_steps``."""
    reward: torch.Tensor
    reached: torch.Tensor
    """Copies whose object has been near the goal for long enough, ``[K, N]`` bool."""


def judge(progress: State, measured: Measured, tolerance: torch.Tensor, options: ArmHandOptions) -> Judged:
    """Reward and progress of a step.

    Args:
        progress: ``closest_tips`` ``[K, N, F]`` and ``closest_keypoint`` ``[K, N]`` so far, ``lifted`` ``[K, N]`` bool,
            ``near_steps`` ``[K, N]`` int64.
        measured: After the step.
        tolerance: Of each seed, ``[K]``.
        options: Weights and thresholds.
    """
    lift = measured.height + _LIFT_OFFSET
    lifted = progress["lifted"] | (lift > options.lift_height)
    on_table = ~lifted
    approach = (progress["closest_tips"] - measured.tips).clamp(min=0).sum(-1)
    closer = (progress["closest_keypoint"] - measured.keypoint).clamp(min=0)
    near = measured.keypoint <= tolerance.unsqueeze(-1) * options.keypoint_scale
    near_steps = progress["near_steps"] + near
    if options.near_goal == "consecutive":
        near_steps = near_steps * near
    reward = (
        options.approach_reward * (approach if options.approach_when_lifted else approach * on_table)
        + options.lift_reward * lift.clamp(0, _LIFT_MOST) * on_table
        + options.lift_bonus * (lifted & ~progress["lifted"])
        + options.keypoint_reward * closer * lifted
        + options.goal_bonus / options.success_steps * near
        - options.arm_penalty * measured.arm_speed
        - options.hand_penalty * measured.hand_speed
    )
    following = {
        "closest_tips": torch.minimum(progress["closest_tips"], measured.tips),
        "closest_keypoint": torch.minimum(progress["closest_keypoint"], measured.keypoint),
        "lifted": lifted,
        "near_steps": near_steps,
    }
    return Judged(following, reward, near_steps >= options.success_steps)
