"""How the memory's parameter gradient grows over a trial, and what the derivation says it should do.

    python benchmarks/memory_gradients.py

Untrained memories, transitions x_t ~ U(-1, 1)^80 straight into the encoder, 5 seeds as one program; f_t is the head's
output and theta the parameters of encoder and head. ``docs/amrl_gradients.md`` derives what is measured here:

    slope      least squares of || d sum f_t / d theta || over the last six sevenths of the steps
    predicted  || mu ||, mu = E d(u . z_i) / d theta_encoder, from two other draws of inputs (from their inner product,
               so that noise does not count); u: column sums of the head's weights on the aggregated channels
    exponent   the same range, log against log: 1 linear, 1/2 square root, 0 flat
    late       share of the last quarter of the steps in E || sum_t xi_t d sum f_t / d theta ||^2, xi_t white noise
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from algorithms.splagger.aggregator import Aggregator, Max, Mean, NoAggregator
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.encoder import MLP
from algorithms.splagger.gradient import StraightThrough
from algorithms.splagger.memory import Memory
from algorithms.splagger.split import FixedSplit

HERE = Path(__file__).parent
SHORT, SHOWN = 100, (0, 10, 50, 99)
STRIDE = 20
"""Steps between two points of the long curve."""
ESTIMATE_STEPS = 2000


@dataclass(frozen=True)
class Design:
    """A memory and whether the encoder's biases exist."""

    config: SplAggerConfig
    biases: bool = True

    def build(self, seeds: range) -> tuple[Memory, dict[str, Tensor]]:
        """The untrained memory and the parameters whose gradient counts."""
        memory = Memory(self.config, seeds, 1, 1)
        parameters = {n: p for n, p in memory.named_parameters() if n.startswith(("encoder", "head"))}
        if not self.biases:
            with torch.no_grad():
                memory.encoder.linear.bias.zero_()
            del parameters["encoder.linear.bias"]
        return memory, parameters


def designs() -> dict[str, Design]:
    """The memories of the table; the maximum starts at 0, as in the published analysis."""

    def gru(aggregator: Aggregator, **others) -> Design:
        return Design(SplAggerConfig(aggregator=aggregator, **others))

    def mlp(aggregator: Aggregator, biases: bool = True, **others) -> Design:
        config = SplAggerConfig(aggregator=aggregator, encoder=MLP(), split=FixedSplit(ratio=1.0), **others)
        return Design(config, biases)

    largest, through = Max(initial="zero"), StraightThrough()
    return {
        "GRU (RNN)": gru(NoAggregator()),
        "GRU, max (SplAgger)": gru(largest),
        "GRU, mean": gru(Mean()),
        "GRU, max, straight-through (AMRL)": gru(largest, gradient=through),
        "GRU, mean, straight-through": gru(Mean(), gradient=through),
        "no RNN, max": mlp(largest),
        "no RNN, mean (CNP)": mlp(Mean()),
        "no RNN, max, straight-through": mlp(largest, gradient=through),
        "no RNN, max, straight-through, no biases": mlp(largest, biases=False, gradient=through),
    }


def noise(seeds: range, steps: int, draw: int) -> Tensor:
    """Inputs ``[K, T, 1, 80]``; longer ones of the same draw begin with the shorter ones."""
    generators = [torch.Generator().manual_seed(1000 * draw + seed) for seed in seeds]
    return torch.stack([torch.rand(steps, 1, 80, generator=one) * 2 - 1 for one in generators])


def norms(gradients: dict[str, Tensor], chosen: Callable[[str], bool] = lambda name: True) -> Tensor:
    """Norm per seed over the chosen parameters, ``[K]``."""
    return torch.stack([g.flatten(1).square().sum(1) for n, g in gradients.items() if chosen(n)]).sum(0).sqrt()


def gradients_of(memory: Memory, parameters: dict[str, Tensor], x: Tensor, at: list[int]) -> list[dict[str, Tensor]]:
    """d sum(f_t) / d theta for every ``t`` in ``at``, leading axis K."""
    resets = torch.zeros(x.shape[:3], dtype=torch.bool)
    outputs = memory.scan(x, memory.initial_state(1), resets).sum((0, 2, 3))
    found = []
    for t in at:
        values = torch.autograd.grad(outputs[t], list(parameters.values()), retain_graph=True)
        found.append(dict(zip(parameters, values, strict=True)))
    return found


