"""Small tasks, networks and trainers that the tests of this folder share."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch

from algorithms.ppo.config import Lstm, Mlp, PPOConfig
from algorithms.ppo.trainer import PPOTrainer
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.trainer import SAPGTrainer
from envs.batched import BatchedEnv, State

MLP = Mlp(hidden=(8,))
LSTM = Lstm(hidden_size=6, hidden=(8,))
SMALL: dict[str, Any] = {"network": MLP, "num_steps": 4, "update_epochs": 2, "minibatch_rows_per_env": 2}


class Point(BatchedEnv):
    """A point in the plane that should stay at the origin; ends beyond radius 1.5 or after 5 steps."""

    def __init__(self, num_envs: int, seeds: Sequence[int], *, discrete: bool = False, limit: int = 5) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device="cpu", max_episode_steps=limit)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = (
            gymnasium.spaces.Discrete(4, start=1) if discrete else gymnasium.spaces.Box(-0.5, 0.5, (2,), np.float32)
        )

    def _draw(self) -> torch.Tensor:
        return self._streams.uniform(self.num_envs, 2)

    def _start(self, numbers: torch.Tensor) -> State:
        return {"place": numbers * 2 - 1}

    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        if isinstance(self.action_space, gymnasium.spaces.Discrete):
            compass = torch.tensor([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
            actions = compass[actions - 1]
        place = state["place"] + actions
        radius = place.norm(dim=-1)
        return {"place": place}, -radius, radius > 1.5

    def _observe(self, state: State) -> torch.Tensor:
        return torch.cat([state["place"], state["place"].norm(dim=-1, keepdim=True)], -1)

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"lost": terminated.float()}


class PrivilegedPoint:
    """The same, but the policy sees only the place; the radius is the critic's."""

    def __init__(self, num_envs: int, seeds: Sequence[int]) -> None:
        self._env = Point(num_envs, seeds)
        self.num_seeds, self.num_envs, self.device = self._env.num_seeds, num_envs, self._env.device
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.critic_observation_space = self._env.observation_space
        self.action_space, self.max_episode_steps = self._env.action_space, self._env.max_episode_steps

    @staticmethod
    def _split(observation: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"policy": observation[..., :2].clone(), "critic": observation}

    def reset(self):
        observation, info = self._env.reset()
        return self._split(observation), info

    def step(self, actions):
        observation, reward, terminated, truncated, info = self._env.step(actions)
        info = {**info, "final_obs": self._split(info["final_obs"])}
        return self._split(observation), reward, terminated, truncated, info

    def state_dict(self):
        return self._env.state_dict()

    def load_state_dict(self, state):
        self._env.load_state_dict(state)

    def close(self):
        self._env.close()


def discrete_point(num_envs: int, seeds: Sequence[int]) -> Point:
    return Point(num_envs, seeds, discrete=True)


def ppo(*, seeds=(0,), num_envs=6, env=Point, **config) -> PPOTrainer:
    return PPOTrainer(PPOConfig(**{**SMALL, **config}), env, num_envs=num_envs, seeds=seeds)


def sapg(*, seeds=(0,), num_envs=6, env=Point, **config) -> SAPGTrainer:
    settings = {**SMALL, "num_policies": 3, **config}
    return SAPGTrainer(SAPGConfig(**settings), env, num_envs=num_envs, seeds=seeds)


def train(trainer: PPOTrainer, iterations: int) -> list[dict[str, np.ndarray]]:
    """So many more updates; their rows."""
    per_iteration = int(trainer.describe()["env_steps_per_iteration"])
    return list(trainer.iterations(trainer.env_steps + iterations * per_iteration))


def parameters(trainer: PPOTrainer) -> torch.Tensor:
    """``[K, P]``, a copy."""
    return trainer.updater.optimizer.parameters.clone()


def same_rows(left: list[dict[str, np.ndarray]], right: list[dict[str, np.ndarray]]) -> bool:
    """Bit for bit, NaN included."""
    return len(left) == len(right) and all(
        a.keys() == b.keys() and all(a[key].tobytes() == b[key].tobytes() for key in a)
        for a, b in zip(left, right, strict=True)
    )
