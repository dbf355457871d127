"""Symbolic MC-LS: a signal, sixteen rooms that keep one busy, a decision that asks for the signal.

* Signal: green or red; only ``right`` moves on.
* A room of type 0 or 1, drawn anew in every episode: (0,0) forward (0,1), then left or right to (-1,1) or (1,1),
  forward twice, inward to (0,3), forward into the next room. Both sides lead on.
* End: ``right`` is correct after green, ``left`` after red: +4, else -3. Forward does nothing.

Every move pays 0.1 but the one that chooses a side, which pays 0.1 only where the side matches the type (1 right,
0 left); an action that does not move pays nothing. The whole world is one table, indexed by (place, type, signal).
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch
from torch.nn.functional import embedding

from envs.batched import State
from envs.memory import mc_views
from envs.memory.options import MCLSOptions
from envs.trials import TaskEnv, Trials

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


class MCLS(TaskEnv):
    """Observation: the 300 numbers of the view. Task: the signal, +1 green, -1 red."""

    task_size = 1
    num_draws = 2
    """Type of a room that is entered, task."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: MCLSOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.time_limit)
        self.observation_space = gymnasium.spaces.Box(-1.0, 1.0, (mc_views.SIZE,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(3)
        self._rooms = options.rooms
        self._views = _view_table().to(self.device)
        flags = torch.zeros(2, len(self._views), 1, device=self.device)
        flags[1] = 1
        self._flagged_views = torch.cat((self._views.expand(2, -1, -1), flags), -1).flatten(0, 1)
        self._next = torch.tensor(
            [[MOVES.get((place, action), place) for action in range(3)] for place in range(11)], device=self.device
        )
        self._rewards = _reward_table().to(self.device)

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return torch.where(numbers[:, 1] < 0.5, 1.0, -1.0).unsqueeze(-1)

    def _check_task(self, task: torch.Tensor) -> None:
        if not (task.abs() == 1).all():
            raise ValueError("the task of MC-LS is +1 (green) or -1 (red)")

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        nothing = torch.zeros_like(self._elapsed)
        return {"place": nothing, "room": nothing, "type": nothing, "green": (task[..., 0] > 0).long()}

    def _play(
        self, state: State, actions: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        place = state["place"]
        moved_to = self._next.take(place * 3 + actions)
        entered = (moved_to == ENTRY) & (place != ENTRY)
        room = state["room"] + entered  # counts from 1 at the first room
        reward = self._rewards.take(self._seen(state) * 3 + actions)
        # The published time-out counts from 1 and cuts the step after: its last step pays nothing.
        reward = reward.masked_fill(self._elapsed == self.max_episode_steps - 1, 0)
        stepped = {
            "place": moved_to.masked_fill(room > self._rooms, END),
            "room": room,
            "type": torch.where(entered, (numbers[:, 0] < 0.5).long(), state["type"]),
            "green": state["green"],
        }
        return stepped, reward, (place == END) & (actions != FORWARD)

    def _observe(self, state: State) -> torch.Tensor:
        return embedding(self._seen(state), self._views)

    def _observe_flagged(self, state: State, flag: torch.Tensor) -> torch.Tensor:
        return embedding(self._seen(state) + len(self._views) * flag.long(), self._flagged_views)

    @staticmethod
    def _seen(state: State) -> torch.Tensor:
        """Index of (place, type, signal) in the tables, ``[K, N]``."""
        return state["place"] * 4 + state["type"] * 2 + state["green"]


def _view_table() -> torch.Tensor:
    """What is seen, ``[44, 300]``: rows (place, type, signal), signal 1 for green."""
    green, red = mc_views.signals()
    rows = [red, green, red, green]
    for place in range(ENTRY, END):
        zero, one = mc_views.typed_cell(TYPED[place]) if place in TYPED else (mc_views.cell(PLAIN[place]),) * 2
        rows += [zero, zero, one, one]
    return torch.tensor(rows + [mc_views.end()] * 4, dtype=torch.float32)


def _reward_table() -> torch.Tensor:
    """What is earned, ``[11, 2, 2, 3]``: (place, type, signal, action)."""
    rewards = torch.zeros(11, 2, 2, 3)
    for place, action in MOVES:
        rewards[place, :, :, action] = MOVE
    rewards[FORK, 0, :, RIGHT] = rewards[FORK, 1, :, LEFT] = 0
    for signal, action in ((0, LEFT), (1, RIGHT)):
        rewards[END, :, signal, [LEFT, RIGHT]] = WRONG
        rewards[END, :, signal, action] = CORRECT
    return rewards


def make_mc_ls(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: MCLSOptions) -> Trials:
    """``memory/mc_ls``."""
    env = MCLS(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="next_start")
