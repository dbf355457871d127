"""Trials: several episodes of one task in a row, the unit of experience of a meta-RL learner.

For trainers and the platform the environment's episode *is* the trial: its return is the trial's, ``terminated`` marks
the end of a trial, and what ends inside it shows only as a flag in the observation. A task whose rewards or dynamics
depend on parameters that stay fixed during a trial is a ``TaskEnv``; ``Trials`` turns it into a ``MetaEnv``.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import gymnasium
import numpy as np
import torch

from envs.batched import BatchedEnv, State
from envs.vector import VectorEnv

Boundary = Literal["next_start", "terminal"]
"""What is returned when an inner episode ends and the trial goes on; the flag is 1 in both cases.

``next_start``: the first observation of the next episode. ``terminal``: the observation the episode ended in; the next
action acts on the next episode's start state, which nobody has seen.
"""


@runtime_checkable
class MetaEnv(VectorEnv, Protocol):
    """What a meta-RL learner steps: a ``VectorEnv`` whose episodes are trials of a task that can be read."""

    task_size: int
    """P: parameters that make a task."""
    episodes_per_trial: int
    trial_steps: int | None
    """Exact length of every trial in steps, None where trials differ in length."""

    @property
    def task(self) -> torch.Tensor:
        """Parameters of each copy's current trial, ``[K, N, P]`` float32."""
        ...

    def reset(self, options: dict[str, Any] | None = None) -> tuple[torch.Tensor, dict[str, Any]]:
        """Start every copy from a fresh trial; ``options={"task": tensor}`` fixes the tasks of these first trials."""
        ...


class TaskEnv(BatchedEnv):
    """A batched task with parameters that decide its rewards or dynamics, drawn anew where an episode ends.

    All random numbers of a step are uniform on [0, 1) and come from one draw ``[K, num_draws, N]``, whether or not a
    copy needs them; which row serves what is the world's business. Rows that start an episode must not be the rows its
    steps use, or the last step and the next start were correlated.
    """

    task_size: int
    """P: parameters that make a task."""
    num_draws: int
    """Uniform numbers per copy and step."""
    fixed_length: bool = False
    """True when every episode lasts exactly ``max_episode_steps``."""
    keep_task: torch.Tensor
    """``[K, N]`` bool, set before a step: copies whose episode ends in it keep their task, the others draw another."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, max_episode_steps: int
    ) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=max_episode_steps)
        self.keep_task = torch.zeros_like(self._elapsed, dtype=torch.bool)

    @abstractmethod
    def _draw_task(self, numbers: torch.Tensor) -> torch.Tensor:
        """The tasks that the numbers stand for, ``[K, N, P]`` float32."""

    @abstractmethod
    def _begin(self, numbers: torch.Tensor, task: torch.Tensor) -> State:
        """Start states of the tasks."""

    @abstractmethod
    def _play(
        self, state: State, actions: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        """``_advance`` with this step's numbers; ``state["task"]`` is there to read and stays."""

    def _check_task(self, task: torch.Tensor) -> None:
        """Raise ValueError when the world has no such task; ``task`` is ``[K, N, P]``."""

    def _observe_flagged(self, state: State, flag: torch.Tensor) -> torch.Tensor:
        """The observation with the flag ``[K, N]`` as its last component."""
        return torch.cat((self._observe(state), flag.unsqueeze(-1)), -1)

    @property
    def task(self) -> torch.Tensor:
        """Parameters of each copy's current task, ``[K, N, P]`` float32; NaN before the first reset."""
        if not self._state:
            return torch.full((self.num_seeds, self.num_envs, self.task_size), torch.nan, device=self.device)
        return self._state["task"].clone()

    @torch.no_grad()
    def reset(self, options: dict[str, Any] | None = None) -> tuple[torch.Tensor, dict[str, Any]]:
        """Start every copy from a fresh episode, of a new task or of the given one.

        Args:
            options: None, or ``{"task": tensor}`` that broadcasts to ``[K, N, P]``. The same random numbers are drawn
                in both cases.

        Raises:
            ValueError: Another option, or no such task.
        """
        numbers = self._starting_numbers()
        task = self._draw_task(numbers) if not options else self._given_task(options)
        self._begin_all({"task": task, **self._begin(numbers, task)})
        return self._observe(self._state), {}

    def _given_task(self, options: dict[str, Any]) -> torch.Tensor:
        if unknown := options.keys() - {"task"}:
            raise ValueError(f"reset knows the option `task` only, got {', '.join(sorted(unknown))}")
        shape = (self.num_seeds, self.num_envs, self.task_size)
        given = torch.as_tensor(options["task"], dtype=torch.float32, device=self.device)
        try:
            task = given.expand(shape).clone()
        except RuntimeError:
            raise ValueError(f"the task has shape {tuple(given.shape)}, which does not broadcast to {shape}") from None
        self._check_task(task)
        return task

    def _starting_numbers(self) -> torch.Tensor:
        """What ``reset`` starts from."""
        return self._streams.uniform(self.num_draws, self.num_envs)

    def _draw(self) -> torch.Tensor:
        return self._numbers  # of the step that is being played

    def _start(self, numbers: torch.Tensor) -> State:
        task = torch.where(self.keep_task.unsqueeze(-1), self._state["task"], self._draw_task(numbers))
        return {"task": task, **self._begin(numbers, task)}

    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        self._numbers = self._streams.uniform(self.num_draws, self.num_envs)
        stepped, reward, terminated = self._play(state, actions, self._numbers)
        return {"task": state["task"], **stepped}, reward, terminated


