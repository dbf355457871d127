"""Four arms, three of them decoys: many local optima, each of which holds whoever chose it.

The return of an episode is what the place where it ends is worth (rewards are its differences)::

    best arm (right)   best_worth * depth ** steepness      little at first, most at its end
    other arms         decoy_worth * depth                  at once

A policy whose noise does not reach deep into the best arm is paid for walking into a decoy, and then every step back
costs. Policies that differ choose different arms, so one of several finds the best arm more often than one alone. The
time limit truncates; nothing terminates.
"""

from collections.abc import Sequence

import torch

from envs.batched import State
from envs.maze.layout import crossroads_layout
from envs.maze.options import CrossroadsOptions
from envs.maze.point import PlanePoint

_DEEP = 0.8
"""An episode that ends deeper than this has chosen its arm."""


class Crossroads(PlanePoint):
    """``maze/crossroads``."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: CrossroadsOptions
    ) -> None:
        super().__init__(crossroads_layout(options), num_envs=num_envs, seeds=seeds, device=device, options=options)
        self._options = options

    def _start(self, numbers: torch.Tensor) -> State:
        state = super()._start(numbers)
        return state | {"worth": self._worth(state)}

    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        moved = self._move(state, actions)
        worth = self._worth(moved)
        return moved | {"worth": worth}, worth - state["worth"], torch.zeros_like(worth, dtype=torch.bool)

    def _worth(self, state: State) -> torch.Tensor:
        best = self._options.best_worth * state["x"].clamp(min=0) ** self._options.steepness
        return torch.maximum(best, self._options.decoy_worth * self._decoy_depth(state))

    def _decoy_depth(self, state: State) -> torch.Tensor:
        return torch.maximum(-state["x"], state["y"].abs()).clamp(min=0)

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        return {
            "success": (state["x"] > _DEEP).float(),
            "decoy": (self._decoy_depth(state) > _DEEP).float(),
            "coverage": self._coverage(state),
        }
