"""Small memories, tasks and SplAgger trainers that the tests of this folder share."""

from collections.abc import Sequence
from typing import Any

import pydantic
import torch
from torch import Tensor

from algorithms.splagger.aggregator import AvgMax, Gauss, Max, Mean, NoAggregator, Softmax, WeightedSoftmax
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.encoder import GRU, LSTM, MLP
from algorithms.splagger.memory import Memory
from algorithms.splagger.presets import PRESETS
from algorithms.splagger.split import FixedSplit, LearnedGate
from algorithms.splagger.trainer import SplAggerTrainer
from envs import registry
from envs.memory.options import TMazeOptions

ENCODERS = {"gru": GRU, "lstm": LSTM, "mlp": MLP}
OPERATORS = {
    "max": Max(),
    "max_zero": Max(initial="zero"),
    "mean": Mean(),
    "softmax": Softmax(),
    "wsoftmax": WeightedSoftmax(),
    "wsoftmax_doubled": WeightedSoftmax(width="doubled"),
    "avgmax": AvgMax(),
    "avgmax_zero": AvgMax(initial="zero"),
    "gauss": Gauss(),
    "none": NoAggregator(),
}
SPLITS = {
    "0": FixedSplit(ratio=0.0),
    "0.25": FixedSplit(ratio=0.25),
    "0.5": FixedSplit(ratio=0.5),
    "1": FixedSplit(ratio=1.0),
    "gate": LearnedGate(),
}
SIZES: dict[str, Any] = {
    "latent_dim": 3,
    "embed_state": 4,
    "embed_action": 2,
    "embed_reward": 2,
    "state_embedding": 6,
    "latent_embedding": 4,
    "policy_hidden": (6, 5),
    "num_steps": 12,
    "num_minibatches": 2,
}
EPISODE, EPISODES = 4, 2
"""Steps of an inner episode of ``maze``, and how many make a trial: 8 steps."""


def preset(name: str) -> dict[str, Any]:
    """A preset's fields as objects."""
    config = pydantic.TypeAdapter(SplAggerConfig).validate_python(dict(PRESETS[name]))
    return {field: getattr(config, field) for field in PRESETS[name]}


def small(**changes) -> SplAggerConfig:
    """A config of a few channels."""
    config = {**SIZES, "encoder": GRU(hidden_size=8)} | changes
    encoder = config["encoder"]
    return SplAggerConfig(**config | {"encoder": type(encoder)(hidden_size=min(encoder.hidden_size, 8))})


def maze(num_envs: int, seeds: Sequence[int]) -> Any:
    """T-Maze trials of 8 steps."""
    options = TMazeOptions(length=EPISODE, episodes=EPISODES)
    return registry.make("memory/t_maze", num_envs=num_envs, seeds=seeds, options=options)


def splagger(*, seeds: Sequence[int] = (0,), num_envs: int = 4, env=maze, **changes) -> SplAggerTrainer:
    return SplAggerTrainer(small(**changes), env, num_envs=num_envs, seeds=seeds)


def double(config: SplAggerConfig, seeds: Sequence[int] = (0, 1), obs: int = 5, action: int = 4) -> Memory:
    """A float64 memory whose every parameter is random: gates, biases and temperatures too."""
    memory = Memory(config, seeds, obs, action).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return memory


def random_tokens(config: SplAggerConfig, steps: int = 9, rows: int = 5, seeds: int = 2) -> tuple[Tensor, Tensor]:
    """Tokens ``[K, T, N, I]`` and resets before a step ``[K, T, N]``; some rows have none, some start with one."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(seeds, steps, rows, config.token_size, generator=generator, dtype=torch.float64)
    resets = torch.rand(seeds, steps, rows, generator=generator) < 0.3
    resets[:, :, 0] = False
    resets[0, 0, 1], resets[1, 0, 1] = True, False
    return tokens, resets


def stepped(memory: Memory, tokens: Tensor, state: Tensor, resets: Tensor) -> Tensor:
    """What ``scan`` must equal: one ``step`` after the other, with the state replaced by an empty one at resets."""
    outputs = []
    for t in range(tokens.shape[1]):
        empty = memory.initial_state(tokens.shape[2])
        output, state = memory.step(tokens[:, t], torch.where(resets[:, t].unsqueeze(-1), empty, state))
        outputs.append(output)
    return torch.stack(outputs, dim=1)
