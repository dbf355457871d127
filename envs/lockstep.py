"""Tasks whose episodes all last equally long: the copies end together, in a step known before it is played.

Nothing need be asked of the device or masked, the age of an episode is a number of the host, and start states are
drawn in the steps that need them: when that is depends on the count of steps alone.
"""

from abc import abstractmethod
from typing import Any

import torch

from envs.batched import State, Transition
from envs.trials import TaskEnv


class LockstepEnv(TaskEnv):
    """Every episode lasts ``max_episode_steps`` and is terminated by its last step: nothing follows."""

    fixed_length = True
    num_start_draws: int
    """Uniform numbers per copy and start, its task included; ``num_draws`` are those of a step."""
    _age: int = 0
    """Steps played of the current episodes."""

    @abstractmethod
    def _play_together(self, state: State, actions: torch.Tensor, numbers: torch.Tensor) -> tuple[State, torch.Tensor]:
        """States after step ``_age`` (from 0) of the episode and its reward; ``state["task"]`` stays."""

    def _starting_numbers(self) -> torch.Tensor:
        self._age = 0
        return self._streams.uniform(self.num_start_draws, self.num_envs)

    def _play(
        self, state: State, actions: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        stepped, reward = self._play_together(state, actions, numbers)
        ended = self._age == self.max_episode_steps - 1
        return stepped, reward, torch.full_like(reward, ended, dtype=torch.bool)

    def _transition(self, actions: torch.Tensor) -> Transition:
        stepped, reward, terminated = self._advance(self._state, actions)
        self._age += 1
        ended = self._age == self.max_episode_steps
        self._state = self._start(self._starting_numbers()) if ended else stepped
        return Transition(stepped, reward, terminated, torch.zeros_like(terminated), ended)

    def state_dict(self) -> dict[str, Any]:
        """As ``BatchedEnv.state_dict``, and the one age of all episodes."""
        return {**super().state_dict(), "age": self._age}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        super().load_state_dict(state)
        self._age = state["age"]
