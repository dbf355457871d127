"""What the tests of both hands share."""

import torch

PUBLISHED = {
    "time_limit": 600,
    "distance_weight": 10.0,
    "rotation_weight": 1.0,
    "rotation_eps": 0.1,
    "action_weight": 0.0002,
    "success_bonus": 250.0,
    "success_tolerance": 0.1,
    "fall_distance": 0.24,
    "fall_penalty": 0.0,
    "max_consecutive_successes": 0,
    "relative_control": False,
    "speed_scale": 20.0,
    "moving_average": 1.0,
    "position_noise": 0.01,
    "joint_noise": 0.2,
}
"""Options of IsaacGymEnvs' AllegroHand and ShadowHand, the same for both."""


def actions_for(env, seed=0):
    shape = (env.num_seeds, env.num_envs, *env.action_space.shape)
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
