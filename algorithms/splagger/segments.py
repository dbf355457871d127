"""Rollouts cut at trial ends, so that a running aggregate is one cumulative operation per piece.

A piece is what one environment plays of one trial within the rollout. Pieces are laid side by side and padded at
their end, where padding cannot reach back in time.

    K  seeds    T  steps    N  environments    R  pieces of a seed (padded)    L  longest piece    W  channels
"""

import torch
from torch import Tensor


class Segments:
    """Where each step of a rollout stands in its piece."""

    def __init__(self, resets: Tensor) -> None:
        """Cut.

        Args:
            resets: ``[K, T, N]`` bool: the memory is empty before this step.
        """
        self._shape = seeds, steps, rows = resets.shape
        self._whole = not bool(resets[:, 1:].any())
        if self._whole:
            self.first = torch.ones(seeds, rows, dtype=torch.bool, device=resets.device)
            self.empty = resets[:, 0]
            return
        time = torch.arange(steps, device=resets.device).view(1, -1, 1)
        cut = resets.clone()
        cut[:, 0] = True  # the rollout's start begins a piece too, though not an empty memory
        start = torch.where(cut, time, 0).cummax(1).values
        place, piece = time - start, cut.cumsum(1) - 1
        pieces, length = int(piece.max()) + 1, int(place.max()) + 1
        # A seed's pieces are numbered environment by environment, as many for each as the busiest one has.
        lane = torch.arange(rows, device=resets.device) * pieces + piece
        target = place * (rows * pieces) + lane
        self._target = target.flatten(1)
        source = torch.zeros(seeds, length * rows * pieces, dtype=torch.int64, device=resets.device)
        flat = torch.arange(steps * rows, device=resets.device).expand(seeds, -1)
        self._source = source.scatter_(1, self._target, flat)
        self._packed = (length, rows * pieces)
        self.first = (torch.arange(rows * pieces, device=resets.device) % pieces == 0).expand(seeds, -1)
        self.empty = torch.ones(seeds, rows, pieces, dtype=torch.bool, device=resets.device)
        self.empty[:, :, 0] = resets[:, 0]
        self.empty = self.empty.flatten(1)

    def pack(self, x: Tensor) -> Tensor:
        """``[K, T, N, W] -> [K, L, R, W]``."""
        return x if self._whole else _take(x.flatten(1, 2), self._source).unflatten(1, self._packed)

    def unpack(self, x: Tensor) -> Tensor:
        """``[K, L, R, W] -> [K, T, N, W]``: undo ``pack``."""
        return x if self._whole else _take(x.flatten(1, 2), self._target).unflatten(1, self._shape[1:])

    def begin(self, state: Tensor, initial: Tensor) -> Tensor:
        """The state every piece starts from, ``[K, R, Z]``.

        Args:
            state: Carried into the rollout, ``[K, N, Z]``.
            initial: Of an empty memory, broadcastable to it.
        """
        if not self._whole:
            state = state.repeat_interleave(self.first.shape[1] // state.shape[1], dim=1)
        return torch.where(self.empty.unsqueeze(-1), initial, state)


def _take(x: Tensor, index: Tensor) -> Tensor:
    """``x[k, index[k]]``: ``[K, B, W]`` and ``[K, C]`` to ``[K, C, W]``."""
    offsets = torch.arange(x.shape[0], device=x.device).unsqueeze(1) * x.shape[1]
    return x.flatten(0, 1).index_select(0, (index + offsets).flatten()).unflatten(0, index.shape)
