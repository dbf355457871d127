"""The aggregation operators, as a step and as a parallel scan that equals it.

    K  seeds    L  steps of a piece    R  pieces    V  channels in    W  channels out    Z  state

``scan`` returns the aggregate and the summands ``[K, L, R, W]`` whose plain running sum would have identity Jacobians:
what the straight-through gradient passes to. Encoder outputs lie in (-1, 1).
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

_SHIFT = 2.0
"""Added to values in (-1, 1) so that their logarithm exists and stays small."""
MIN_PRECISION = 0.1


class Operator(nn.Module, ABC):
    """A running, order-free summary of every channel."""

    @abstractmethod
    def initial(self, width: int, like: Tensor) -> Tensor:
        """State ``[Z]`` of an empty memory for ``width`` = V channels, on the device of ``like``."""

    @abstractmethod
    def step(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``z [K, R, V]``, ``state [K, R, Z]`` -> aggregate ``[K, R, W]``, next state."""

    @abstractmethod
    def scan(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``z [K, L, R, V]``, state before it ``[K, R, Z]`` -> aggregates and summands, each ``[K, L, R, W]``."""


class IdentityOperator(Operator):
    """m_t = z_t."""

    def initial(self, width: int, like: Tensor) -> Tensor:
        """Nothing is kept."""
        return like.new_zeros(0)

    def step(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Pass on."""
        return z, state

    def scan(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Pass on."""
        return z, z


class MaxOperator(Operator):
    """m_t = max(m_{t-1}, z_t)."""

    def __init__(self, *, floor: bool) -> None:
        """Start from 0 where ``floor``, else from nothing."""
        super().__init__()
        self._start = 0.0 if floor else -torch.inf

    def initial(self, width: int, like: Tensor) -> Tensor:
        """The maximum of no items."""
        return like.new_full((width,), self._start)

    def step(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The larger of both."""
        state = torch.maximum(state, z)
        return state, state

    def scan(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Running maximum. Where a carried maximum stands, no gradient flows."""
        return torch.maximum(z.cummax(1).values, state.unsqueeze(1)), z


class MeanOperator(Operator):
    """m_t = S_t / t."""

    def initial(self, width: int, like: Tensor) -> Tensor:
        """Sums and a count of 0."""
        return like.new_zeros(width + 1)

    def step(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Add, then divide."""
        state = torch.cat([state[..., :-1] + z, state[..., -1:] + 1], dim=-1)
        return state[..., :-1] / state[..., -1:], state

    def scan(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Running sums over running counts."""
        sums, count = state.unsqueeze(1).split([z.shape[-1], 1], dim=-1)
        steps = torch.arange(1, z.shape[1] + 1, dtype=z.dtype, device=z.device).view(1, -1, 1, 1)
        return (sums + z.cumsum(1)) / (count + steps), z


class AvgMaxOperator(Operator):
    """Mean of the first half of the channels, maximum of the second."""

    def __init__(self, *, floor: bool) -> None:
        super().__init__()
        self._mean, self._max = MeanOperator(), MaxOperator(floor=floor)

    def initial(self, width: int, like: Tensor) -> Tensor:
        """Of both."""
        return torch.cat([self._mean.initial(width // 2, like), self._max.initial(width // 2, like)])

    def _halves(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        half = z.shape[-1] // 2
        return z[..., :half], state[..., : half + 1], z[..., half:], state[..., half + 1 :]

    def step(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Side by side."""
        first, first_state, second, second_state = self._halves(z, state)
        mean, first_state = self._mean.step(first, first_state)
        high, second_state = self._max.step(second, second_state)
        return torch.cat([mean, high], dim=-1), torch.cat([first_state, second_state], dim=-1)

    def scan(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Side by side."""
        first, first_state, second, second_state = self._halves(z, state)
        return torch.cat([self._mean.scan(first, first_state)[0], self._max.scan(second, second_state)[0]], dim=-1), z


class WeightedSoftmaxOperator(Operator):
    """m_t = sum_i softmax_i(l_i / T) x_i over i <= t; channels in: [x, l].

    Both sums are kept as logarithms, of ``sum exp(l / T)`` and of ``sum exp(l / T) (x + 2)``: no shift has to be
    guessed, however small T becomes.
    """

    def __init__(self, seeds: int, temperature: float) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.full((seeds, 1, 1), temperature).log())

    def initial(self, width: int, like: Tensor) -> Tensor:
        """Logarithms of empty sums."""
        return like.new_full((2 * (width // self._inputs),), -torch.inf)

    _inputs = 2

    def _values_and_logits(self, z: Tensor) -> tuple[Tensor, Tensor]:
        values, logits = z.chunk(2, dim=-1)
        return values, logits

    def _terms(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithms of ``exp(l / T)`` and ``exp(l / T) (x + 2)``, side by side; and x."""
        values, logits = self._values_and_logits(z)
        temperature = self.log_temperature.exp()
        logits = logits / (temperature if z.dim() == 3 else temperature.unsqueeze(1))
        return torch.cat([logits, logits + (values + _SHIFT).log()], dim=-1), values

    def step(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Add in log space."""
        state = torch.logaddexp(state, self._terms(z)[0])
        weights, sums = state.chunk(2, dim=-1)
        return (sums - weights).exp() - _SHIFT, state

    def scan(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Cumulate in log space."""
        terms, values = self._terms(z)
        # The carried state joins as an item before the first: logaddexp of two -inf has no gradient.
        terms = torch.cat([state.unsqueeze(1).clamp(min=torch.finfo(z.dtype).min / 4), terms], dim=1)
        weights, sums = terms.logcumsumexp(1)[:, 1:].chunk(2, dim=-1)
        return (sums - weights).exp() - _SHIFT, values


class SoftmaxOperator(WeightedSoftmaxOperator):
    """m_t = sum_i softmax_i(z_i / T) z_i: every channel weighs itself."""

    _inputs = 1

    def _values_and_logits(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z, z


class GaussOperator(Operator):
    """Product of Gaussian factors: channels in [mu, p], precision softplus(p); out [mean, log variance]."""

    def initial(self, width: int, like: Tensor) -> Tensor:
        """Sums of weighted means and of precisions."""
        return like.new_zeros(width)

    def _terms(self, z: Tensor) -> Tensor:
        mu, p = z.chunk(2, dim=-1)
        precision = nn.functional.softplus(p)
        return torch.cat([precision * mu, precision], dim=-1)

    def _posterior(self, sums: Tensor) -> Tensor:
        weighted, precision = sums.chunk(2, dim=-1)
        precision = precision.clamp(min=MIN_PRECISION)
        return torch.cat([weighted / precision, -precision.log()], dim=-1)

    def step(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Precisions add."""
        state = state + self._terms(z)
        return self._posterior(state), state

    def scan(self, z: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Precisions add."""
        terms = self._terms(z)
        mu, _ = z.chunk(2, dim=-1)
        summands = torch.cat([mu, -terms.chunk(2, dim=-1)[1]], dim=-1)
        return self._posterior(state.unsqueeze(1) + terms.cumsum(1)), summands


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, aggregated: Tensor, summands: Tensor) -> Tensor:
        return aggregated.view_as(aggregated)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor]:
        return None, grad.flip(1).cumsum(1).flip(1)


def straight_through(aggregated: Tensor, summands: Tensor) -> Tensor:
    """The aggregate with the gradient of ``cumsum(summands)``; both ``[K, L, R, W]``."""
    found: Tensor = _StraightThrough.apply(aggregated, summands)
    return found
