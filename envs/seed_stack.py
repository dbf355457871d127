"""K single-seed environments as one environment with an axis of seeds."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeGuard, runtime_checkable

import gymnasium
import torch

from envs.curriculum import Curriculum
from envs.vector import LazyReset, Observation


class SingleSeedEnv(Protocol):
    """What a plug-in may write instead of ``VectorEnv`` when it does not care about seeds.

    The same conventions as ``envs.vector.VectorEnv`` (``lazy_reset`` and ``curriculum`` included) with tensors
    ``[N, ...]`` instead of ``[K, N, ...]``; all random numbers come from the one seed it was built with. Buffers may be
    reused between steps: ``SeedStack`` copies.
    """

    num_envs: int
    device: torch.device
    observation_space: gymnasium.spaces.Box
    critic_observation_space: gymnasium.spaces.Box | None
    action_space: gymnasium.spaces.Box | gymnasium.spaces.Discrete
    max_episode_steps: int

    def reset(self) -> tuple[Observation, dict[str, Any]]:
        """Start every copy; observation ``[N, D]``."""
        ...

    def step(
        self, actions: torch.Tensor
    ) -> tuple[Observation, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Advance by actions ``[N, A]`` or ``[N]``; see ``VectorEnv.step``."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        ...

    def close(self) -> None:
        """Release processes and simulators; idempotent."""
        ...


@runtime_checkable
class SplitStepEnv(Protocol):
    """A ``SingleSeedEnv`` that steps elsewhere: a stack lets all of them begin before it waits for the first."""

    def begin_step(self, actions: torch.Tensor) -> None:
        """Start a step; returns at once."""
        ...

    def finish_step(
        self,
    ) -> tuple[Observation, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Wait for the step that was begun; see ``VectorEnv.step``."""
        ...


class SeedStack:
    """Steps K environments and stacks what they return; a ``VectorEnv``.

    They step one after the other, or at the same time where all are a ``SplitStepEnv``. Costs K times the call overhead
    of one environment: a task that is meant to be fast should carry the axis itself.
    """

    def __init__(self, envs: Sequence[SingleSeedEnv]) -> None:
        if not envs:
            raise ValueError("SeedStack needs at least one environment")
        first = envs[0]
        for env in envs[1:]:
            if (env.num_envs, env.observation_space, env.action_space, env.max_episode_steps) != (
                first.num_envs,
                first.observation_space,
                first.action_space,
                first.max_episode_steps,
            ):
                raise ValueError("the environments of one stack must agree in copies, spaces and time limit")
        self._envs = list(envs)
        self._split: Sequence[SplitStepEnv] = envs if _all_split(envs) else ()
        self.num_seeds = len(envs)
        self.num_envs = first.num_envs
        self.device = torch.device(first.device)
        self.observation_space = first.observation_space
        self.critic_observation_space = first.critic_observation_space
        self.action_space = first.action_space
        self.max_episode_steps = first.max_episode_steps
        self.lazy_reset: LazyReset | None = getattr(first, "lazy_reset", None)
        self._flags = () if self.lazy_reset is None else ("stale_obs",)

    def reset(self) -> tuple[Observation, dict[str, Any]]:
        """Start every copy of every seed."""
        return _stack([env.reset()[0] for env in self._envs]), {}

    def step(
        self, actions: torch.Tensor
    ) -> tuple[Observation, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Advance every seed's block with its row of the actions."""
        rows = actions.unbind(0)
        if self._split:
            for split, row in zip(self._split, rows, strict=True):
                split.begin_step(row)
            steps = [split.finish_step() for split in self._split]
        else:
            steps = [env.step(row) for env, row in zip(self._envs, rows, strict=True)]
        observation, reward, terminated, truncated, infos = zip(*steps, strict=True)
        kept = [{key: info[key] for key in ("final_obs", "final_info", *self._flags)} for info in infos]
        return _stack(observation), _stack(reward), _stack(terminated), _stack(truncated), _stack(kept)

    def curriculum(self) -> dict[str, torch.Tensor]:
        """How far each seed has come, ``[K]``; nothing where the environments have no curriculum."""
        stands = [env.curriculum() if isinstance(env, Curriculum) else {} for env in self._envs]
        stacked: dict[str, torch.Tensor] = _stack(stands)
        return stacked

    def set_curriculum(self, values: dict[str, torch.Tensor]) -> None:
        """Stand where another stack stands."""
        for k, env in enumerate(self._envs):
            if isinstance(env, Curriculum):
                env.set_curriculum({name: value[k] for name, value in values.items()})

    def state_dict(self) -> dict[str, Any]:
        """The environments' states in the order of the seeds."""
        return {"envs": [env.state_dict() for env in self._envs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        for env, one in zip(self._envs, state["envs"], strict=True):
            env.load_state_dict(one)

    def close(self) -> None:
        """Close every environment."""
        for env in self._envs:
            env.close()


def _all_split(envs: Sequence[Any]) -> TypeGuard[Sequence[SplitStepEnv]]:
    return all(isinstance(env, SplitStepEnv) for env in envs)


def _stack(trees: Sequence[Any]) -> Any:
    """Stack equal trees of tensors leaf by leaf along a new leading axis, into memory of their own."""
    if isinstance(trees[0], dict):
        return {name: _stack([tree[name] for tree in trees]) for name in trees[0]}
    if isinstance(trees[0], tuple):
        return tuple(_stack(column) for column in zip(*trees, strict=True))
    return torch.stack(list(trees))
