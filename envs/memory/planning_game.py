"""Planning Game (Ritter et al. 2021): find one's way on a small torus whose places carry new labels in every trial.

The agent sees the label of its place and the label of the goal. ``collect`` on the goal pays 1 and moves the goal to
another place; the agent stays where it is. An episode lasts 100 steps. In the blind variant the only observation is
whether the agent stands on the goal.
"""

from collections.abc import Sequence

import gymnasium
import numpy as np
import torch

from envs.batched import State
from envs.memory.options import PlanningOptions
from envs.trials import TaskEnv, Trials

UP, DOWN, LEFT, RIGHT, COLLECT = range(5)
DIRECTIONS = ((0, 1), (0, -1), (-1, 0), (1, 0), (0, 0))
"""Change of (x, y) by each action; place ``x * size + y``."""


class PlanningGame(TaskEnv):
    """Observation: one-hot label of the place, one-hot label of the goal. Task: the label of every place."""

    num_draws = 4
    """Next goal, start and goal, two numbers for the labels."""
    fixed_length = True

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: PlanningOptions
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.steps)
        self.task_size = self._places = options.size**2
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (2 * self._places,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(5)
        self._next = torus(options.size).to(self.device)
        self._goal_block = torch.tensor([0, self._places], device=self.device)

    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        return _permutations(numbers[:, 2], numbers[:, 3], self._places).float()

    def _check_task(self, task: torch.Tensor) -> None:
        if not torch.equal(task.sort(-1).values, torch.arange(self._places, device=self.device).expand_as(task)):
            raise ValueError(f"the task of the Planning Game is a permutation of the labels 0 to {self._places - 1}")

    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        pair = (numbers[:, 1] * (self._places * (self._places - 1))).long()
        place, offset = pair // (self._places - 1), pair % (self._places - 1)
        return {"place": place, "goal": (place + 1 + offset) % self._places}

    def _play(
        self, state: State, actions: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        place, goal = state["place"], state["goal"]
        collected = (place == goal) & (actions == COLLECT)
        another = (goal + 1 + (numbers[:, 0] * (self._places - 1)).long()) % self._places
        stepped = {
            "place": self._next.take(place * 5 + actions),
            "goal": torch.where(collected, another, goal),
        }
        return stepped, collected.float(), torch.zeros_like(collected)

    def _observe(self, state: State) -> torch.Tensor:
        places = torch.stack((state["place"], state["goal"]), -1)
        labels = state["task"].gather(-1, places).long() + self._goal_block
        observation = torch.zeros(self.num_seeds, self.num_envs, 2 * self._places, device=self.device)
        return observation.scatter_(-1, labels, 1.0)


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


def _permutations(high: torch.Tensor, low: torch.Tensor, size: int) -> torch.Tensor:
    """Permutations of ``range(size)``, ``[..., size]``, from two uniform numbers each.

    Drawing ``size`` numbers per copy at every step would cost more than the step; here the 48 random bits of the two
    are mixed with each index by a 64-bit finaliser (SplitMix64) and the results sorted, only where a copy ends.
    """
    seeds = (high * 2**24).long() * 2**24 + (low * 2**24).long()
    mixed = (seeds.unsqueeze(-1) + torch.arange(1, size + 1, device=seeds.device) * 2**48) * -7046029254386353131
    mixed = (mixed ^ _shifted(mixed, 30)) * -4658895280553007687
    mixed = (mixed ^ _shifted(mixed, 27)) * -7723592293110705685
    return (mixed ^ _shifted(mixed, 31)).argsort(-1)


def _shifted(numbers: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical shift to the right; torch's keeps the sign."""
    return (numbers >> bits) & ((1 << (64 - bits)) - 1)


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
