"""Base of the native tasks: episode bookkeeping once, so that a task is its dynamics and nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium
import torch

from envs.streams import Streams

State = dict[str, torch.Tensor]
"""Name -> tensor ``[K, N, ...]``: everything an episode carries from one step to the next."""


class Transition(NamedTuple):
    """One step of all copies, before anything is observed; the environment itself already stands after the resets."""

    stepped: State
    """The states the copies stepped into, before any reset."""
    reward: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    ended: bool
    """Whether a copy ended; True on an accelerator, where asking would wait for the device."""


class BatchedEnv(ABC):
    """K x N copies of a task written as tensor operations; see ``envs.vector.VectorEnv``.

    Numbers for start states are drawn for all copies at every step, whether or not one of them ends: what a seed draws
    then depends on the count of steps only, never on another seed's block, and no step waits for the device.
    """

    observation_space: gymnasium.spaces.Box
    critic_observation_space: gymnasium.spaces.Box | None = None
    action_space: gymnasium.spaces.Box | gymnasium.spaces.Discrete

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, max_episode_steps: int
    ) -> None:
        if num_envs < 1 or not seeds:
            raise ValueError(f"an environment needs a copy and a seed, got num_envs={num_envs}, seeds={list(seeds)}")
        self.num_seeds = len(seeds)
        self.num_envs = num_envs
        self.device = torch.device(device)
        self.max_episode_steps = max_episode_steps
        self._streams = Streams(seeds, "env", self.device)
        self._state: State = {}
        self._elapsed = torch.zeros(self.num_seeds, num_envs, dtype=torch.int64, device=self.device)

    @abstractmethod
    def _draw(self) -> torch.Tensor:
        """Random numbers for one start state per copy, from ``self._streams``; ``[K, ...]``."""

    @abstractmethod
    def _start(self, numbers: torch.Tensor) -> State:
        """The start states that the numbers of ``_draw`` stand for."""

    @abstractmethod
    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        """Apply the actions: next state (no tensor of ``state`` written to), reward, terminated, ``[K, N]``."""

    @abstractmethod
    def _observe(self, state: State) -> torch.Tensor:
        """What the policy sees of a state, ``[K, N, D]`` float32."""

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        """The task's figures for an episode that ends in ``state``, each ``[K, N]`` float32."""
        return {}

    def _timed_out(self, stepped: State, elapsed: torch.Tensor) -> torch.Tensor:
        """Copies whose time is up after ``elapsed`` steps (``[K, N]``); one with ``own_clock`` says when."""
        return elapsed >= self.max_episode_steps

    @torch.no_grad()
    def reset(self) -> tuple[torch.Tensor, dict[str, Any]]:
        """Start every copy from a fresh episode."""
        self._begin_all(self._start(self._draw()))
        return self._observe(self._state), {}

    @torch.no_grad()
    def step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Advance every copy by one step; copies that end start their next episode in the same step."""
        if not self._state:
            raise RuntimeError("step before reset: call reset() once first")
        stepped, reward, terminated, truncated, ended = self._transition(actions)
        final_obs = self._observe(stepped)
        info = {"final_obs": final_obs, "final_info": self._metrics(stepped, terminated)}
        observation = self._observe(self._state) if ended else final_obs.clone()
        return observation, reward, terminated, truncated, info

    def _transition(self, actions: torch.Tensor) -> Transition:
        """Advance every copy and start the next episode of those that end, observing nothing."""
        stepped, reward, terminated = self._advance(self._state, actions)
        elapsed = self._elapsed + 1
        truncated = self._timed_out(stepped, elapsed) & ~terminated
        done = terminated | truncated
        numbers = self._draw()
        if self.device.type == "cpu" and not done.any():
            self._state, self._elapsed = stepped, elapsed
            return Transition(stepped, reward, terminated, truncated, False)
        self._state = self._restart(self._start(numbers), stepped, done)
        self._elapsed = elapsed.masked_fill(done, 0)
        return Transition(stepped, reward, terminated, truncated, True)

    def _begin_all(self, start: State) -> None:
        """Start an episode in every copy."""
        self._state = self._restart(start, start, torch.ones_like(self._elapsed, dtype=torch.bool))
        self._elapsed = torch.zeros_like(self._elapsed)

    def _restart(self, start: State, stepped: State, starting: torch.Tensor) -> State:
        """States of all copies once those of ``starting`` (``[K, N]`` bool) begin their next episode."""
        return {name: where(starting, start[name], stepped[name]) for name in start}

    def state_dict(self) -> dict[str, Any]:
        """Copies of the episodes' state, their ages in steps, and the random streams."""
        return {
            "state": {name: tensor.clone() for name, tensor in self._state.items()},
            "elapsed": self._elapsed.clone(),
            "streams": self._streams.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        self._state = {name: tensor.to(self.device, copy=True) for name, tensor in state["state"].items()}
        self._elapsed = state["elapsed"].to(self.device, copy=True)
        self._streams.load_state_dict(state["streams"])

    def close(self) -> None:
        """Let go of the episodes' state; there is nothing else to release."""
        self._state = {}


def where(mask: torch.Tensor, chosen: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """``chosen`` where the mask says so, else ``other``; the mask lacks their trailing axes."""
    return torch.where(mask.view(mask.shape + (1,) * (other.ndim - mask.ndim)), chosen, other)
