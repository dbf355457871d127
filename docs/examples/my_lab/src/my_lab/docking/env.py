"""Docking: a boat on a line, pushed by its thruster and by the current, must come to rest at the quay."""

from typing import Any

import gymnasium
import numpy as np
import torch

from envs.streams import Streams
from my_lab.docking import DockingOptions

DT = 0.2
"""Seconds per step, semi-implicit Euler."""
SEA = 2.0
"""The boat is lost beyond this distance from the quay, metres."""
CLOSE, SLOW = 0.1, 0.1
"""Docked: within so many metres of the quay, at most so many metres per second."""


class Docking:
    """N boats of one seed; see ``envs.seed_stack.SingleSeedEnv``.

    Observation: position and velocity. Action: thrust in [-1, 1]. Reward: minus the squared distance, per second; a
    lost boat pays for the rest of its episode at once.
    """

    critic_observation_space = None
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, *, num_envs: int, seed: int, device: torch.device | str, options: DockingOptions) -> None:
        self.num_envs, self.device = num_envs, torch.device(device)
        self.max_episode_steps = options.time_limit
        self._options = options
        self._stream = Streams([seed], "docking", self.device)
        self._state = self._start()
        self._elapsed = torch.zeros(num_envs, dtype=torch.int64, device=self.device)

    def _start(self) -> torch.Tensor:
        """Start states, ``[N, 2]``: somewhere near the quay, at rest."""
        place = (self._stream.uniform(self.num_envs)[0] * 2 - 1) * self._options.start
        return torch.stack((place, torch.zeros_like(place)), -1)

    def reset(self) -> tuple[torch.Tensor, dict[str, Any]]:
        """Start every boat from a fresh episode."""
        self._state = self._start()
        self._elapsed = torch.zeros_like(self._elapsed)
        return self._state.clone(), {}

    def step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Advance every boat by one step; actions ``[N, 1]``."""
        position, velocity = self._state.unbind(-1)
        velocity = velocity + DT * (actions[:, 0].clamp(-1, 1) + self._options.current)
        position = position + DT * velocity
        elapsed = self._elapsed + 1
        terminated = position.abs() > SEA
        truncated = (elapsed >= self.max_episode_steps) & ~terminated
        left = (self.max_episode_steps - elapsed) * terminated
        reward = -DT * (position**2 + left * SEA**2)
        docked = (position.abs() < CLOSE) & (velocity.abs() < SLOW)

        final = torch.stack((position, velocity), -1)
        done = terminated | truncated
        # Start states are drawn at every step, for every boat: what a seed draws never depends on what its boats did.
        self._state = torch.where(done.unsqueeze(-1), self._start(), final)
        self._elapsed = elapsed.masked_fill(done, 0)
        info = {"final_obs": final, "final_info": {"docked": docked.float()}}
        return self._state.clone(), reward, terminated, truncated, info

    def state_dict(self) -> dict[str, Any]:
        """Everything the next step depends on, as copies."""
        return {
            "state": self._state.clone(),
            "elapsed": self._elapsed.clone(),
            "stream": self._stream.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        self._state = state["state"].to(self.device, copy=True)
        self._elapsed = state["elapsed"].to(self.device, copy=True)
        self._stream.load_state_dict(state["stream"])

    def close(self) -> None:
        """There is nothing to release."""
