"""What one pass through the environments leaves behind, time-major within a seed.

K  seeds    T  steps    N  environments    S  observation    A  action row    D  latent_dim    Z  memory state
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True)
class Rollout:
    """Transitions of all environments.

    Attributes:
        obs: s_t as observed, ``[K, T, N, S]``.
        next_obs: s_{t+1} before any reset, ``[K, T, N, S]``.
        actions: As the distribution keeps them, ``[K, T, N, A]``.
        rewards: Raw, ``[K, T, N]``.
        terminated: The trial ended, ``[K, T, N]`` bool.
        truncated: The trial's time ran out, ``[K, T, N]`` bool.
        logp: log pi(a_t | s_t, f_t) of who acted, ``[K, T, N]``.
        outputs: What the memory's head said before each step and after the last, ``[K, T + 1, N, 2 D]``.
        noise: What the latents were sampled with, ``[K, T, N, D]``; None where they are not.
        timeout_values: V(final observation) where truncated, else 0, ``[K, T, N]``.
        state: Memory before the first step, ``[K, N, Z]``.
        fresh: Whether that memory is empty, ``[K, N]`` bool.
    """

    obs: Tensor
    next_obs: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    logp: Tensor
    outputs: Tensor
    noise: Tensor | None
    timeout_values: Tensor
    state: Tensor
    fresh: Tensor

    @property
    def dones(self) -> Tensor:
        """A trial ended with this step, ``[K, T, N]`` bool."""
        return self.terminated | self.truncated


def allocate(
    *,
    seeds: int,
    steps: int,
    rows: int,
    obs: int,
    action: int,
    latent: int,
    noise: int,
    state: int,
    device: torch.device,
) -> Rollout:
    """An empty rollout; ``latent`` is 2 D, ``noise`` D or 0."""
    lead = (seeds, steps, rows)

    def floats(*shape: int) -> Tensor:
        return torch.zeros(*shape, device=device)

    def flags() -> Tensor:
        return torch.zeros(lead, dtype=torch.bool, device=device)

    return Rollout(
        obs=floats(*lead, obs),
        next_obs=floats(*lead, obs),
        actions=floats(*lead, action),
        rewards=floats(*lead),
        terminated=flags(),
        truncated=flags(),
        logp=floats(*lead),
        outputs=floats(seeds, steps + 1, rows, latent),
        noise=floats(*lead, noise) if noise else None,
        timeout_values=floats(*lead),
        state=floats(seeds, rows, state),
        fresh=torch.zeros(seeds, rows, dtype=torch.bool, device=device),
    )
