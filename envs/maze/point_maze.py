"""A point that steers through a plane with walls, rewarded for coming closer to the goal in a straight line.

Reward per step::

    progress_weight (|p - goal| - |p' - goal|) / |start - goal|
    + goal_bonus [reached]  +  decoy_weight / time_limit [p' in the trap]

so the return is the share of the straight line covered, the bonus and the share of time spent in the trap, weighted.
Reaching the goal terminates (there is nothing left to earn, so no bootstrap); the time limit truncates. The observation
is position, velocity in units of the top speed, and the free distance to the left, right, below and above in half
arenas.
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch

from envs.batched import BatchedEnv, State
from envs.maze.layout import Layout, deceptive_layout, open_layout
from envs.maze.options import DeceptiveOptions, OpenOptions
from envs.maze.walls import Walls

CELLS = 8
"""The arena is cut into 8 x 8 cells for the metric ``coverage``: one bit each of an int64."""


class PointMaze(BatchedEnv):
    """K x N points in one layout. Actions: commanded velocity in units of the top speed, clipped to [-1, 1]^2."""

    def __init__(
        self,
        layout: Layout,
        *,
        num_envs: int,
        seeds: Sequence[int],
        device: torch.device | str,
        options: OpenOptions,
        decoy_weight: float = 0.0,
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.time_limit)
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (8,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.layout = layout
        self._options = options
        self._decoy_reward = decoy_weight / options.time_limit
        self._walls = Walls(layout.walls, self.device)
        line = float(np.hypot(layout.goal[0] - layout.start[0], layout.goal[1] - layout.start[1]))
        self._progress_reward = options.progress_weight / line

    def _draw(self) -> torch.Tensor:
        return self._streams.uniform(2, self.num_envs)

    def _start(self, numbers: torch.Tensor) -> State:
        noise = (numbers * 2 - 1) * self._options.start_noise
        x, y = noise[:, 0] + self.layout.start[0], noise[:, 1] + self.layout.start[1]
        state = {"x": x, "y": y, "vx": torch.zeros_like(x), "vy": torch.zeros_like(x), "distance": self._distance(x, y)}
        return self._visit(state | {"visited": torch.zeros_like(x, dtype=torch.int64), "cells": torch.zeros_like(x)})

    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        command = actions.clamp(-1, 1) * (self._options.speed * self._options.response)
        inertia = 1 - self._options.response
        old_x, old_y = state["x"], state["y"]
        x = (old_x + state["vx"] * inertia + command[..., 0]).clamp(*self._walls.reach(0, old_x, old_y))
        y = (old_y + state["vy"] * inertia + command[..., 1]).clamp(*self._walls.reach(1, old_y, x))
        distance = self._distance(x, y)
        reached = distance < self._options.goal_radius
        reward = (state["distance"] - distance) * self._progress_reward + self._options.goal_bonus * reached
        if self._decoy_reward:
            reward += self._decoy_reward * self._trapped(x, y)
        # The velocity is what the walls left of it: a blocked point stops.
        moved = state | {"x": x, "y": y, "vx": x - old_x, "vy": y - old_y, "distance": distance}
        return self._visit(moved), reward, reached

    def _observe(self, state: State) -> torch.Tensor:
        x, y = state["x"], state["y"]
        left, right = self._walls.reach(0, x, y)
        below, above = self._walls.reach(1, y, x)
        top = 1 / self._options.speed
        distances = ((x - left) / 2, (right - x) / 2, (y - below) / 2, (above - y) / 2)
        return torch.stack((x, y, state["vx"] * top, state["vy"] * top, *distances), -1)

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        return {
            "success": terminated.float(),
            "trap": self._trapped(state["x"], state["y"]).float(),
            "coverage": state["cells"] / CELLS**2,
        }

    def _distance(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.hypot(x - self.layout.goal[0], y - self.layout.goal[1])

    def _trapped(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.layout.trap is None:
            return torch.zeros_like(x, dtype=torch.bool)
        x0, x1, y0, y1 = self.layout.trap
        return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)

    def _visit(self, state: State) -> State:
        """Count the cell each point stands in, once per episode."""
        column = ((state["x"] + 1) * (CELLS / 2)).long().clamp_(0, CELLS - 1)
        row = ((state["y"] + 1) * (CELLS / 2)).long().clamp_(0, CELLS - 1)
        cell = row * CELLS + column
        known = (state["visited"] >> cell) & 1
        visited = state["visited"] | (torch.ones_like(cell) << cell)
        return state | {"visited": visited, "cells": state["cells"] + (1 - known)}


def make_deceptive(
    *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: DeceptiveOptions
) -> PointMaze:
    """``maze/deceptive``: the goal lies behind a dead end."""
    return PointMaze(
        deceptive_layout(options),
        num_envs=num_envs,
        seeds=seeds,
        device=device,
        options=options,
        decoy_weight=options.decoy_weight,
    )


def make_open(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: OpenOptions) -> PointMaze:
    """``maze/open``: nothing between start and goal."""
    return PointMaze(open_layout(options), num_envs=num_envs, seeds=seeds, device=device, options=options)
