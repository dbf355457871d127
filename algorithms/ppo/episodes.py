"""Returns and lengths of training episodes, per policy."""

import torch
from torch import Tensor


class EpisodeStatistics:
    """Sums over the episodes that ended since the last ``flush``.

    K  seeds    N  environments of a seed, those of a policy side by side    M  policies
    """

    def __init__(self, seeds: int, num_envs: int, num_policies: int, device: torch.device) -> None:
        self._num_policies = num_policies
        self._returns = torch.zeros(seeds, num_envs, device=device)
        self._lengths = torch.zeros(seeds, num_envs, device=device)
        self._zeros = torch.zeros(seeds, num_policies, device=device)
        self._sums: dict[str, Tensor] = {}
        self._count = self._zeros

    def step(self, rewards: Tensor, dones: Tensor, final_info: dict[str, Tensor]) -> None:
        """Take one step of unscaled rewards ``[K, N]``; where an episode ended, its figures are counted."""
        self._returns += rewards
        self._lengths += 1
        ended = dones.float()
        self._count = self._count + self._per_policy(ended)
        finished = {"return": self._returns, "length": self._lengths, **final_info}
        for name, value in finished.items():
            counted = self._per_policy(torch.where(dones, value.float(), 0.0))
            self._sums[name] = self._sums.get(name, self._zeros) + counted
        self._returns *= 1 - ended
        self._lengths *= 1 - ended

    def flush(self) -> dict[str, Tensor]:
        """Means per policy ``[K, M]`` (block order, NaN where no episode ended), then start over."""
        means = {name: total / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, self._zeros
        return means

    def _per_policy(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], self._num_policies, -1).sum(-1)

    def state_dict(self) -> dict[str, Tensor | dict[str, Tensor]]:
        """Running episodes and what has not been flushed."""
        return {"returns": self._returns, "lengths": self._lengths, "sums": self._sums, "count": self._count}

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state_dict``."""
        device = self._returns.device
        self._returns = state["returns"].to(device).clone()
        self._lengths = state["lengths"].to(device).clone()
        self._sums = {name: value.to(device).clone() for name, value in state["sums"].items()}
        self._count = state["count"].to(device).clone()
