"""A point that steers through a walled square: what all mazes share. Tasks add reward and figures.

The observation is position, velocity in units of the top speed, and the free distance to the left, right, below and
above in half arenas.
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch

from envs.batched import BatchedEnv, State
from envs.maze.layout import Layout
from envs.maze.options import PointOptions
from envs.maze.walls import Walls

CELLS = 8
"""The arena is cut into 8 x 8 cells for the metric ``coverage``: one bit each of an int64."""


class PlanePoint(BatchedEnv):
    """K x N points in one layout. Actions: commanded velocity in units of the top speed, clipped to [-1, 1]^2."""

    def __init__(
        self,
        layout: Layout,
        *,
        num_envs: int,
        seeds: Sequence[int],
        device: torch.device | str,
        options: PointOptions,
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.time_limit)
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (8,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.layout = layout
        self._motion = options
        self._walls = Walls(layout.walls, self.device)

    def _draw(self) -> torch.Tensor:
        return self._streams.uniform(2, self.num_envs)

    def _start(self, numbers: torch.Tensor) -> State:
        noise = (numbers * 2 - 1) * self._motion.start_noise
        x, y = noise[:, 0] + self.layout.start[0], noise[:, 1] + self.layout.start[1]
        rest = {"vx": torch.zeros_like(x), "vy": torch.zeros_like(x), "visited": torch.zeros_like(x, dtype=torch.int64)}
        return self._visit({"x": x, "y": y, "cells": torch.zeros_like(x), **rest})

    def _move(self, state: State, actions: torch.Tensor) -> State:
        """Where the commanded velocity and the walls bring each point."""
        command = actions.clamp(-1, 1) * (self._motion.speed * self._motion.response)
        inertia = 1 - self._motion.response
        old_x, old_y = state["x"], state["y"]
        x = (old_x + state["vx"] * inertia + command[..., 0]).clamp(*self._walls.reach(0, old_x, old_y))
        y = (old_y + state["vy"] * inertia + command[..., 1]).clamp(*self._walls.reach(1, old_y, x))
        # The velocity is what the walls left of it: a blocked point stops.
        return self._visit(state | {"x": x, "y": y, "vx": x - old_x, "vy": y - old_y})

    def _observe(self, state: State) -> torch.Tensor:
        x, y = state["x"], state["y"]
        left, right = self._walls.reach(0, x, y)
        below, above = self._walls.reach(1, y, x)
        top = 1 / self._motion.speed
        distances = ((x - left) / 2, (right - x) / 2, (y - below) / 2, (above - y) / 2)
        return torch.stack((x, y, state["vx"] * top, state["vy"] * top, *distances), -1)

    def _coverage(self, state: State) -> torch.Tensor:
        """Share of the arena's cells the episode has visited, ``[K, N]``."""
        return state["cells"] / CELLS**2

    def _visit(self, state: State) -> State:
        """Count the cell each point stands in, once per episode."""
        column = ((state["x"] + 1) * (CELLS / 2)).long().clamp_(0, CELLS - 1)
        row = ((state["y"] + 1) * (CELLS / 2)).long().clamp_(0, CELLS - 1)
        cell = row * CELLS + column
        known = (state["visited"] >> cell) & 1
        visited = state["visited"] | (torch.ones_like(cell) << cell)
        return state | {"visited": visited, "cells": state["cells"] + (1 - known)}
