"""What the policy of an arm-hand task sees: 93 + 6 P numbers of one arm, 166 + 9 P - 6 of two (P keypoints).

=============================  ============  =======================================================================
of                             size          what
=============================  ============  =======================================================================
joints                         23 R          angles in their ranges, -1 to 1, arm before hand, left before right
joint_speeds                   23 R          rad/s
palms                          3 R           positions of the palms' middles, m
palm_motion                    10 R          quaternion (w, x, y, z), velocity, angular velocity, world frame
object_motion                  10            the same of the object; its position follows from the keypoints
tips_from_palm                 12 R          fingertips relative to their own palm, m
keypoints_from_palm            3 P R         the object's keypoints relative to each palm, m
keypoints_from_goal            3 P           the same relative to the goal's keypoints, m
scale                          3             the object's edges in units of 5 cm
closest_keypoint               1             smallest distance of the furthest keypoint since the goal was set, m
closest_tips                   4 (one arm)   smallest distance of each fingertip since the object was placed, m
lifted                         1             whether the object has been lifted, 0 or 1
clock                          1             log(1 + steps since the last success / 10)
successes                      1             log(1 + successes in this episode)
reward                         1             of the last step, divided by 100
=============================  ============  =======================================================================

Everything is clipped to +- 10. With R = 1: 99 numbers of 1 keypoint, 117 of 4; with R = 2 and 4 keypoints: 196. The
public code's quaternions are (x, y, z, w), and its palm's velocity is that of the arm's last link.
"""

import torch

from envs.arm_hand.reading import Reading
from envs.batched import State

LIMIT = 10.0
_REWARD_SCALE = 0.01


def layout(num_arms: int, num_keypoints: int) -> list[tuple[str, int]]:
    """Names and sizes of the observation's parts, in order."""
    sizes = {
        "joints": 23 * num_arms,
        "joint_speeds": 23 * num_arms,
        "palms": 3 * num_arms,
        "palm_motion": 10 * num_arms,
        "object_motion": 10,
        "tips_from_palm": 12 * num_arms,
        "keypoints_from_palm": 3 * num_keypoints * num_arms,
        "keypoints_from_goal": 3 * num_keypoints,
        "scale": 3,
        "closest_keypoint": 1,
        "closest_tips": 4 if num_arms == 1 else 0,
        "lifted": 1,
        "clock": 1,
        "successes": 1,
        "reward": 1,
    }
    return list(sizes.items())


def observe(
    reading: Reading, state: State, keypoints: torch.Tensor, goal_keypoints: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """The observation of a state.

    Args:
        reading: Of the scene.
        state: With the sensed fields.
        keypoints: The object's, ``[K, N, P, 3]``.
        goal_keypoints: Where they should be.
        scale: The object's edges in units of 5 cm, ``[K, N, 3]``.

    Returns:
        ``[K, N, D]``.
    """
    palms = reading.palms(state)
    num_arms = palms.shape[-2]
    tips = reading.tips(state)
    tips = tips.view(*palms.shape[:-1], -1, 3) - palms.unsqueeze(-2)
    parts = [
        reading.angles(state),
        reading.speeds(state),
        palms.flatten(-2),
        reading.palm_motion(state),
        reading.object_motion(state),
        tips.flatten(-3),
        (keypoints.unsqueeze(-3) - palms.unsqueeze(-2)).flatten(-3),
        (keypoints - goal_keypoints).flatten(-2),
        scale,
        state["closest_keypoint"].unsqueeze(-1),
        *((state["closest_tips"],) if num_arms == 1 else ()),
        state["lifted"].float().unsqueeze(-1),
        (state["clock"] / 10).log1p().unsqueeze(-1),
        state["successes"].log1p().unsqueeze(-1),
        (state["last_reward"] * _REWARD_SCALE).unsqueeze(-1),
    ]
    return torch.cat(parts, -1).clamp(-LIMIT, LIMIT)
