"""Environments that can be looked at."""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from envs.vector import VectorEnv


@runtime_checkable
class Pictured(Protocol):
    """An environment that draws its copies."""

    step_seconds: float
    """Simulated time of a step, seconds."""

    def picture(self, *, seed: int, copy: int, width: int, height: int) -> np.ndarray:
        """One copy as it stands now, uint8 ``[height, width, 3]``.

        Args:
            seed: Index on the axis K.
            copy: Index on the axis N.
            width: Pixels.
            height: Pixels.
        """
        ...


def pictured(env: VectorEnv) -> Pictured | None:
    """The environment, or the one it wraps, if it can be looked at."""
    inner: Any = getattr(env, "unwrapped", env)
    return inner if isinstance(inner, Pictured) else None
