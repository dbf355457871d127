"""Independent oracle of the gradient analysis (reference protocol: untrained memories, uniform noise as transitions).

Plain torch, ``nn.GRU`` and one Python step per time step of the aggregation; shares no code with ``algorithms``.

    x_t ~ U(-1, 1)^80  ->  h_t = GRU(x)_t or tanh(W x_t)  ->  [k_t, z_t]  ->  m_t  ->  f_t = head([k_t, m_t]) in R^24

Run as a program it prints the table of means over five seeds.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

INPUT, HIDDEN, OUTPUT = 80, 256, 24
STEPS = 100


@dataclass(frozen=True)
class Design:
    """One memory: what encodes, which half or all of it is aggregated and how, whose gradient is replaced."""

    encoder: str
    operator: str | None
    split: bool = False
    straight_through: bool = False


DESIGNS = {
    "RNN": Design("gru", None),
    "AMRL": Design("gru", "max", split=True, straight_through=True),
    "SplAgger": Design("gru", "max", split=True),
    "SplAgger-avg": Design("gru", "mean", split=True),
    "noSplit": Design("gru", "max"),
    "noRNN": Design("mlp", "max"),
    "noRNN-ST": Design("mlp", "max", straight_through=True),
    "CNP": Design("mlp", "mean"),
}


class StraightThroughMax(torch.autograd.Function):
    """max(a, b) whose gradient reaches both a and b whole."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor) -> Tensor:
        return torch.max(a, b)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        return gradient, gradient


class Memory(nn.Module):
    """Aggregator module of the protocol: its parameters are those whose gradient is measured."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        if design.encoder == "gru":
            self.encoder = nn.GRU(INPUT, HIDDEN)
            for name, parameter in self.encoder.named_parameters():
                nn.init.zeros_(parameter) if "bias" in name else nn.init.orthogonal_(parameter)
        else:
            self.encoder = nn.Linear(INPUT, HIDDEN)
        self.head = nn.Linear(HIDDEN, OUTPUT)

    def encode(self, x: Tensor) -> Tensor:
        """``[T, 80] -> [T, 256]``."""
        return self.encoder(x)[0] if self.design.encoder == "gru" else torch.tanh(self.encoder(x))

    def aggregate(self, values: Tensor) -> Tensor:
        """m_t of ``[T, C]``, one step after the other; starts at zero."""
        running, out = torch.zeros_like(values[0]), []
        for count, z in enumerate(values, 1):
            if self.design.operator == "mean":
                running = running + z
                out.append(running / count)
            else:
                larger = StraightThroughMax.apply if self.design.straight_through else torch.max
                running = larger(running, z)
                out.append(running)
        return torch.stack(out)

    def forward(self, x: Tensor) -> Tensor:
        """``[T, 80] -> [T, 24]``."""
        encoded = self.encode(x)
        if self.design.operator is None:
            return self.head(encoded)
        if not self.design.split:
            return self.head(self.aggregate(encoded))
        kept, values = encoded.chunk(2, -1)
        return self.head(torch.cat([kept, self.aggregate(values)], -1))


def build(name: str, seed: int) -> tuple[Memory, Tensor]:
    """An untrained memory and its inputs ``[100, 80]``; the same numbers for the same seed."""
    torch.manual_seed(seed)
    return Memory(DESIGNS[name]), torch.rand(STEPS, INPUT) * 2 - 1


def input_gradient(memory: Memory, x: Tensor) -> Tensor:
    """|| d sum(f_T) / d x_t || for every t, ``[T]``."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(memory(x)[-1].sum(), x)
    return gradient.norm(dim=-1)


def growth(memory: Memory, x: Tensor, at: Iterable[int]) -> tuple[Tensor, Tensor]:
    """|| d sum(f_t) / d x_0 || and || d sum(f_t) / d theta || at the steps ``at``."""
    x = x.clone().requires_grad_()
    outputs, parameters = memory(x).sum(-1), list(memory.parameters())
    first, whole = [], []
    for t in at:
        gradient, *others = torch.autograd.grad(outputs[t], [x, *parameters], retain_graph=True)
        first.append(gradient[0].norm())
        whole.append(torch.stack([one.norm() for one in others]).norm())
    return torch.stack(first), torch.stack(whole)


@torch.no_grad()
def permutation_difference(memory: Memory, x: Tensor, at: Iterable[int], draws: int = 5) -> Tensor:
    """Distance of the unit vectors f_t of a prefix and of its random permutations, mean over draws, at ``at``."""
    whole, distances = memory(x), []
    for t in at:
        ordered = whole[t] / whole[t].norm()
        shuffled = torch.stack([memory(x[torch.randperm(t + 1)])[-1] for _ in range(draws)])
        distances.append((shuffled / shuffled.norm(dim=-1, keepdim=True) - ordered).norm(dim=-1).mean())
    return torch.stack(distances)


def table(seeds: range = range(5)) -> dict[str, dict[str, Tensor]]:
    """Means over seeds of the four curves at the steps of the reference's table."""
    rows: dict[str, dict[str, Tensor]] = {}
    for name in DESIGNS:
        runs = []
        for seed in seeds:
            memory, x = build(name, seed)
            first, whole = growth(memory, x, (0, 10, 50, 99))
            runs.append((input_gradient(memory, x)[[0, 50, 90, 99]], first, whole))
            runs[-1] += (permutation_difference(memory, x, (5, 99)),)
        columns = ("input", "first_input", "parameters", "permutation")
        rows[name] = {c: torch.stack(v).mean(0) for c, v in zip(columns, zip(*runs, strict=True), strict=True)}
    return rows


if __name__ == "__main__":
    for name, curves in table().items():
        cells = [" / ".join(f"{value:.3g}" for value in curve.tolist()) for curve in curves.values()]
        sys.stdout.write(" | ".join([f"{name:13}", *cells]) + "\n")
