"""A point that steers through a plane with walls, rewarded for coming closer to the goal in a straight line.

Reward per step::

    progress_weight (|p - goal| - |p' - goal|) / |start - goal|
    + goal_bonus [reached]  +  decoy_weight / time_limit [p' in the trap]

so the return is the share of the straight line covered, the bonus and the share of time spent in the trap, weighted.
Reaching the goal terminates (there is nothing left to earn, so no bootstrap); the time limit truncates.
"""

from collections.abc import Sequence

import numpy as np
import torch

from envs.batched import State
from envs.maze.layout import Layout, deceptive_layout, open_layout
from envs.maze.options import DeceptiveOptions, OpenOptions
from envs.maze.point import PlanePoint


class PointMaze(PlanePoint):
    """One goal, and perhaps a trap on the straight line to it."""

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
        super().__init__(layout, num_envs=num_envs, seeds=seeds, device=device, options=options)
        self._options = options
        self._decoy_reward = decoy_weight / options.time_limit
        line = float(np.hypot(layout.goal[0] - layout.start[0], layout.goal[1] - layout.start[1]))
        self._progress_reward = options.progress_weight / line

    def _start(self, numbers: torch.Tensor) -> State:
        state = super()._start(numbers)
        return state | {"distance": self._distance(state["x"], state["y"])}

    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        moved = self._move(state, actions)
        distance = self._distance(moved["x"], moved["y"])
        reached = distance < self._options.goal_radius
        reward = (state["distance"] - distance) * self._progress_reward + self._options.goal_bonus * reached
        if self._decoy_reward:
            reward += self._decoy_reward * self._trapped(moved["x"], moved["y"])
        return moved | {"distance": distance}, reward, reached

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        trapped = self._trapped(state["x"], state["y"]).float()
        return {"success": terminated.float(), "trap": trapped, "coverage": self._coverage(state)}

    def _distance(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.hypot(x - self.layout.goal[0], y - self.layout.goal[1])

    def _trapped(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.layout.trap is None:
            return torch.zeros_like(x, dtype=torch.bool)
        x0, x1, y0, y1 = self.layout.trap
        return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)


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
