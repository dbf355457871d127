"""Send each row to its own policy's network and bring the answers back in the old order."""

import torch
from torch import Tensor


class Dispatch:
    """Row routing for M separate networks per seed.

    Sequences are grouped by policy and padded to the largest group; padding repeats an existing sequence and its
    outputs are never read, so it costs time but moves no number.

        K seeds    M networks    C sequences of S steps    G sequences in the largest group
    """

    def __init__(self, policy_of_sequence: Tensor, num_networks: int, steps: int, group: int | None = None) -> None:
        """Plan the routing.

        Args:
            policy_of_sequence: ``[K, C]`` int64.
            num_networks: M.
            steps: S.
            group: G; needed where group sizes are random, because sums over a padded group are rounded as its length
                has it, and the longest group of one seed would then show in the last bits of another. None: the
                largest group there is.
        """
        seeds, sequences = policy_of_sequence.shape
        self._seeds, self._networks, self._steps = seeds, num_networks, steps
        order = policy_of_sequence.argsort(dim=1, stable=True)
        counts = torch.nn.functional.one_hot(policy_of_sequence, num_networks).sum(1)
        starts = counts.cumsum(1) - counts
        self._group = int(counts.max()) if group is None else group
        slots = starts.unsqueeze(-1) + torch.arange(self._group, device=order.device)
        # [K, M * G]: which sequence stands in which slot.
        self._source = order.gather(1, slots.clamp(max=sequences - 1).view(seeds, -1))
        rank = torch.empty_like(order).scatter_(
            1, order, torch.arange(sequences, device=order.device).expand(seeds, -1)
        ) - starts.gather(1, policy_of_sequence)
        # [K, C]: in which slot each sequence stands.
        self._slot = policy_of_sequence * self._group + rank

    def scatter_sequences(self, x: Tensor) -> Tensor:
        """``[K, C, ...] -> [K * M, G, ...]``."""
        index = self._source.view(*self._source.shape, *(1,) * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        return x.gather(1, index).view(self._seeds * self._networks, self._group, *x.shape[2:])

    def scatter(self, x: Tensor) -> Tensor:
        """``[K, C * S, F] -> [K * M, G * S, F]``."""
        sequences = x.reshape(self._seeds, -1, self._steps, x.shape[-1])
        return self.scatter_sequences(sequences).flatten(1, 2)

    def gather(self, x: Tensor) -> Tensor:
        """``[K * M, G * S, F] -> [K, C * S, F]``: undo ``scatter``."""
        sequences = x.reshape(self._seeds, self._networks * self._group, self._steps, x.shape[-1])
        index = self._slot.view(*self._slot.shape, 1, 1).expand(-1, -1, *sequences.shape[2:])
        return sequences.gather(1, index).flatten(1, 2)
