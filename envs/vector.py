"""The batched environment protocol every trainer of this project steps.

Conventions (gymnasium 1.4, autoreset mode ``SAME_STEP``):

* Tensors live on ``device`` and carry two leading axes ``[K, N]``: K seeds that share nothing, N copies per seed.
* A copy that ends is reset inside the same ``step``: the returned observation is the first of the next episode, and
  ``info["final_obs"]`` holds the observation the episode ended in.
* ``terminated`` (the task ended: no bootstrap) and ``truncated`` (time ran out: bootstrap) are never merged.
* Returned tensors are fresh: a caller may keep them.

Simulators that restart a copy only inside the *next* step (Isaac Gym's tasks) cannot return the first observation of an
episode: after an end they return the observation the episode ended in, and the action chosen from it acts on a fresh
state. Such an environment flags these observations in ``info["stale_obs"]`` ``[K, N]`` bool at every step, and its
attribute ``lazy_reset`` says what a learner does with a step that was taken from one: leave it out (``"mask"``) or
learn from it like from any other (``"train"``).

No episode is longer than ``max_episode_steps``. Time runs out exactly there, unless the environment has ``own_clock =
True``: a task whose time starts anew at each success, say.
"""

from typing import Any, Literal, Protocol, runtime_checkable

import gymnasium
import torch

LazyReset = Literal["mask", "train"]

Observation = torch.Tensor | dict[str, torch.Tensor]
"""``[K, N, D]``, or ``{"policy": [K, N, D], "critic": [K, N, C]}`` where the critic sees privileged state."""


@runtime_checkable
class VectorEnv(Protocol):
    """K x N copies of one task, stepped together."""

    num_seeds: int
    """K: independent seeds, the leading axis of every tensor."""
    num_envs: int
    """N: copies per seed."""
    device: torch.device
    observation_space: gymnasium.spaces.Box
    """Space of one copy's policy observation, shape ``(D,)``."""
    critic_observation_space: gymnasium.spaces.Box | None
    """Space of one copy's privileged observation, or None when the critic sees what the policy sees."""
    action_space: gymnasium.spaces.Box | gymnasium.spaces.Discrete
    """Space of one copy's action: Box of shape ``(A,)`` or Discrete."""
    max_episode_steps: int
    """No episode is longer than this many steps."""

    def reset(self) -> tuple[Observation, dict[str, Any]]:
        """Start every copy from a fresh episode; the seeds were given when the environment was made."""
        ...

    def step(
        self, actions: torch.Tensor
    ) -> tuple[Observation, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Advance every copy by one step.

        Args:
            actions: ``[K, N, A]`` float32 for Box (in the units of ``action_space``), ``[K, N]`` int64 for Discrete.

        Returns:
            Observation; reward ``[K, N]`` float32; terminated and truncated ``[K, N]`` bool, disjoint; info with
            ``final_obs`` (same structure as the observation: the state each copy stepped into, before any reset) and
            ``final_info``: per-episode metrics of the task, name -> ``[K, N]`` float32, read only where a copy ended.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit: simulator state, counters, random streams."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``; the next ``step`` equals the uninterrupted one."""
        ...

    def close(self) -> None:
        """Release processes and simulators; idempotent."""
        ...


def policy_observation(observation: Observation) -> torch.Tensor:
    """What the policy sees, ``[K, N, D]``."""
    return observation["policy"] if isinstance(observation, dict) else observation


def critic_observation(observation: Observation) -> torch.Tensor:
    """What the critic sees, ``[K, N, C]``: the privileged observation where there is one."""
    return observation["critic"] if isinstance(observation, dict) else observation


def lazy_reset(env: VectorEnv) -> LazyReset | None:
    """What to do with steps taken from a stale observation; None where there are none."""
    found: LazyReset | None = getattr(env, "lazy_reset", None)
    return found
