"""Tasks that grow harder as training succeeds."""

from typing import Protocol, runtime_checkable

import torch

from envs.vector import VectorEnv


@runtime_checkable
class Curriculum(Protocol):
    """An environment that makes its task harder as training succeeds. Optional."""

    def curriculum(self) -> dict[str, torch.Tensor]:
        """How far each seed has come, name -> ``[K]``."""
        ...

    def set_curriculum(self, values: dict[str, torch.Tensor]) -> None:
        """Stand where another instance of the task stands; ``values`` are its ``curriculum()``."""
        ...


def follow_curriculum(env: VectorEnv, leader: VectorEnv) -> None:
    """Let an environment stand where the curriculum of another instance of its task has come."""
    if isinstance(env, Curriculum) and isinstance(leader, Curriculum):
        env.set_curriculum(leader.curriculum())
