"""Planning Game (Ritter et al. 2021): find one's way on a small torus whose places carry new labels in every trial.

The agent sees the label of its place and the label of the goal. ``collect`` on the goal pays 1 and moves the goal to
another place; the agent stays where it is. An episode lasts 100 steps. In the blind variant the only observation is
whether the agent stands on the goal.
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch
from torch.nn.functional import embedding

from envs.batched import State
from envs.lockstep import LockstepEnv
from envs.memory.options import PlanningOptions
from envs.trials import Trials

UP, DOWN, LEFT, RIGHT, COLLECT = range(5)
DIRECTIONS = ((0, 1), (0, -1), (-1, 0), (1, 0), (0, 0))
"""Change of (x, y) by each action; place ``x * size + y``."""


class PlanningGame(LockstepEnv):
    """Observation: one-hot label of the place, one-hot label of the goal. Task: the label of every place."""

    num_draws = 1
    """Next goal."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: PlanningOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.steps)
        self.task_size = self._places = options.size**2
        self.num_start_draws = 2 + self._places  # place, goal, labels
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (2 * self._places,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(5)
        self._next = torus(options.size).to(self.device)
        self._one_hot = torch.eye(self._places, device=self.device)

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return numbers[:, 2:].transpose(1, 2).argsort(-1).float()

    def _check_task(self, task: torch.Tensor) -> None:
        if not torch.equal(task.sort(-1).values, torch.arange(self._places, device=self.device).expand_as(task)):
            raise ValueError(f"the task of the Planning Game is a permutation of the labels 0 to {self._places - 1}")

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        place = (numbers[:, 0] * self._places).long()
        return {"place": place, "goal": self._another(place, numbers[:, 1]), "labels": task.long()}

    def _another(self, place: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """One of the other places, all equally likely, ``[K, N]``."""
        return (place + (numbers * (self._places - 1)).long() + 1) % self._places

    def _play_together(self, state: State, actions: torch.Tensor, numbers: torch.Tensor) -> tuple[State, torch.Tensor]:
        place, goal = state["place"], state["goal"]
        collected = (place == goal) & (actions == COLLECT)
        stepped = {
            "place": self._next.take(torch.add(actions, place, alpha=5)),
            "goal": torch.where(collected, self._another(goal, numbers[:, 0]), goal),
            "labels": state["labels"],
        }
        return stepped, collected.float()

    def _observe(self, state: State) -> torch.Tensor:
        shown = state["labels"].gather(-1, torch.stack((state["place"], state["goal"]), -1))
        return embedding(shown, self._one_hot).flatten(-2)


class BlindPlanningGame(PlanningGame):
    """Observation: 1 on the goal, else 0."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: PlanningOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)

    def _observe(self, state: State) -> torch.Tensor:
        return (state["place"] == state["goal"]).float().unsqueeze(-1)


def torus(size: int) -> torch.Tensor:
    """Place after each action, ``[size**2, 5]`` int64."""
    return torch.tensor(
        [[(x + dx) % size * size + (y + dy) % size for dx, dy in DIRECTIONS] for x in range(size) for y in range(size)]
    )


def make_planning_game(
    *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: PlanningOptions
) -> Trials:
    """``memory/planning_game``."""
    env = PlanningGame(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="terminal")


def make_blind(*, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: PlanningOptions) -> Trials:
    """``memory/planning_game_blind``."""
    env = BlindPlanningGame(num_envs=num_envs, seeds=seeds, device=device, options=options)
    return Trials(env, episodes=options.episodes, boundary="terminal")
