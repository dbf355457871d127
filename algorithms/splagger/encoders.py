"""The sequence encoders: every output channel lies in (-1, 1).

K  seeds    T  steps    N  sequences    I  inputs    H  outputs    Z  state
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from algorithms.ppo.layers import StackedLinear, StackedLstm
from algorithms.splagger.gru import gru_scan, gru_step
from algorithms.splagger.initialization import draw_linear, draw_orthogonal


class SequenceEncoder(nn.Module, ABC):
    """``scan`` over a rollout equals ``step`` after ``step``."""

    state_size: int
    """Z."""

    @abstractmethod
    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``x [K, N, I]``, ``state [K, N, Z]`` -> outputs ``[K, N, H]``, next state."""

    @abstractmethod
    def scan(self, x: Tensor, state: Tensor, resets: Tensor) -> Tensor:
        """``x [K, T, N, I]``; ``resets [K, T, N]``: the state is 0 before that step -> outputs ``[K, T, N, H]``."""


class GruEncoder(SequenceEncoder):
    """One GRU layer."""

    def __init__(self, seeds: Sequence[int], num_in: int, size: int) -> None:
        super().__init__()
        self.state_size = size
        self.input = StackedLinear(len(seeds), 1, num_in, 3 * size)
        self.recurrent = StackedLinear(len(seeds), 1, size, 3 * size)
        draw_orthogonal(self.input.weight, seeds, "memory.gru.input")
        draw_orthogonal(self.recurrent.weight, seeds, "memory.gru.recurrent")

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The output is the next state."""
        after = gru_step(self._projected(x), state, *self._recurrent())
        return after, after

    def scan(self, x: Tensor, state: Tensor, resets: Tensor) -> Tensor:
        """All inputs are projected at once."""
        projected = self._projected(x.flatten(1, 2)).view(*x.shape[:3], -1)
        return gru_scan(projected, state, (~resets).to(x.dtype).unsqueeze(-1), *self._recurrent())

    def _projected(self, x: Tensor) -> Tensor:
        """Input projections ``[K, B, 3 H]``; r and z add both biases, n keeps its recurrent one inside the reset."""
        gates = 2 * self.state_size
        bias = self.input.bias.squeeze(1)
        recurrent = nn.functional.pad(self.recurrent.bias.squeeze(1)[..., :gates], (0, self.state_size))
        return torch.baddbmm(bias + recurrent, x, self.input.weight.squeeze(1))

    def _recurrent(self) -> tuple[Tensor, Tensor]:
        """U ``[K, H, 3 H]`` and the recurrent bias of n ``[K, 1, H]``."""
        return self.recurrent.weight.squeeze(1), self.recurrent.bias.squeeze(1)[..., 2 * self.state_size :]


class LstmEncoder(SequenceEncoder):
    """One LSTM layer; the output is its hidden state."""

    def __init__(self, seeds: Sequence[int], num_in: int, size: int) -> None:
        super().__init__()
        self.state_size = 2 * size
        self._size = size
        self.lstm = StackedLstm(len(seeds), 1, num_in, size)
        draw_orthogonal(self.lstm.input.weight, seeds, "memory.lstm.input")
        draw_orthogonal(self.lstm.recurrent, seeds, "memory.lstm.recurrent")

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """A scan over one step."""
        resets = torch.zeros(*x.shape[:2], 1, dtype=torch.bool, device=x.device)
        return self.lstm(x, state, resets)

    def scan(self, x: Tensor, state: Tensor, resets: Tensor) -> Tensor:
        """Sequences side by side, as ``StackedLstm`` has them."""
        seeds, steps, rows, _ = x.shape
        outputs, _ = self.lstm(x.transpose(1, 2).reshape(seeds, rows * steps, -1), state, resets.transpose(1, 2))
        return outputs.view(seeds, rows, steps, -1).transpose(1, 2)


class MlpEncoder(SequenceEncoder):
    """``tanh(Linear(x))``; no state."""

    state_size = 0

    def __init__(self, seeds: Sequence[int], num_in: int, size: int) -> None:
        super().__init__()
        self.linear = StackedLinear(len(seeds), 1, num_in, size)
        draw_linear(self.linear, seeds, "memory.mlp")

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Nothing is carried."""
        return self.linear(x).tanh(), state

    def scan(self, x: Tensor, state: Tensor, resets: Tensor) -> Tensor:
        """Every step by itself."""
        return self.linear(x.flatten(1, 2)).tanh().view(*x.shape[:3], -1)
