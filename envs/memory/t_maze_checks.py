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

from envs.batched import State
from envs.memory.options import TMazeOptions
from envs.memory.t_maze import CORRECT, DOWN, UP, WRONG
from envs.memory.table_world import Table, TableWorld
from envs.trials import Trials

CHECK = 0.1


def time_limit(length: int) -> int:
    """Steps of the longest episode."""
    return length * 3 // 2


class Checks(TableWorld):
    """T-LS-P1. Observation: is start, cue in cell 1 (+1 up, -1 down), is end, check. Task: the cue."""

    task_size = 1

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions
    ) -> None:
        super().__init__(
            _table(options.length),
            num_envs=num_envs,
            seeds=seeds,
            device=device,
            max_episode_steps=time_limit(options.length),
            observation_space=gymnasium.spaces.Box(
                np.array([0, -1, 0, -1], np.float32), np.array([1, 1, 1, 1], np.float32)
            ),
        )

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return (self._coin(numbers, 1) * 2.0 - 1).unsqueeze(-1)

    def _check_task(self, task: torch.Tensor) -> None:
        if not (task.abs() == 1).all():
            raise ValueError("the task of a T-Maze is made of +1 and -1")

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        return {"at": (task[..., 0] > 0) * 2 + self._coin(numbers, 2)}


def _table(length: int) -> Table:
    """States (cell, cue, check); every step draws the next check."""
    end = length - 1
    after = torch.zeros(length, 2, 2, 4, 2, dtype=torch.int64)
    reward = torch.zeros(length, 2, 2, 4)
    over = torch.zeros(length, 2, 2, 4, dtype=torch.bool)
    views = torch.zeros(length, 2, 2, 4)
    views[0, ..., 0] = views[end, ..., 2] = 1
    views[1, 0, :, 1], views[1, 1, :, 1] = -1, 1
    views[:, :, 0, 3], views[:, :, 1, 3] = -1, 1
    for cell in range(length):
        for up, check in ((0, 0), (0, 1), (1, 0), (1, 1)):
            answer = UP if check else DOWN
            for action in range(4):
                moves = cell < end and action == answer
                for coin in (0, 1):
                    after[cell, up, check, action, coin] = (cell + moves) * 4 + up * 2 + coin
                reward[cell, up, check, action] = CHECK * moves
    reward[end, 0, :, UP] = reward[end, 1, :, DOWN] = WRONG
    reward[end, 1, :, UP] = reward[end, 0, :, DOWN] = CORRECT
    over[end, ..., UP:] = True
    states = 4 * length
    return Table(
        after.view(states, 4, 2),
        reward.view(states, 4),
        over.view(states, 4),
        views.view(states, 4),
        torch.arange(states),
    )


def make_checks(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions) -> Trials:
    """``memory/t_maze_checks``."""
    env = Checks(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="next_start")
