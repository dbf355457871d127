"""Symbolic MC-LS: a signal, sixteen rooms that keep one busy, a decision that asks for the signal.

* Signal: green or red; only ``right`` moves on.
* A room of type 0 or 1, drawn anew in every episode: (0,0) forward (0,1), then left or right to (-1,1) or (1,1),
  forward twice, inward to (0,3), forward into the next room. Both sides lead on.
* End: ``right`` is correct after green, ``left`` after red: +4, else -3. Forward does nothing.

Every move pays 0.1 but the one that chooses a side, which pays 0.1 only where the side matches the type (1 right,
0 left); an action that does not move pays nothing.
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch

from envs.batched import State
from envs.memory import mc_views
from envs.memory.options import MCLSOptions
from envs.memory.table_world import Table, TableWorld
from envs.trials import Trials

LEFT, FORWARD, RIGHT = range(3)
SIGNAL, ENTRY, FORK, LEFT_1, RIGHT_1, LEFT_2, RIGHT_2, LEFT_3, RIGHT_3, EXIT, END = range(11)
MOVE = 0.1
CORRECT = 4.0
WRONG = -3.0
MOVES = {
    (SIGNAL, RIGHT): ENTRY,
    (ENTRY, FORWARD): FORK,
    (FORK, LEFT): LEFT_1,
    (FORK, RIGHT): RIGHT_1,
    (LEFT_1, FORWARD): LEFT_2,
    (RIGHT_1, FORWARD): RIGHT_2,
    (LEFT_2, FORWARD): LEFT_3,
    (RIGHT_2, FORWARD): RIGHT_3,
    (LEFT_3, RIGHT): EXIT,
    (RIGHT_3, LEFT): EXIT,
    (EXIT, FORWARD): ENTRY,
}
"""(place, action) -> place; what is not listed does not move. Leaving the last room's exit leads to the end."""
TYPED = {ENTRY: "entry", FORK: "fork", LEFT_1: "left 1", RIGHT_1: "right 1"}
PLAIN = {LEFT_2: "left 2", RIGHT_2: "right 2", LEFT_3: "left 3", RIGHT_3: "right 3", EXIT: "exit"}


class MCLS(TableWorld):
    """Observation: the 300 numbers of the view. Task: the signal, +1 green, -1 red."""

    task_size = 1

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: MCLSOptions
    ) -> None:
        super().__init__(
            _table(options.rooms),
            num_envs=num_envs,
            seeds=seeds,
            device=device,
            max_episode_steps=options.time_limit,
            observation_space=gymnasium.spaces.Box(-1.0, 1.0, (mc_views.SIZE,), np.float32),
        )

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return (self._coin(numbers, 1) * 2.0 - 1).unsqueeze(-1)

    def _check_task(self, task: torch.Tensor) -> None:
        if not (task.abs() == 1).all():
            raise ValueError("the task of MC-LS is +1 (green) or -1 (red)")

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        return {"at": (task[..., 0] > 0).long()}  # the signal comes first in the table

    def _play(
        self, state: State, actions: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        stepped, reward, over = super()._play(state, actions, numbers)
        # The published time-out counts from 1 and cuts the step after: its last step pays nothing.
        return stepped, reward * (self._elapsed != self.max_episode_steps - 1), over


def _table(rooms: int) -> Table:
    """States (place, type of the room, signal), places (signal, nine per room, end), signal 1 for green."""
    places = [(SIGNAL, 0), *((place, room) for room in range(rooms) for place in range(ENTRY, END)), (END, rooms)]
    index = {place: number for number, place in enumerate(places)}
    size = (len(places), 2, 2)
    after, over = torch.zeros(*size, 3, 2, dtype=torch.int64), torch.zeros(*size, 3, dtype=torch.bool)
    reward, shown = torch.zeros(*size, 3), torch.zeros(size, dtype=torch.int64)
    for number, (place, room) in enumerate(places):
        for kind, green in ((0, 0), (0, 1), (1, 0), (1, 1)):
            shown[number, kind, green] = place * 4 + kind * 2 + green
            for action in (LEFT, FORWARD, RIGHT):
                reached = MOVES.get((place, action), place)
                entered = reached == ENTRY and place != ENTRY
                next_room = room + (place == EXIT and entered)
                end = next_room == rooms
                to = index[END, rooms] if end else index[reached, next_room]
                for coin in (0, 1):
                    after[number, kind, green, action, coin] = to * 4 + (coin if entered else kind) * 2 + green
                wrong_side = place == FORK and action == (LEFT if kind else RIGHT)
                reward[number, kind, green, action] = MOVE * (reached != place and not wrong_side)
    over[-1, ..., [LEFT, RIGHT]] = True
    reward[-1, :, 0, LEFT] = reward[-1, :, 1, RIGHT] = CORRECT
    reward[-1, :, 1, LEFT] = reward[-1, :, 0, RIGHT] = WRONG
    states = 4 * len(places)
    return Table(after.view(states, 3, 2), reward.view(states, 3), over.view(states, 3), _views(), shown.view(states))


def _views() -> torch.Tensor:
    """What is seen, ``[44, 300]``: rows (place, type, signal)."""
    green, red = mc_views.signals()
    rows = [red, green, red, green]
    for place in range(ENTRY, END):
        zero, one = mc_views.typed_cell(TYPED[place]) if place in TYPED else (mc_views.cell(PLAIN[place]),) * 2
        rows += [zero, zero, one, one]
    return torch.tensor(rows + [mc_views.end()] * 4, dtype=torch.float32)


def make_mc_ls(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: MCLSOptions) -> Trials:
    """``memory/mc_ls``."""
    env = MCLS(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="next_start")
