"""Layers whose parameters carry two leading axes: seeds, and networks per seed (1 unless policies share nothing).

    K  seeds    N  networks    L  lanes = K * N    I, O  features in and out    B  rows of a lane

A lane's output depends on its own rows and weights only, so gradients never mix lanes: summing the lanes' losses and
calling ``backward`` once gives every lane exactly its own gradient.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from envs.streams import Streams


def draw_weight(weight: nn.Parameter, seeds: Sequence[int], name: str, fan_in: int) -> None:
    """Fill ``weight [K, ...]`` from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), each seed from its own stream of that name."""
    draws = Streams(seeds, f"init/{name}").uniform(*weight.shape[1:])
    with torch.no_grad():
        weight.copy_((2 * draws - 1) / math.sqrt(fan_in))


class StackedLinear(nn.Module):
    """``y = x W + b`` in every lane; weights start as torch's ``Linear`` does, biases at 0."""

    def __init__(self, seeds: int, networks: int, num_in: int, num_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(seeds, networks, num_in, num_out))
        self.bias = nn.Parameter(torch.zeros(seeds, networks, 1, num_out))

    def initialize(self, seeds: Sequence[int], name: str, fan_in: int | None = None) -> None:
        """Draw the weights; ``fan_in`` counts inputs that other weights serve as well."""
        draw_weight(self.weight, seeds, name, fan_in or self.weight.shape[2])

    def forward(self, x: Tensor, extra_weight: Tensor | None = None) -> Tensor:
        """``[L, B, I] -> [L, B, O]``; ``extra_weight [L, E, O]`` serves E further columns of x."""
        weight = self.weight.flatten(0, 1)
        if extra_weight is not None:
            weight = torch.cat([weight, extra_weight], dim=1)
        if weight.shape[0] == 1:  # a batched product of one is slower than a plain one
            return torch.addmm(self.bias.view(1, -1), x.squeeze(0), weight.squeeze(0)).unsqueeze(0)
        return torch.baddbmm(self.bias.flatten(0, 1), x, weight)


class StackedLayerNorm(nn.Module):
    """Layer normalisation with a gain and an offset per lane."""

    def __init__(self, seeds: int, networks: int, size: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(seeds, networks, 1, size))
        self.offset = nn.Parameter(torch.zeros(seeds, networks, 1, size))

    def forward(self, x: Tensor) -> Tensor:
        """``[L, B, O] -> [L, B, O]``."""
        normal = nn.functional.layer_norm(x, x.shape[-1:])
        return normal * self.gain.flatten(0, 1) + self.offset.flatten(0, 1)


class StackedLstm(nn.Module):
    """One LSTM layer (Hochreiter & Schmidhuber 1997) in every lane, scanned over C sequences of S steps."""

    def __init__(self, seeds: int, networks: int, num_in: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        self.input = StackedLinear(seeds, networks, num_in, 4 * hidden_size)
        self.recurrent = nn.Parameter(torch.empty(seeds, networks, hidden_size, 4 * hidden_size))

    def initialize(self, seeds: Sequence[int], name: str) -> None:
        """Draw all weights, U(-1/sqrt(H), 1/sqrt(H)) as torch's LSTM does."""
        self.input.initialize(seeds, f"{name}.input", fan_in=self.hidden_size)
        draw_weight(self.recurrent, seeds, f"{name}.recurrent", self.hidden_size)

    def forward(
        self, x: Tensor, state: Tensor, resets: Tensor, extra_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Scan.

        Args:
            x: ``[L, C * S, I]``, sequence-major.
            state: ``[L, C, 2 H]``: hidden and cell state each sequence starts from.
            resets: ``[L, C, S]`` bool: an episode starts at this step, so the state before it is zeroed.
            extra_weight: See ``StackedLinear.forward``.

        Returns:
            Outputs ``[L, C * S, H]`` and the state after every step ``[L, C * S, 2 H]``.
        """
        lanes, sequences, steps = resets.shape
        projected = self.input(x, extra_weight).view(lanes, sequences, steps, -1)
        hidden, cell = state.split(self.hidden_size, dim=-1)
        keep = (~resets).to(x.dtype)
        recurrent = self.recurrent.flatten(0, 1)
        outputs, states = [], []
        for step in range(steps):
            alive = keep[:, :, step, None]
            gates = torch.baddbmm(projected[:, :, step], hidden * alive, recurrent)
            input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=-1)
            cell = forget_gate.sigmoid() * (cell * alive) + input_gate.sigmoid() * candidate.tanh()
            hidden = output_gate.sigmoid() * cell.tanh()
            outputs.append(hidden)
            states.append(torch.cat([hidden, cell], dim=-1))
        flat = (lanes, sequences * steps, -1)
        return torch.stack(outputs, dim=2).reshape(flat), torch.stack(states, dim=2).reshape(flat)
