"""What ``splagger_loop.py`` steps: the T-Maze as a Python object per copy, or our batched one behind the same face."""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

STATE_SIZE = 5
NUM_ACTIONS = 4
_UP, _DOWN = 2, 3


class World(Protocol):
    """N copies; a trial's end returns the terminal observation, and the caller resets those copies."""

    def reset(self) -> Tensor:
        """First observations ``[N, 5]``."""
        ...

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Actions ``[N]`` -> observations before any reset ``[N, 5]``, rewards ``[N]``, ends of trials ``[N]`` bool."""
        ...

    def restart(self, ended: Tensor) -> Tensor:
        """Start new trials where ``ended``; the current observations of all copies ``[N, 5]``."""
        ...


class TMaze:
    """One copy: a corridor, a sign at its second cell, a junction at its end; four episodes of one task a trial.

    Observation: at the start, sign (+1 up, -1 down), at the end, noise bit, an episode has just ended.
    """

    def __init__(self, rng: np.random.Generator, length: int, episodes: int) -> None:
        self._rng, self._length, self._episodes = rng, length, episodes

    def reset(self) -> np.ndarray:
        self._up, self._episode = bool(self._rng.integers(2)), 0
        self._position = 0
        return self._observe(False)

    def step(self, action: int) -> tuple[np.ndarray, float, bool]:
        if self._position < self._length - 1:
            self._position += 1
            return self._observe(False), 0.0, False
        went_up = action in (0, _UP)  # left counts as up and right as down where the corridor ends
        reward = 4.0 if went_up == self._up else -3.0
        self._episode += 1
        if self._episode == self._episodes:
            return self._observe(True), reward, True
        self._position = 0
        return self._observe(True), reward, False

    def _observe(self, flag: bool) -> np.ndarray:
        sign = (1.0 if self._up else -1.0) if self._position == 1 else 0.0
        noise = float(2 * self._rng.integers(2) - 1)
        return np.array([self._position == 0, sign, self._position == self._length - 1, noise, flag], np.float32)


class PythonWorld:
    """A Python object per copy, stepped one after the other; without the official processes and pipes."""

    def __init__(self, num_envs: int, seed: int = 0, length: int = 100, episodes: int = 4) -> None:
        seeds = np.random.SeedSequence(seed).spawn(num_envs)
        self._copies = [TMaze(np.random.default_rng(one), length, episodes) for one in seeds]

    def reset(self) -> Tensor:
        self._obs = np.stack([copy.reset() for copy in self._copies])
        return torch.from_numpy(self._obs.copy())

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        results = [copy.step(action) for copy, action in zip(self._copies, actions.tolist(), strict=True)]
        self._obs = np.stack([obs for obs, _, _ in results])
        rewards = torch.tensor([reward for _, reward, _ in results])
        return torch.from_numpy(self._obs.copy()), rewards, torch.tensor([end for _, _, end in results])

    def restart(self, ended: Tensor) -> Tensor:
        for index in ended.nonzero().flatten().tolist():
            self._obs[index] = self._copies[index].reset()
        return torch.from_numpy(self._obs.copy())


class BatchedWorld:
    """Our batched T-Maze, which resets inside ``step``, behind the same face."""

    def __init__(self, num_envs: int, seed: int = 0) -> None:
        from envs.registry import make

        self._env = make("memory/t_maze", num_envs=num_envs, seeds=[seed])

    def reset(self) -> Tensor:
        self._obs = self._env.reset()[0][0]
        return self._obs

    def step(self, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        obs, rewards, terminated, truncated, info = self._env.step(actions.unsqueeze(0))
        self._obs = obs[0]
        return info["final_obs"][0], rewards[0], (terminated | truncated)[0]

    def restart(self, ended: Tensor) -> Tensor:
        return self._obs
