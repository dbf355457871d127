"""A simulator that costs next to nothing, so that what is measured is the way to it. Any Python >= 3.7, numpy alone."""

import numpy as np


class Echo:
    """Returns the same arrays at every step, the first action as reward; some copy always ends, as in large batches."""

    device = "cpu"
    action_size = 4
    max_episode_steps = 1000
    metrics = ()

    def __init__(self, num_envs, seed, device, observation_size):
        self.num_envs = num_envs
        self.observation_size = observation_size
        random = np.random.RandomState(seed)
        self.obs = random.uniform(-1, 1, (num_envs, observation_size)).astype(np.float32)
        self.final_obs = self.obs.copy()
        self.flags = np.zeros(num_envs, dtype=bool)
        self.ended = self.flags.copy()
        self.ended[::512] = True

    def reset(self):
        return {"obs": self.obs}

    def step(self, actions):
        return {
            "obs": self.obs,
            "final_obs": self.final_obs,
            "reward": actions[:, 0],
            "terminated": self.flags,
            "truncated": self.ended,
        }


make = Echo
