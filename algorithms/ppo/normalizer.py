"""Running mean and variance, one per seed."""

import torch
from torch import Tensor


class RunningNormalizer:
    """Standardises with the statistics of everything ``update`` has seen (parallel-variance merge, Chan et al. 1983).

    Starts at mean 0, variance 1, count 1, as rl_games does.
    """

    def __init__(self, seeds: int, size: int, clip: float, *, enabled: bool, device: torch.device) -> None:
        """Start.

        Args:
            seeds: K.
            size: Features F.
            clip: Normalised values are clamped to +-clip.
            enabled: Off means ``normalize`` and ``denormalize`` are the identity.
            device: Where the statistics live.
        """
        self.mean = torch.zeros(seeds, 1, size, dtype=torch.float64, device=device)
        self.var = torch.ones(seeds, 1, size, dtype=torch.float64, device=device)
        self.count = torch.ones((), dtype=torch.float64, device=device)
        self._clip = clip
        self._enabled = enabled
        self._cache()

    def _cache(self) -> None:
        self._mean32 = self.mean.float()
        self._std32 = (self.var + 1e-5).sqrt().float()
        self._inv_std32 = 1 / self._std32

    def update(self, x: Tensor, counted: Tensor | None = None) -> None:
        """Take ``[K, B, F]`` into the statistics; only the rows of ``counted [K, B]`` bool where it is given."""
        if counted is not None:
            self._update_counted(x, counted.unsqueeze(-1))
            return
        batch = x.shape[1]
        mean = x.mean(1, keepdim=True, dtype=torch.float64)
        var = (x - mean.float()).square().mean(1, keepdim=True, dtype=torch.float64)
        total = self.count + batch
        delta = mean - self.mean
        self.mean = self.mean + delta * (batch / total)
        self.var = (self.var * self.count + var * batch + delta.square() * (self.count * batch / total)) / total
        self.count = total
        self._cache()

    def _update_counted(self, x: Tensor, counted: Tensor) -> None:
        """The same with as many rows as ``counted [K, B, 1]`` has, another number for every seed (and maybe none)."""
        batch = counted.sum(1, keepdim=True).double()
        share = 1 / batch.clamp(min=1)
        mean = torch.where(counted, x, 0).sum(1, keepdim=True, dtype=torch.float64) * share
        squares = torch.where(counted, x - mean.float(), 0).square()
        var = squares.sum(1, keepdim=True, dtype=torch.float64) * share
        total = self.count + batch
        delta = mean - self.mean
        self.mean = self.mean + delta * (batch / total)
        self.var = (self.var * self.count + var * batch + delta.square() * (self.count * batch / total)) / total
        self.count = total
        self._cache()

    def normalize(self, x: Tensor) -> Tensor:
        """``[K, B, F]`` in units of the running standard deviation, clamped."""
        if not self._enabled:
            return x
        return ((x - self._mean32) * self._inv_std32).clamp(-self._clip, self._clip)

    def denormalize(self, x: Tensor) -> Tensor:
        """Undo ``normalize``; inputs are clamped first."""
        if not self._enabled:
            return x
        return x.clamp(-self._clip, self._clip) * self._std32 + self._mean32

    def state_dict(self) -> dict[str, Tensor]:
        """The statistics."""
        return {"mean": self.mean, "var": self.var, "count": self.count}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from ``state_dict``."""
        self.mean, self.var, self.count = (state[key].to(self.mean.device).clone() for key in ("mean", "var", "count"))
        self._cache()
