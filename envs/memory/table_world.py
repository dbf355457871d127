"""Worlds with few states, played by looking them up: one index per copy, one table per question."""

from collections.abc import Sequence
from typing import NamedTuple

import gymnasium
import torch
from torch.nn.functional import embedding

from envs.batched import State
from envs.trials import TaskEnv


class Table(NamedTuple):
    """A world of S states, A actions and a fair coin."""

    after: torch.Tensor
    """State that follows, ``[S, A, 2]`` int64; the last axis is this step's coin."""
    reward: torch.Tensor
    """``[S, A]`` float32."""
    over: torch.Tensor
    """Whether the episode ends, ``[S, A]`` bool."""
    views: torch.Tensor
    """Different observations, ``[V, D]`` float32."""
    shown: torch.Tensor
    """Which of them a state shows, ``[S]`` int64."""


class TableWorld(TaskEnv):
    """Plays a table; a subclass says which state a task starts in."""

    num_draws = 1
    """Its binary digits are independent coins: the first one is the step's, the others serve the start."""

    def __init__(
        self,
        table: Table,
        *,
        num_envs: int,
        seeds: Sequence[int],
        device: torch.device | str,
        max_episode_steps: int,
        observation_space: gymnasium.spaces.Box,
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=max_episode_steps)
        self.observation_space = observation_space
        self._num_actions = table.reward.shape[1]
        self.action_space = gymnasium.spaces.Discrete(self._num_actions)
        self._table = Table(*(tensor.contiguous().to(self.device) for tensor in table))
        flags = torch.arange(2, device=self.device).repeat_interleave(len(table.views)).unsqueeze(-1)
        self._flagged_views = torch.cat((self._table.views.repeat(2, 1), flags), -1)

    @staticmethod
    def _coin(numbers: torch.Tensor, digit: int) -> torch.Tensor:
        """A fair coin of the start, ``[K, N]`` int64; ``digit`` from 1 to 20."""
        shifted = torch.mul(numbers[:, 0], 2.0 ** (digit + 1))
        return shifted.long() & 1

    def _play(
        self, state: State, actions: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        move = torch.add(actions, state["at"], alpha=self._num_actions)
        after = self._table.after.take(torch.add(numbers[:, 0] < 0.5, move, alpha=2))
        return {"at": after}, self._table.reward.take(move), self._table.over.take(move)

    def _observe(self, state: State) -> torch.Tensor:
        return embedding(self._table.shown.take(state["at"]), self._table.views)

    def _observe_flagged(self, state: State, flag: torch.Tensor) -> torch.Tensor:
        view = torch.add(self._table.shown.take(state["at"]), flag.long(), alpha=len(self._table.views))
        return embedding(view, self._flagged_views)
