"""Rewards in units of the discounted return's standard deviation."""

import torch
from torch import Tensor

from algorithms.ppo.normalizer import RunningNormalizer

CLIP = 10.0


class RewardScale:
    """Divides rewards by the running deviation of the discounted return (VariBAD's, after OpenAI baselines).

    The statistics take in a whole rollout before its rewards are scaled; the public code does so step by step.
    """

    def __init__(self, seeds: int, rows: int, gamma: float, *, own_trial: bool, device: torch.device) -> None:
        """Start.

        Args:
            seeds: K.
            rows: N, environments per seed.
            gamma: Discount of the running return.
            own_trial: The return restarts where a trial ends; else everywhere as soon as one ends anywhere.
            device: Where the statistics live.
        """
        self._returns = torch.zeros(seeds, rows, device=device)
        self._statistics = RunningNormalizer(seeds, 1, CLIP, enabled=True, device=device)
        self._gamma, self._own_trial = gamma, own_trial

    def scale(self, rewards: Tensor, dones: Tensor) -> Tensor:
        """Raw rewards and trial ends of a rollout, ``[K, T, N]``, to scaled rewards."""
        ended = dones if self._own_trial else dones.any(2, keepdim=True)
        keep = (~ended).to(rewards.dtype)
        returns = torch.empty_like(rewards)
        for step in range(rewards.shape[1]):
            returns[:, step] = self._returns = self._returns * self._gamma + rewards[:, step]
            self._returns = self._returns * keep[:, step]
        self._statistics.update(returns.flatten(1).unsqueeze(-1))
        deviation = (self._statistics.var + 1e-8).sqrt().float()
        return (rewards / deviation).clamp(-CLIP, CLIP)

    def state_dict(self) -> dict:
        """Running returns and statistics."""
        return {"returns": self._returns, "statistics": self._statistics.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state_dict``."""
        self._returns = state["returns"].to(self._returns.device).clone()
        self._statistics.load_state_dict(state["statistics"])
