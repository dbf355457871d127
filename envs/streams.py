"""Named random streams: one independent stream per (seed, purpose).

A variant that draws more numbers for one purpose cannot shift the numbers any other purpose sees ("common random
numbers"), and the seeds of one fused program never share a generator. This module stands at the bottom of the import
order because environments, trainers and the platform all draw from it.
"""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def stream_seed(seed: int, *purpose: str) -> int:
    """Derive a 63-bit seed for one purpose of one run.

    Args:
        seed: The run's seed, as the study file lists it.
        purpose: Path of names, e.g. ``("init", "actor.0.weight")``.

    Returns:
        An integer in ``[0, 2**63)``, the same on every machine and Python version.
    """
    text = "/".join((str(seed), *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Streams:
    """One generator per seed for one purpose; draws have a leading axis of seeds.

    Seed k's numbers depend on ``seeds[k]`` and on the shapes asked for, never on the other seeds.
    """

    def __init__(self, seeds: Sequence[int], purpose: str, device: "torch.device | str" = "cpu") -> None:
        import torch

        self._device = torch.device(device)
        self._generators = [
            torch.Generator(device=self._device).manual_seed(stream_seed(seed, purpose)) for seed in seeds
        ]

    def __len__(self) -> int:
        return len(self._generators)

    def normal(self, *shape: int) -> "torch.Tensor":
        """Standard normal numbers ``[K, *shape]``, float32."""
        import torch

        out = torch.empty(len(self), *shape, device=self._device)
        for row, generator in zip(out, self._generators, strict=True):
            row.normal_(generator=generator)
        return out

    def uniform(self, *shape: int) -> "torch.Tensor":
        """Uniform numbers on [0, 1), ``[K, *shape]``, float32."""
        import torch

        out = torch.empty(len(self), *shape, device=self._device)
        for row, generator in zip(out, self._generators, strict=True):
            row.uniform_(generator=generator)
        return out

    def integers(self, high: int, *shape: int) -> "torch.Tensor":
        """Uniform integers in ``[0, high)``, ``[K, *shape]``, int64."""
        import torch

        out = torch.empty(len(self), *shape, dtype=torch.int64, device=self._device)
        for row, generator in zip(out, self._generators, strict=True):
            row.random_(0, high, generator=generator)
        return out

    def permutation(self, size: int) -> "torch.Tensor":
        """One random permutation of ``range(size)`` per seed, ``[K, size]``, int64."""
        import torch

        return torch.stack(
            [torch.randperm(size, generator=generator, device=self._device) for generator in self._generators]
        )

    def state_dict(self) -> "list[torch.Tensor]":
        """The generators' states, in the order of the seeds."""
        return [generator.get_state() for generator in self._generators]

    def load_state_dict(self, state: "Sequence[torch.Tensor]") -> None:
        """Continue exactly where ``state_dict`` was taken."""
        for generator, one in zip(self._generators, state, strict=True):
            generator.set_state(one.cpu())