class Trials:
    """Trials of ``episodes`` episodes each; a ``MetaEnv``.

    With more than one episode the observation gains a last component, 1 where the step before ended an inner episode.
    The end of the last inner episode ends the trial and is ``terminated`` however it came about: the time limits of the
    inner episodes are part of the task and nothing follows, so there is nothing to bootstrap from.
    """

    critic_observation_space: gymnasium.spaces.Box | None = None
    metrics = ("first_episode_return", "last_episode_return")
    """What ``final_info`` reports beside the task's own figures."""
    _episode: torch.Tensor
    """Inner episodes each copy's trial has completed, ``[K, N]``."""
    _running: torch.Tensor
    """Return of the episode it is in."""
    _first: torch.Tensor
    """Return of its first one, so far."""
    _in_first: torch.Tensor
    """1 during the first one, else 0."""

    def __init__(self, env: BatchedEnv, *, episodes: int, boundary: Boundary) -> None:
        if not isinstance(env, TaskEnv):
            raise ValueError(
                f"{type(env).__name__} cannot be played in trials: it has no task parameters; derive it from "
                "envs.trials.TaskEnv, whose `task` stays the same while `keep_task` says so"
            )
        if episodes < 1:
            raise ValueError(f"a trial needs an episode, got episodes={episodes}")
        if boundary not in ("next_start", "terminal"):
            raise ValueError(f"boundary must be next_start or terminal, got {boundary!r}")
        self._env, self._boundary = env, boundary
        self.num_seeds, self.num_envs, self.device = env.num_seeds, env.num_envs, env.device
        self.action_space = env.action_space
        space = env.observation_space
        if episodes > 1:
            low, high = np.append(space.low, np.float32(0)), np.append(space.high, np.float32(1))
            space = gymnasium.spaces.Box(low, high)
        self.observation_space = space
        self.task_size = env.task_size
        self.episodes_per_trial = episodes
        self.max_episode_steps = episodes * env.max_episode_steps
        self.trial_steps = self.max_episode_steps if env.fixed_length else None
        self._no_flag = torch.zeros(self.num_seeds, self.num_envs, device=self.device)
        self._clear()

    @property
    def unwrapped(self) -> TaskEnv:
        """The environment whose episodes make the trials."""
        return self._env

    @property
    def task(self) -> torch.Tensor:
        """Parameters of each copy's current trial, ``[K, N, P]`` float32."""
        return self._env.task

    @torch.no_grad()
    def reset(self, options: dict[str, Any] | None = None) -> tuple[torch.Tensor, dict[str, Any]]:
        """Start every copy from a fresh trial; see ``TaskEnv.reset``."""
        self._clear()
        self._env.reset(options)
        return self._observe(self._env._state, self._no_flag), {}

    @torch.no_grad()
    def step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Advance every copy by one step; copies whose trial ends start the next one in the same step."""
        env = self._env
        if not env._state:
            raise RuntimeError("step before reset: call reset() once first")
        stepped, reward, terminated, truncated, ended = env._transition(actions)
        running = self._running + reward
        first = torch.addcmul(self._first, reward, self._in_first)
        metrics = env._metrics(stepped, terminated)
        if not ended:
            self._running, self._first = running, first
            final_obs = self._observe(stepped, self._no_flag)
            info = self._info(final_obs, first.clone(), running.clone(), metrics)
            return final_obs.clone(), reward, terminated, truncated, info
        inner = terminated | truncated
        over = inner & ~env.keep_task
        observation = self._observe(env._state, (inner & ~over).float())
        final_obs = self._observe(stepped, inner.float())
        if self._boundary == "terminal":
            observation = torch.where(over.unsqueeze(-1), observation, final_obs)
        else:
            final_obs = torch.where(over.unsqueeze(-1), final_obs, observation)
        self._running, self._first = running.masked_fill(inner, 0), first.masked_fill(over, 0)
        self._episode = (self._episode + inner).masked_fill(over, 0)
        self._keep()
        return observation, reward, over, torch.zeros_like(over), self._info(final_obs, first, running, metrics)

    def state_dict(self) -> dict[str, Any]:
        """The environment's state, the number of each copy's inner episode and the returns counted so far."""
        return {
            "env": self._env.state_dict(),
            "episode": self._episode.clone(),
            "first": self._first.clone(),
            "running": self._running.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        self._env.load_state_dict(state["env"])
        self._episode = state["episode"].to(self.device, copy=True)
        self._first = state["first"].to(self.device, copy=True)
        self._running = state["running"].to(self.device, copy=True)
        self._keep()

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _clear(self) -> None:
        self._episode = torch.zeros(self.num_seeds, self.num_envs, dtype=torch.int64, device=self.device)
        self._first = torch.zeros(self.num_seeds, self.num_envs, device=self.device)
        self._running = torch.zeros_like(self._first)
        self._keep()

    def _keep(self) -> None:
        """All but the last episode of a trial are followed by another one of the same task."""
        self._in_first = (self._episode == 0).float()
        self._env.keep_task = self._episode < self.episodes_per_trial - 1

    def _observe(self, state: State, flag: torch.Tensor) -> torch.Tensor:
        return self._env._observe_flagged(state, flag) if self.episodes_per_trial > 1 else self._env._observe(state)

    @staticmethod
    def _info(
        final_obs: torch.Tensor, first: torch.Tensor, last: torch.Tensor, metrics: dict[str, torch.Tensor]
    ) -> dict[str, Any]:
        returns = {"first_episode_return": first, "last_episode_return": last}
        return {"final_obs": final_obs, "final_info": returns | metrics}
