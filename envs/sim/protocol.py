"""What a task may ask of a physics back-end."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import torch

from envs.sim.model import Model

WRITABLE = ("qpos", "qvel", "act", "ctrl", "qfrc_applied", "xfrc_applied", "mocap_pos", "mocap_quat")
"""Fields of a world that a task may write; all others are derived from them."""

FORCES = ("cfrc_ext", "cfrc_int", "qacc", "qfrc_actuator", "qfrc_constraint", "actuator_force")
"""Derived fields of a time step rather than of a state: after ``step`` they are those of its last time step."""


def needs_refresh(sensed: Collection[str]) -> bool:
    """Whether a task reads anything that a time step leaves one time step old."""
    return not set(sensed) <= {*WRITABLE, *FORCES}


class Sim(Protocol):
    """W worlds of one model, stepped together.

    Names of fields and their layouts are MuJoCo's; quaternions are (w, x, y, z). Float64 on CPU, float32 on CUDA.
    """

    model: Model
    num_worlds: int
    device: torch.device
    views: Mapping[str, torch.Tensor]
    """Live memory of the simulator, ``[W, ...]``: the writable fields and the derived ones asked for."""

    def step(self, substeps: int) -> None:
        """Advance every world by ``substeps`` time steps; derived fields but ``FORCES`` then describe the new state."""
        ...

    def reset(self, mask: torch.Tensor) -> None:
        """Put the worlds of ``mask`` (``[W]`` bool) into the model's initial state; write to ``views`` after this."""
        ...

    def forward(self, mask: torch.Tensor) -> None:
        """Compute the derived fields of the worlds of ``mask`` from what was written."""
        ...

    def expand(self, field: str) -> torch.Tensor:
        """Give every world its own values of a model's field, ``[W, ...]``, live; ``commit_model`` follows a write."""
        ...

    def commit_model(self, mask: torch.Tensor) -> None:
        """Recompute the model's constants of the worlds of ``mask`` from the expanded fields."""
        ...

    def unhealthy(self) -> torch.Tensor:
        """Worlds the last ``step`` made non-finite or overflowed, ``[W]`` bool; their state means nothing."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The worlds' states and expanded fields; continuing from it is bit-exact on CPU."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``; derived fields are those of the next ``step`` or ``forward``."""
        ...

    def world(self, index: int) -> tuple[Any, Any]:
        """One world as ``(mujoco.MjModel, mujoco.MjData)`` with all derived fields, to render it.

        Every call returns the same two objects with new contents.
        """
        ...

    def close(self) -> None:
        """Release the worlds; idempotent."""
        ...
