"""Pole balancing with the dynamics, reward and start states of gymnasium's CartPole-v1, as tensor operations."""

from collections.abc import Sequence
from math import radians

import gymnasium
import numpy as np
import torch

from envs.batched import BatchedEnv, State
from envs.control import CartPoleOptions

GRAVITY = 9.8
POLE_MASS = 0.1
TOTAL_MASS = 1.1
HALF_LENGTH = 0.5
"""Metres."""
FORCE = 10.0
DT = 0.02
"""Seconds per step, explicit Euler."""
MAX_ANGLE = radians(12)
MAX_POSITION = 2.4


class CartPole(BatchedEnv):
    """Observation: cart position and velocity, pole angle and velocity; action 0 pushes left, 1 right; reward 1."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: CartPoleOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.time_limit)
        high = np.array([2 * MAX_POSITION, np.inf, 2 * MAX_ANGLE, np.inf], np.float32)
        self.observation_space = gymnasium.spaces.Box(-high, high)
        self.action_space = gymnasium.spaces.Discrete(2)

    def _draw(self) -> torch.Tensor:
        return self._streams.uniform(self.num_envs, 4)

    def _start(self, numbers: torch.Tensor) -> State:
        return {"cart": (numbers - 0.5) * 0.1}

    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        x, x_dot, theta, theta_dot = state["cart"].unbind(-1)
        force = (actions * 2 - 1) * FORCE
        cos, sin = theta.cos(), theta.sin()
        # Florian (2007), "Correct equations for the dynamics of the cart-pole system", eq. 23 and 24 without friction
        push = (force + POLE_MASS * HALF_LENGTH * theta_dot**2 * sin) / TOTAL_MASS
        theta_acc = (GRAVITY * sin - cos * push) / (HALF_LENGTH * (4 / 3 - POLE_MASS * cos**2 / TOTAL_MASS))
        x_acc = push - POLE_MASS * HALF_LENGTH * theta_acc * cos / TOTAL_MASS
        rates = torch.stack((x_dot, x_acc, theta_dot, theta_acc), -1)
        cart = state["cart"] + DT * rates
        fallen = (cart[..., 0].abs() > MAX_POSITION) | (cart[..., 2].abs() > MAX_ANGLE)
        return {"cart": cart}, torch.ones_like(x), fallen

    def _observe(self, state: State) -> torch.Tensor:
        return state["cart"].clone()
