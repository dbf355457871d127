"""Pendulum swing-up with the dynamics, reward and start states of gymnasium's Pendulum-v1, as tensor operations."""

from collections.abc import Sequence
from math import pi

import gymnasium
import numpy as np
import torch

from envs.batched import BatchedEnv, State
from envs.control import PendulumOptions

MAX_SPEED = 8.0
"""Radians per second."""
MAX_TORQUE = 2.0
DT = 0.05
"""Seconds per step."""
GRAVITY = 10.0
UPRIGHT = 0.25
"""An episode ends upright within this angle of the top, radians."""


class Pendulum(BatchedEnv):
    """A rod of 1 kg and 1 m. Observation: cosine, sine (0 rad is up) and speed; action: torque in [-2, 2]."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: PendulumOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.time_limit)
        high = np.array([1.0, 1.0, MAX_SPEED], np.float32)
        self.observation_space = gymnasium.spaces.Box(-high, high)
        self.action_space = gymnasium.spaces.Box(-MAX_TORQUE, MAX_TORQUE, (1,), np.float32)

    def _draw(self) -> torch.Tensor:
        return self._streams.uniform(2, self.num_envs) * 2 - 1

    def _start(self, numbers: torch.Tensor) -> State:
        return {"angle": numbers[:, 0] * pi, "speed": numbers[:, 1].clone()}

    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        angle, speed = state["angle"], state["speed"]
        torque = actions[..., 0].clamp(-MAX_TORQUE, MAX_TORQUE)
        cost = _wrapped(angle) ** 2 + 0.1 * speed**2 + 0.001 * torque**2
        # theta'' = 3 g sin(theta) / (2 l) + 3 u / (m l^2), with m = l = 1
        speed = (speed + (1.5 * GRAVITY * angle.sin() + 3 * torque) * DT).clamp(-MAX_SPEED, MAX_SPEED)
        angle = angle + speed * DT
        return {"angle": angle, "speed": speed}, -cost, torch.zeros_like(angle, dtype=torch.bool)

    def _observe(self, state: State) -> torch.Tensor:
        return torch.stack((state["angle"].cos(), state["angle"].sin(), state["speed"]), -1)

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"upright": (_wrapped(state["angle"]).abs() < UPRIGHT).float()}


def _wrapped(angle: torch.Tensor) -> torch.Tensor:
    """The same angle in [-pi, pi)."""
    return (angle + pi) % (2 * pi) - pi
