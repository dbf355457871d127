"""What the memory does, measured: manipulation checks every iteration, gradients through time on request.

All probes feed a memory directly with noise tokens from U(-1, 1) (after the embeddings), one sequence per seed, from an
empty memory.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from algorithms.splagger.memory import Memory
from envs.streams import Streams

_CHECK_STEPS = 8
STEPS = 100
"""Length of a profile's sequence, as in the paper's analysis."""
GRID = (0, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
"""Time steps at which profiles are read."""
_PERMUTATIONS = 5


def noise_tokens(seeds: Sequence[int], steps: int, size: int, device: torch.device) -> Tensor:
    """``[K, steps, 1, size]`` from U(-1, 1), the same at every call."""
    return 2 * Streams(seeds, "probe/tokens", device).uniform(steps, 1, size) - 1


@torch.enable_grad()
def memory_checks(memory: Memory, tokens: Tensor) -> dict[str, Tensor]:
    """What tells encoder, split, aggregator and gradient apart at run time, each ``[K]``.

    Args:
        memory: Of K seeds.
        tokens: A few noise tokens, ``[K, T, 1, I]``.
    """
    seeds, steps, rows, _ = tokens.shape
    resets = torch.zeros(seeds, steps, rows, dtype=torch.bool, device=tokens.device)
    leaf = tokens.detach().requires_grad_()
    state = memory.initial_state(rows)
    hidden = memory.encoder.scan(leaf, state[..., : memory.encoder.state_size], resets)
    (reach,) = torch.autograd.grad(hidden[:, -1].sum(), leaf)
    summary, summands = memory.operator.scan(
        hidden[..., hidden.shape[-1] - memory.widths.aggregated :], state[..., memory.encoder.state_size :]
    )
    through = memory.gradient.through(summary, summands)
    (unit,) = torch.autograd.grad(through[:, -1].sum(), summands, allow_unused=True, materialize_grads=True)
    error = (unit - 1).abs().flatten(1)
    with torch.no_grad():
        channels = memory.aggregated_channels()
    return {
        "check/encoder_reach": reach[:, 0].flatten(1).norm(dim=1),
        "check/aggregate_gradient_error": error.amax(1) if error.shape[1] else error.new_ones(seeds),
        "check/aggregated_channels": channels,
    }


def check_tokens(seeds: Sequence[int], size: int, device: torch.device) -> Tensor:
    """Tokens for ``memory_checks``."""
    return noise_tokens(seeds, _CHECK_STEPS, size, device)


@torch.enable_grad()
def profiles(memory: Memory, seeds: Sequence[int], size: int) -> dict[str, Tensor]:
    """Gradients through time and permutation sensitivity, name -> ``[K, len(GRID)]`` (reference protocol: 100 steps).

    ``input_gradient``          || d sum(f_T) / d x_t || over t: what the last output hears of each step
    ``recall_gradient``         || d sum(f_t) / d x_0 || over t: how long the first step is heard
    ``parameter_gradient``      || d sum(f_t) / d theta || over t; theta: encoder, operator, gate, head
    ``permutation_difference``  distance of the unit-length f_t of the prefix and of a random order of it
    """
    device = memory.head.weight.device
    tokens = noise_tokens(seeds, STEPS, size, device).requires_grad_()
    resets = torch.zeros(len(seeds), STEPS, 1, dtype=torch.bool, device=device)
    names = ("embed_state", "embed_action", "embed_reward")
    theta = [one for name, one in memory.named_parameters() if not name.startswith(names)]
    found: dict[str, list[Tensor]] = {"recall_gradient": [], "parameter_gradient": []}
    for t in GRID:
        outputs = memory.scan(tokens[:, : t + 1], memory.initial_state(1), resets[:, : t + 1])[:, :, 0]
        into_tokens, *into_theta = torch.autograd.grad(outputs[:, t].sum(), [tokens, *theta], materialize_grads=True)
        found["recall_gradient"].append(into_tokens[:, 0].flatten(1).norm(dim=1))
        found["parameter_gradient"].append(torch.cat([one.flatten(1) for one in into_theta], dim=1).norm(dim=1))
        last = into_tokens[:, :, 0].norm(dim=2)
    curves = {name: torch.stack(values, dim=1) for name, values in found.items()}
    curves["input_gradient"] = last[:, list(GRID)]
    curves["permutation_difference"] = _permutation_difference(memory, seeds, tokens.detach(), outputs.detach())
    return curves


@torch.no_grad()
def _permutation_difference(memory: Memory, seeds: Sequence[int], tokens: Tensor, outputs: Tensor) -> Tensor:
    """``[K, len(GRID)]``; mean over random orders of the whole prefix x_0 .. x_t, all in one scan."""
    streams = Streams(seeds, "probe/permutations", tokens.device)
    rest = torch.arange(STEPS, device=tokens.device).expand(len(seeds), -1)
    orders = [torch.cat([streams.permutation(t + 1), rest[:, t + 1 :]], 1) for t in GRID for _ in range(_PERMUTATIONS)]
    index = torch.stack(orders, dim=2)
    mixed = tokens.expand(-1, -1, index.shape[2], -1).gather(
        1, index.unsqueeze(-1).expand(-1, -1, -1, tokens.shape[-1])
    )
    resets = torch.zeros(index.shape, dtype=torch.bool, device=tokens.device)
    found = memory.scan(mixed, memory.initial_state(index.shape[2]), resets).unflatten(2, (len(GRID), _PERMUTATIONS))
    distances = []
    for place, t in enumerate(GRID):
        straight = torch.nn.functional.normalize(outputs[:, t], dim=-1).unsqueeze(1)
        other = torch.nn.functional.normalize(found[:, t, place], dim=-1)
        distances.append((other - straight).norm(dim=-1).mean(1))
    return torch.stack(distances, dim=1)


def profile_columns(curves: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Curves as columns ``profile/<prefix><name>@<t>``, each ``[K]``."""
    return {
        f"profile/{prefix}{name}@{t}": curve[:, index] for name, curve in curves.items() for index, t in enumerate(GRID)
    }
