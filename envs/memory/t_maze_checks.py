"""The T-Maze with short-term checks: the corridor must be earned cell by cell while the cue is kept in mind.

The bit of every cell, +1 or -1 and drawn anew at every step, is no noise here: UP answers +1, DOWN answers -1. In the
corridor the right answer moves one cell on and pays 0.1, any other action changes nothing. At the end UP and DOWN
take an arm as in ``envs.memory.t_maze``, LEFT and RIGHT change nothing.

The published text leaves two things open and this is our choice: which action answers which bit, and that the check
stands where T-LN has its noise. Episodes are cut after one and a half corridor lengths, as all T-Mazes are (150 steps).
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch
from torch.nn.functional import embedding

from envs.batched import State
from envs.memory.options import TMazeOptions
from envs.memory.t_maze import CORRECT, DOWN, UP, WRONG
from envs.trials import TaskEnv, Trials

CHECK = 0.1


def time_limit(length: int) -> int:
    """Steps of the longest episode."""
    return length * 3 // 2


class Checks(TaskEnv):
    """T-LS-P1. Observation: is start, cue in cell 1 (+1 up, -1 down), is end, check. Task: the cue."""

    task_size = 1
    num_draws = 3
    """Check of the step, check of the start, task."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions
    ) -> None:
        limit = time_limit(options.length)
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=limit)
        self.observation_space = gymnasium.spaces.Box(
            np.array([0, -1, 0, -1], np.float32), np.array([1, 1, 1, 1], np.float32)
        )
        self.action_space = gymnasium.spaces.Discrete(4)
        self._end = options.length - 1
        self._cells = torch.zeros(options.length, 4, device=self.device)
        self._cells[0, 0] = self._cells[1, 1] = self._cells[self._end, 2] = 1
        self._one = torch.ones((), device=self.device)

    def _sign(self, numbers: torch.Tensor) -> torch.Tensor:
        return torch.copysign(self._one, numbers - 0.5)

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return self._sign(numbers[:, 2]).unsqueeze(-1)

    def _check_task(self, task: torch.Tensor) -> None:
        if not (task.abs() == 1).all():
            raise ValueError("the task of a T-Maze is made of +1 and -1")

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        return {"cell": torch.zeros_like(self._elapsed), "bit": self._sign(numbers[:, 1])}

    def _play(
        self, state: State, actions: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        at_end = state["cell"] == self._end
        answer = torch.where(state["bit"] > 0, UP, DOWN)
        moved = (actions == answer) & ~at_end
        decided = at_end & (actions >= UP)
        correct = (actions == UP) == (state["task"][..., 0] > 0)
        reward = torch.where(correct, CORRECT, WRONG) * decided + CHECK * moved
        return {"cell": state["cell"] + moved, "bit": self._sign(numbers[:, 0])}, reward, decided

    def _observe(self, state: State) -> torch.Tensor:
        observation = embedding(state["cell"], self._cells)
        observation[..., 1] *= state["task"][..., 0]
        observation[..., 3] = state["bit"]
        return observation


def make_checks(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions) -> Trials:
    """``memory/t_maze_checks``."""
    env = Checks(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="next_start")
