"""Targets of the critic and advantages of the actor.

    K  seeds    N  environments of a seed    T  steps of the rollout

``next_values[k, n, t]`` is the value of what follows step t: V(s_{t+1}) inside an episode, 0 where it terminated, and
V(final observation) where time ran out. ``dones`` marks both kinds of end: nothing is carried across it.
"""

import torch
from torch import Tensor


def bootstrap_values(values: Tensor, last_value: Tensor, dones: Tensor, timeout_values: Tensor) -> Tensor:
    """Assemble ``next_values``.

    Args:
        values: V(s_t), ``[K, N, T]``.
        last_value: V(s_T), ``[K, N]``.
        dones: Episode ended at step t, ``[K, N, T]`` bool.
        timeout_values: V(final observation) where the episode was truncated, 0 elsewhere, ``[K, N, T]``.
    """
    shifted = torch.cat([values[..., 1:], last_value.unsqueeze(-1)], dim=-1)
    return torch.where(dones, timeout_values, shifted)


def gae(rewards: Tensor, values: Tensor, next_values: Tensor, dones: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Generalised advantage estimation (Schulman et al. 2016, eq. 16), ``[K, N, T]``.

    delta_t = r_t + gamma V_{t+1} - V_t;   A_t = delta_t + gamma lambda A_{t+1} inside an episode.
    """
    advantages = rewards + gamma * next_values - values
    decay = gamma * gae_lambda * (~dones).to(rewards.dtype)
    for step in range(rewards.shape[-1] - 2, -1, -1):
        advantages[..., step].addcmul_(decay[..., step], advantages[..., step + 1])
    return advantages


def n_step_returns(rewards: Tensor, values: Tensor, next_values: Tensor, dones: Tensor, gamma: float, n: int) -> Tensor:
    """n-step critic targets (SAPG eq. 5), ``[K, N, T]``.

    G^(1)_t = r_t + gamma V_{t+1};   G^(j)_t = r_t + gamma G^(j-1)_{t+1} inside an episode. At the end of an episode or
    of the rollout fewer than n rewards remain and the bootstrap takes over there.
    """
    returns = rewards + gamma * next_values
    for _ in range(n - 1):
        tail = torch.cat([returns[..., 1:], next_values[..., -1:]], dim=-1)
        returns = rewards + gamma * torch.where(dones, next_values, tail)
    return returns


def one_step_targets(rewards: Tensor, next_values: Tensor, gamma: float) -> Tensor:
    """Off-policy critic targets r_t + gamma V_i(s'_{t+1}) (SAPG eq. 6); any shape."""
    return rewards + gamma * next_values


def mean_and_std(x: Tensor, counted: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each seed's rows that count (all where ``counted`` is None).

    Args:
        x: ``[K, C, S]``.
        counted: ``[K, C, S]`` bool, or None.

    Returns:
        Each ``[K, 1, 1]``; the deviation divides by the number of rows less one.
    """
    if counted is None:
        return x.mean((1, 2), keepdim=True), x.std((1, 2), keepdim=True)
    number = counted.sum((1, 2), keepdim=True)
    mean = torch.where(counted, x, 0.0).sum((1, 2), keepdim=True) / number
    squares = torch.where(counted, x - mean, 0.0).square().sum((1, 2), keepdim=True)
    return mean, (squares / (number - 1)).sqrt()
