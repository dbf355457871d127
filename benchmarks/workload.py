"""The work every contender does: one cheap batched task, two small networks, one PPO schedule.

    N copies    24 observations    8 actions    actor and critic 256-128-64 ELU each, nothing shared
    horizon 16, 5 epochs, 4 minibatches per epoch: 20 gradient steps per iteration

The task costs under 2 % of an iteration, so what is compared is the trainer. This file needs torch only, because it
is imported by two virtual environments: ours and the one that holds the peers.
"""

import torch
from torch import Tensor

OBS_SIZE = 24
ACTION_SIZE = 8
HIDDEN = (256, 128, 64)
HORIZON = 16
EPOCHS = 5
MINIBATCHES = 4
EPISODE_STEPS = 200


class CheapTask:
    """A leaky point in 24 dimensions, pushed by 8 actions; episodes end by time, out of step with one another."""

    def __init__(self, num_envs: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.num_envs = num_envs
        self._start = torch.randn(num_envs, OBS_SIZE, generator=generator)
        self._clock = torch.randint(EPISODE_STEPS, (num_envs,), generator=generator)
        self.obs = self._start.clone()

    def reset(self) -> Tensor:
        """Observations ``[N, 24]``."""
        return self.obs

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Advance by actions ``[N, 8]``.

        Returns:
            Observations after automatic reset ``[N, 24]``, rewards ``[N]``, truncated ``[N]`` bool, and the
            observations before the reset ``[N, 24]``.
        """
        final = self.obs * 0.95
        final[:, :ACTION_SIZE] += 0.1 * actions.clamp(-1, 1)
        rewards = -final[:, :ACTION_SIZE].square().sum(-1)
        self._clock += 1
        truncated = self._clock >= EPISODE_STEPS
        self._clock.masked_fill_(truncated, 0)
        self.obs = torch.where(truncated.unsqueeze(1), self._start, final)
        return self.obs, rewards, truncated, final
