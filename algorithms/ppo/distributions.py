"""Action distributions as functions of one packed parameter row, so that old and new policies are plain tensors.

A  action dimension or number of actions        P  length of the packed parameters
"""

import math
from typing import Protocol

import gymnasium
import torch
from torch import Tensor

from envs.streams import Streams

_LOG_2PI = math.log(2 * math.pi)


class ActionDistribution(Protocol):
    """What a policy head parameterises."""

    head_size: int
    """Outputs of the network per row."""
    num_params: int
    """P: length of a packed parameter row."""
    action_size: int
    """Columns an action takes in a rollout row."""
    state_independent_std: bool
    """Whether a learned log standard deviation joins the head's output."""

    def pack(self, head: Tensor, log_std: Tensor | None) -> Tensor:
        """Head output ``[..., head_size]`` and log std ``[..., A]`` to parameters ``[..., P]``."""
        ...

    def sample(self, params: Tensor, streams: Streams) -> Tensor:
        """One action per row, ``[K, B, action_size]`` float32."""
        ...

    def mode(self, params: Tensor) -> Tensor:
        """The most likely action per row, ``[..., action_size]``."""
        ...

    def log_prob(self, params: Tensor, actions: Tensor) -> Tensor:
        """Log density or mass, ``[...]``."""
        ...

    def entropy(self, params: Tensor) -> Tensor:
        """Analytic entropy in nats, ``[...]``."""
        ...

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """KL(old || new) in nats, ``[...]``."""
        ...

    def bounds_penalty(self, params: Tensor) -> Tensor:
        """sum_a max(|mean_a| - 1.1, 0)^2, ``[...]``; 0 where actions have no bounds to leave."""
        ...

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Max over outputs of |a - b|, ``[...]``, of what the network computes (not of the free log std)."""
        ...

    def to_env(self, actions: Tensor) -> Tensor:
        """Rollout columns to what ``VectorEnv.step`` takes."""
        ...


class DiagonalGaussian:
    """Normal(mean, exp(log_std)) per dimension; params = [mean, log_std].

    The log-density is that of the unclamped action; only the environment sees it clamped to [-1, 1] and mapped to the
    space's bounds (rl_games' convention, which both SAPG and its baselines use).
    """

    state_independent_std = True

    def __init__(self, space: gymnasium.spaces.Box, device: torch.device) -> None:
        (size,) = space.shape
        self.head_size = self.action_size = size
        self.num_params = 2 * size
        low, high = torch.as_tensor(space.low), torch.as_tensor(space.high)
        self._bounded = bool(torch.isfinite(low).all() and torch.isfinite(high).all())
        self._center = ((high + low) / 2).to(device)
        self._half_range = ((high - low) / 2).to(device)

    def pack(self, head: Tensor, log_std: Tensor | None) -> Tensor:
        """Mean from the head, log std as given."""
        assert log_std is not None
        return torch.cat([head, log_std.expand_as(head)], dim=-1)

    def sample(self, params: Tensor, streams: Streams) -> Tensor:
        """Mean + std * noise."""
        mean, log_std = params.chunk(2, dim=-1)
        return mean + log_std.exp() * streams.normal(*mean.shape[1:])

    def mode(self, params: Tensor) -> Tensor:
        """The mean."""
        return params.chunk(2, dim=-1)[0]

    def log_prob(self, params: Tensor, actions: Tensor) -> Tensor:
        """Sum over dimensions."""
        mean, log_std = params.chunk(2, dim=-1)
        z = (actions - mean) * (-log_std).exp()
        return -0.5 * (z * z + 2 * log_std + _LOG_2PI).sum(-1)

    def entropy(self, params: Tensor) -> Tensor:
        """Sum over dimensions of log_std + log(2 pi e) / 2."""
        return (params.chunk(2, dim=-1)[1] + 0.5 * (_LOG_2PI + 1)).sum(-1)

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Closed form between diagonal Gaussians."""
        mean_old, log_std_old = old.chunk(2, dim=-1)
        mean_new, log_std_new = new.chunk(2, dim=-1)
        spread = (2 * log_std_old).exp() + (mean_old - mean_new).square()
        return (log_std_new - log_std_old + 0.5 * spread * (-2 * log_std_new).exp() - 0.5).sum(-1)

    def bounds_penalty(self, params: Tensor) -> Tensor:
        """Penalise means the environment cannot tell from +-1."""
        return (self.mode(params).abs() - 1.1).clamp(min=0).square().sum(-1)

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Between the means."""
        return (self.mode(a) - self.mode(b)).abs().amax(-1)

    def to_env(self, actions: Tensor) -> Tensor:
        """Clamp to [-1, 1], then map to the space's bounds; an unbounded space gets the action as it is."""
        return actions.clamp(-1, 1) * self._half_range + self._center if self._bounded else actions


class Categorical:
    """One of A actions; params = log-probabilities."""

    state_independent_std = False

    def __init__(self, space: gymnasium.spaces.Discrete) -> None:
        self.head_size = self.num_params = int(space.n)
        self.action_size = 1
        self._start = int(space.start)

    def pack(self, head: Tensor, log_std: Tensor | None) -> Tensor:
        """Normalise the logits."""
        return head.log_softmax(-1)

    def sample(self, params: Tensor, streams: Streams) -> Tensor:
        """Invert the cumulative distribution at one uniform number per row."""
        cumulative = params.exp().cumsum(-1)
        threshold = streams.uniform(*params.shape[1:-1]).unsqueeze(-1) * cumulative[..., -1:]
        return (cumulative <= threshold).sum(-1, keepdim=True).clamp(max=self.head_size - 1).to(params.dtype)

    def mode(self, params: Tensor) -> Tensor:
        """The first of the most likely actions."""
        return params.argmax(-1, keepdim=True).to(params.dtype)

    def log_prob(self, params: Tensor, actions: Tensor) -> Tensor:
        """Look the action's log-probability up."""
        return params.gather(-1, actions.long()).squeeze(-1)

    def entropy(self, params: Tensor) -> Tensor:
        """-sum p log p."""
        return -(params.exp() * params).sum(-1)

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Sum p_old (log p_old - log p_new)."""
        return (old.exp() * (old - new)).sum(-1)

    def bounds_penalty(self, params: Tensor) -> Tensor:
        """There are no bounds."""
        return params.new_zeros(params.shape[:-1])

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """Between the log-probabilities."""
        return (a - b).abs().amax(-1)

    def to_env(self, actions: Tensor) -> Tensor:
        """Integers from the space's first action on."""
        return actions.squeeze(-1).long() + self._start


def distribution_for(space: gymnasium.Space, device: torch.device) -> ActionDistribution:
    """The distribution a policy needs for an action space.

    Raises:
        ValueError: Neither a one-dimensional Box nor a Discrete space.
    """
    if isinstance(space, gymnasium.spaces.Discrete):
        return Categorical(space)
    if isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1:
        return DiagonalGaussian(space, device)
    raise ValueError(f"action space {space} is neither Discrete nor a one-dimensional Box")
