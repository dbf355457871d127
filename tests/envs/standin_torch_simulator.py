"""A simulator of torch alone, for a worker without numpy: counters, each to its own end."""

import sys

import torch


class Counters:
    device = "cpu"
    arrays = "torch"
    observation_size = 2
    num_actions = 2
    max_episode_steps = 6

    def __init__(self, num_envs, seed, device):
        assert "numpy" not in sys.modules
        self.num_envs = num_envs
        self.count = torch.zeros(num_envs, dtype=torch.int64)
        self.limit = 3 + torch.arange(num_envs) % 4

    def reset(self):
        self.count.zero_()
        return {"obs": self.observe()}

    def step(self, actions):
        assert actions.dtype == torch.int64
        self.count += 1
        ended = self.count >= self.limit
        final = self.observe()
        self.count[ended] = 0
        return {
            "obs": self.observe(),
            "final_obs": final,
            "reward": actions.double(),
            "terminated": ended & (self.limit < self.max_episode_steps),
            "truncated": ended.long(),
        }

    def observe(self):
        return torch.stack([self.count, self.limit], 1).float()


make = Counters
