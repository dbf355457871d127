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
        places = torch.arange(self._places, device=self.device)
        one_hot = torch.eye(self._places, device=self.device)
        self._views = torch.cat((one_hot.repeat_interleave(self._places, 0), one_hot.repeat(self._places, 1)), -1)
        """Of (label of the place, label of the goal)."""
        self._others = (places[:, None] + places[1:]) % self._places
        self._after = _table(torus(options.size).to(self.device), self._others)
        self._at_goal = one_hot.flatten()
        self._rewards = torch.stack([self._at_goal * (action == COLLECT) for action in range(5)], -1)
        """Of ((place, goal), action)."""

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return numbers[:, 2:].transpose(1, 2).argsort(-1).float()

    def _check_task(self, task: torch.Tensor) -> None:
        if not torch.equal(task.sort(-1).values, torch.arange(self._places, device=self.device).expand_as(task)):
            raise ValueError(f"the task of the Planning Game is a permutation of the labels 0 to {self._places - 1}")

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        place = (numbers[:, 0] * self._places).long()
        goal = self._others.take(place * (self._places - 1) + self._choice(numbers[:, 1]))
        labels = task.long()
        shown = (labels.unsqueeze(-1) * self._places + labels.unsqueeze(-2)).flatten(-2)
        return {"at": place * self._places + goal, "shown": shown}

    def _choice(self, numbers: torch.Tensor) -> torch.Tensor:
        """Which of the places that are not the goal comes next, ``[K, N]``."""
        return (numbers * (self._places - 1)).long()

    def _play_together(self, state: State, actions: torch.Tensor, numbers: torch.Tensor) -> tuple[State, torch.Tensor]:
        move = torch.add(actions, state["at"], alpha=5)
        after = self._after.take(torch.add(self._choice(numbers[:, 0]), move, alpha=self._places - 1))
        return {"at": after, "shown": state["shown"]}, self._rewards.take(move)

    def _observe(self, state: State) -> torch.Tensor:
        return embedding(state["shown"].gather(-1, state["at"].unsqueeze(-1)).squeeze(-1), self._views)


class BlindPlanningGame(PlanningGame):
    """Observation: 1 on the goal, else 0."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: PlanningOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options)
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)

    def _observe(self, state: State) -> torch.Tensor:
        return self._at_goal.take(state["at"]).unsqueeze(-1)


def torus(size: int) -> torch.Tensor:
    """Place after each action, ``[size**2, 5]`` int64."""
    return torch.tensor(
        [[(x + dx) % size * size + (y + dy) % size for dx, dy in DIRECTIONS] for x in range(size) for y in range(size)]
    )


def _table(moves: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """(place, goal) after each step, ``[P, P, 5, P - 1]`` int64, the last axis being the choice of the next goal.

    Args:
        moves: Place after each action, ``[P, 5]``.
        others: The places other than a place, ``[P, P - 1]``.
    """
    places = len(moves)
    goal = torch.arange(places, device=moves.device)
    after = (moves[:, None, :] * places + goal[:, None]).unsqueeze(-1).repeat(1, 1, 1, places - 1)
    after[goal, goal, COLLECT] = goal[:, None] * places + others
    return after


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
