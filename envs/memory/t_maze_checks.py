"""The T-Maze with short-term checks: the corridor must be earned cell by cell while the cue is kept in mind.

The bit of every cell, +1 or -1 and drawn anew at every step, is no noise here: UP answers +1, DOWN answers -1. In the
corridor the right answer moves one cell on and pays 0.1, any other action changes nothing. At the end UP and DOWN
take an arm as in ``envs.memory.t_maze``, LEFT and RIGHT change nothing.

The published text leaves two things open and this is our choice: which action answers which bit, and that the check
stands where T-LN has its noise. Episodes are cut after one and a half corridor lengths, as all T-Mazes are (150 steps).
"""

from collections.abc import Sequence

import torch

from envs.batched import State
from envs.memory.options import TMazeOptions
from envs.memory.t_maze import CORRECT, DOWN, UP, WRONG, TMaze
from envs.trials import Trials

CHECK = 0.1


def time_limit(length: int) -> int:
    """Steps of the longest episode."""
    return length * 3 // 2


class Checks(TMaze):
    """T-LS-P1: observation and task as in T-LN-P1, with the check in place of the noise bit."""

    fixed_length = False

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)
        self.max_episode_steps = time_limit(options.length)

    def _play(
        self, state: State, actions: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        at_end = state["cell"] == self._end
        upwards = actions == UP
        answer = torch.where(state["bit"] > 0, UP, DOWN)
        moved = (actions == answer) & ~at_end
        decided = at_end & (upwards | (actions == DOWN))
        decision = torch.where(upwards == self._up(state["task"]), CORRECT, WRONG)
        stepped = {"cell": state["cell"] + moved, "bit": self._bit(numbers[:, 0], state["task"])}
        return stepped, decision * decided + CHECK * moved, decided


def make_checks(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: TMazeOptions) -> Trials:
    """``memory/t_maze_checks``."""
    env = Checks(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="next_start")
