"""GridNavi (Zintgraf et al. 2020): search a small grid for an invisible goal, then walk straight to it.

Reward of a step: 1 where it leads to the goal or stays there, else -0.1 (``dense``: minus the distance to the goal in
moves, divided by the side of the grid). An episode lasts 15 steps and starts in the corner (0, 0).
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch
from torch.nn.functional import embedding

from envs.batched import State
from envs.lockstep import LockstepEnv
from envs.memory.options import GridNaviOptions
from envs.trials import Trials

STAY, UP, RIGHT, DOWN, LEFT = range(5)
DIRECTIONS = ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0))
"""Change of (x, y) by each action; at the border nothing moves."""
ON_GOAL = 1.0
OFF_GOAL = -0.1


class GridNavi(LockstepEnv):
    """Observation: (x, y). Task: (x, y) of the goal, any cell that does not touch the start, corners included."""

    task_size = 2
    num_draws = 0
    num_start_draws = 1

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: GridNaviOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.steps)
        size = options.size
        self.observation_space = gymnasium.spaces.Box(0.0, float(size - 1), (2,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(5)
        self._size, self._show_goal = size, options.show_goal
        cells = [(x, y) for x in range(size) for y in range(size)]
        self._cells = torch.tensor(cells, dtype=torch.float32, device=self.device)
        self._goals = self._cells[self._cells.amax(-1) > 1]
        after = [[_clip(x + dx, size) * size + _clip(y + dy, size) for dx, dy in DIRECTIONS] for x, y in cells]
        distances = (self._cells[:, None] - self._cells).abs().sum(-1)
        off_goal = -distances / size if options.dense else torch.full_like(distances, OFF_GOAL)
        self._next = torch.tensor(after, device=self.device)
        self._rewards = torch.where(distances == 0, ON_GOAL, off_goal)
        """Of (goal, cell stepped to)."""

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return embedding((numbers[:, 0] * len(self._goals)).long(), self._goals)

    def _check_task(self, task: torch.Tensor) -> None:
        if not (task.unsqueeze(-2) == self._goals).all(-1).any(-1).all():
            raise ValueError("the task of GridNavi is a goal (x, y) in the grid that does not touch the start")

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        goal = task.long() @ torch.tensor([self._size, 1], device=self.device)
        return {"cell": torch.zeros_like(goal), "goal": goal * self._size**2}

    def _play_together(self, state: State, actions: torch.Tensor, numbers: torch.Tensor) -> tuple[State, torch.Tensor]:
        cell = self._next.take(torch.add(actions, state["cell"], alpha=5))
        return {"cell": cell, "goal": state["goal"]}, self._rewards.take(state["goal"] + cell)

    def _observe(self, state: State) -> torch.Tensor:
        position = embedding(state["cell"], self._cells)
        if self._show_goal:
            return torch.where((state["cell"] == 0).unsqueeze(-1), state["task"], position)
        return position


def _clip(coordinate: int, size: int) -> int:
    return min(max(coordinate, 0), size - 1)


def make_gridnavi(
    *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: GridNaviOptions
) -> Trials:
    """``memory/gridnavi``."""
    env = GridNavi(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="terminal")
