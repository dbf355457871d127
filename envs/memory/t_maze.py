"""T-Mazes: a long corridor, one decision at its end, and the cue that decides it long gone.

Every step but the last moves one cell to the right whatever the action; at the end LEFT and UP take the upper arm,
RIGHT and DOWN the lower one: +4 for the right arm, -3 for the other, 0 on all other steps. Nothing tells the cell
between the ends. A bit of noise, +1 or -1, is shown in every cell and drawn anew at every step.
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch

from envs.batched import State
from envs.lockstep import LockstepEnv
from envs.memory.options import TMazeOptions
from envs.trials import Trials

LEFT, RIGHT, UP, DOWN = range(4)
CORRECT = 4.0
WRONG = -3.0


class TMaze(LockstepEnv):
    """T-LN-P1: the cue stands in cell 1 of every episode.

    Observation: is start, cue (+1 up, -1 down, 0 elsewhere), is end, noise bit. Task: the cue.
    """

    task_size = 1
    num_draws = 1
    """Bit."""
    num_start_draws = 2
    """Bit, task."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.length)
        self.observation_space = gymnasium.spaces.Box(
            np.array([0, -1, 0, -1], np.float32), np.array([1, 1, 1, 1], np.float32)
        )
        self.action_space = gymnasium.spaces.Discrete(4)
        self._end = options.length - 1
        self._cues = self._cue_cells(options.length)
        self._one = torch.ones((), device=self.device)

    def _cue_cells(self, length: int) -> tuple[int, ...]:
        """Where each parameter of the task is shown, if it is."""
        return (1,)

    def _up(self, task: torch.Tensor) -> torch.Tensor:
        """Whether the upper arm is the right one, ``[K, N]`` bool."""
        return task[..., 0] > 0

    def _bit(self, numbers: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        """The noise of one cell, ``[K, N]``."""
        return torch.copysign(self._one, numbers - 0.5)

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return torch.copysign(self._one, numbers[:, 1:].transpose(1, 2) - 0.5)

    def _check_task(self, task: torch.Tensor) -> None:
        if not (task.abs() == 1).all():
            raise ValueError("the task of a T-Maze is made of +1 and -1")

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        return {"seen": self._look(0, self._bit(numbers[:, 0], task), task)}

    def _play_together(self, state: State, actions: torch.Tensor, numbers: torch.Tensor) -> tuple[State, torch.Tensor]:
        task = state["task"]
        if self._age == self._end:
            upwards = actions & 1 == 0  # LEFT stands for UP, RIGHT for DOWN
            reward = torch.where(upwards == self._up(task), CORRECT, WRONG)
        else:
            reward = torch.zeros(self.num_seeds, self.num_envs, device=self.device)
        cell = min(self._age + 1, self._end)  # all copies walk alike: the cell is the age
        return {"seen": self._look(cell, self._bit(numbers[:, 0], task), task)}, reward

    def _look(self, cell: int, bit: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        """What is seen in a cell, ``[K, N, 4]``."""
        seen = torch.zeros(self.num_seeds, self.num_envs, 4, device=self.device)
        if cell == 0:
            seen[..., 0] = 1
        if cell in self._cues:
            seen[..., 1] = task[..., self._cues.index(cell)]
        if cell == self._end:
            seen[..., 2] = 1
        seen[..., 3] = bit
        return seen

    def _observe(self, state: State) -> torch.Tensor:
        return state["seen"].clone()


class Agreement(TMaze):
    """T-LN-P1-A50: a second cue in the middle; equal cues mean down, different ones up, so each alone says nothing."""

    task_size = 2
    num_start_draws = 3

    def _cue_cells(self, length: int) -> tuple[int, ...]:
        return (1, length // 2)

    def _up(self, task: torch.Tensor) -> torch.Tensor:
        return task[..., 0] != task[..., 1]


class Latent(TMaze):
    """T-LN-P1-LDp7p5: no cue; the bits are +1 with probability 0.7 where up is right, 0.5 where down is."""

    def _cue_cells(self, length: int) -> tuple[int, ...]:
        return ()

    def _bit(self, numbers: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        return torch.copysign(self._one, numbers - torch.where(self._up(task), 1 - 0.7, 1 - 0.5))


def make_t_maze(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions) -> Trials:
    """``memory/t_maze``."""
    env = TMaze(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="next_start")


def make_agreement(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions) -> Trials:
    """``memory/t_maze_agreement``."""
    env = Agreement(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="next_start")


def make_latent(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions) -> Trials:
    """``memory/t_maze_latent``."""
    env = Latent(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="next_start")