def predicted_slope(memory: Memory, parameters: dict[str, Tensor], seeds: range) -> Tensor:
    """|| mu || per seed, from two independent draws of inputs."""
    aggregated = memory.widths.aggregated
    u = memory.head.weight.detach().squeeze(1)[:, -aggregated:].sum(-1)
    chosen = {n: p for n, p in parameters.items() if n.startswith("encoder")}
    means = []
    for draw in (1, 2):
        x = noise(seeds, ESTIMATE_STEPS, draw)
        resets = torch.zeros(x.shape[:3], dtype=torch.bool)
        hidden = memory.encoder.scan(x, x.new_zeros(len(seeds), 1, memory.encoder.state_size), resets)
        total = torch.einsum("ktnc,kc->", hidden[..., -aggregated:], u) / ESTIMATE_STEPS
        means.append(torch.autograd.grad(total, list(chosen.values())))
    return sum((a * b).flatten(1).sum(1) for a, b in zip(*means, strict=True)).clamp(min=0).sqrt()


def measure(design: Design, seeds: range, steps: int) -> dict:
    """All figures of one memory, means over seeds."""
    memory, parameters = design.build(seeds)
    short = gradients_of(memory, parameters, noise(seeds, SHORT, 0), list(SHOWN))
    at = list(range(STRIDE - 1, steps, STRIDE))
    long = gradients_of(memory, parameters, noise(seeds, steps, 0), at)
    curve = torch.stack([norms(one) for one in long]).double().numpy()
    fitted = [i for i, t in enumerate(at) if t >= steps // 7]
    time = np.array(at)[fitted] + 1.0
    late = [i for i, t in enumerate(at) if t >= steps * 3 // 4]
    straight = design.config.gradient.kind == "straight_through"
    return {
        "short": [float(norms(one).mean()) for one in short],
        "curve": {str(t): float(value) for t, value in zip(at, curve.mean(1), strict=True)},
        "slope": float(np.polyfit(time, curve[fitted], 1)[0].mean()),
        "exponent": float(np.polyfit(np.log(time), np.log(curve[fitted]), 1)[0].mean()),
        "predicted": float(predicted_slope(memory, parameters, seeds).mean()) if straight else 0.0,
        "late": float(((curve[late] ** 2).sum(0) / (curve**2).sum(0)).mean()),
        "head": float((norms(long[-1], lambda n: n.startswith("head")) / norms(long[-1])).square().mean()),
        "biases": float(
            (norms(long[-1], lambda n: n.startswith("encoder") and "bias" in n) / norms(long[-1])).square().mean()
            if design.biases
            else 0.0
        ),
    }


def markdown(result: dict) -> str:
    """The table of ``docs/amrl_gradients.md``."""
    steps = result["steps"]
    lines = [
        f"| memory | norm at t = {', '.join(map(str, SHOWN))} | at t = {steps - 1} | exponent | slope per step "
        "| predicted slope | late quarter | head's share | biases' share |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in result["memories"].items():
        short = " / ".join(f"{value:.3g}" for value in one["short"])
        last = list(one["curve"].values())[-1]
        lines.append(
            f"| {name} | {short} | {last:.4g} | {one['exponent']:.2f} | {one['slope']:.3f} | {one['predicted']:.3f} "
            f"| {one['late']:.0%} | {one['head']:.2%} | {one['biases']:.0%} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    seeds = range(options.seeds)
    memories = {name: measure(design, seeds, options.steps) for name, design in designs().items()}
    result = {"seeds": options.seeds, "steps": options.steps, "memories": memories}
    table = markdown(result)
    print(table)
    options.out.mkdir(exist_ok=True)
    (options.out / "memory_gradients.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / "memory_gradients.md").write_text("# Parameter gradients of untrained memories\n\n" + table)


if __name__ == "__main__":
    main()
