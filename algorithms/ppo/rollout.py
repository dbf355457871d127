"""What one pass through the environments leaves behind.

K  seeds    N  environments of a seed    T  steps    S  steps of a chunk    D  observation    Z  recurrent state
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.ppo.rows import RowLayout


@dataclass(slots=True)
class Rollout:
    """Transitions of all environments, environment-major, so that a chunk of steps is contiguous.

    Attributes:
        rows: Packed training rows ``[K, N, T, F]``; targets are filled in later.
        rewards: Scaled rewards ``[K, N, T]``.
        terminated: ``[K, N, T]`` bool.
        truncated: ``[K, N, T]`` bool.
        values: V(s_t) in reward units, ``[K, N, T]``.
        timeout_values: V(final observation) where truncated, else 0, ``[K, N, T]``.
        last_value: V(s_T), ``[K, N]``.
        chunk_states: Recurrent state at each chunk's start, ``[K, N, T / S, Z]``.
        next_obs: Observation each step led to, before any reset, ``[K, N, T, D]``; empty unless somebody learns
            off-policy. ``next_critic_obs`` likewise.
    """

    rows: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    values: Tensor
    timeout_values: Tensor
    last_value: Tensor
    chunk_states: Tensor
    next_obs: Tensor
    next_critic_obs: Tensor

    @property
    def dones(self) -> Tensor:
        """Either kind of end, ``[K, N, T]`` bool."""
        return self.terminated | self.truncated


def allocate(
    layout: RowLayout,
    *,
    seeds: int,
    num_envs: int,
    num_steps: int,
    chunk_steps: int,
    state_size: int,
    next_obs_sizes: tuple[int, int],
    device: torch.device,
) -> Rollout:
    """Room for one rollout; reused by every iteration."""
    shape = (seeds, num_envs, num_steps)
    obs_size, critic_size = next_obs_sizes
    return Rollout(
        rows=torch.zeros(*shape, layout.width, device=device),
        rewards=torch.zeros(shape, device=device),
        terminated=torch.zeros(shape, dtype=torch.bool, device=device),
        truncated=torch.zeros(shape, dtype=torch.bool, device=device),
        values=torch.zeros(shape, device=device),
        timeout_values=torch.zeros(shape, device=device),
        last_value=torch.zeros(seeds, num_envs, device=device),
        chunk_states=torch.zeros(seeds, num_envs, num_steps // chunk_steps, state_size, device=device),
        next_obs=torch.zeros(*shape, obs_size, device=device),
        next_critic_obs=torch.zeros(*shape, critic_size, device=device),
    )
