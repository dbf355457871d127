"""Our trainers through their public interface. Modes: ``fp32``, ``compile`` (fp32) and ``bf16`` (compiled)."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from workload import ACTION_SIZE, EPISODE_STEPS, EPOCHS, HIDDEN, HORIZON, MINIBATCHES, OBS_SIZE, CheapTask

from algorithms.ppo.config import Mlp, PPOConfig
from algorithms.registry import find


class Env:
    """The cheap task behind our protocol: K seeds are K tasks side by side in one."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBS_SIZE,))
    critic_observation_space = None
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_SIZE,))
    max_episode_steps = EPISODE_STEPS
    device = torch.device("cpu")

    def __init__(self, num_envs: int, seeds: Sequence[int]) -> None:
        self.num_envs, self.num_seeds = num_envs, len(seeds)
        self._task = CheapTask(num_envs * len(seeds))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(0, (self.num_seeds, self.num_envs))

    def reset(self) -> tuple[torch.Tensor, dict[str, Any]]:
        return self._split(self._task.reset()), {}

    def step(self, actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict]:
        obs, rewards, truncated, final = (self._split(x) for x in self._task.step(actions.flatten(0, 1)))
        return obs, rewards, torch.zeros_like(truncated), truncated, {"final_obs": final, "final_info": {}}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def trainer(
    algorithm: str, num_envs: int, mode: str, *, seeds: Sequence[int] = (0,), hidden: Sequence[int] = HIDDEN
) -> tuple[Any, Callable[[], None]]:
    """A trainer of ours and the function that runs one iteration of it."""
    registered = find(algorithm)
    config: PPOConfig = dataclasses.replace(
        registered.config(),
        num_steps=HORIZON,
        update_epochs=EPOCHS,
        minibatch_rows_per_env=HORIZON // MINIBATCHES,
        network=Mlp(hidden=tuple(hidden)),
        compile=mode in ("compile", "bf16"),
        precision="bf16" if mode.startswith("bf16") else "fp32",
    )
    made = registered.load_trainer()(config, Env, num_envs=num_envs, seeds=list(seeds), device="cpu")
    rows = made.iterations(2**62)
    return made, lambda: next(rows) and None


def build(num_envs: int, mode: str) -> Callable[[], None]:
    algorithm, _, mode = mode.partition("-")
    return trainer(algorithm, num_envs, mode)[1]
