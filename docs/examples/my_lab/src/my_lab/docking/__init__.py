"""Registers the task ``my_lab/docking``. Imports no torch, so ``ablate validate`` answers at once."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt

from envs.spec import EnvSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class DockingOptions:
    """Options of ``my_lab/docking``; what a study may write under ``options:``.

    Attributes:
        time_limit: Steps after which an episode is truncated.
        current: Constant push of the water, metres per second squared.
        start: Half the width of the interval of start positions, metres.
    """

    time_limit: Annotated[int, Ge(1)] = 40
    current: float = 0.1
    start: Annotated[float, Gt(0)] = 1.0


SPEC = EnvSpec(
    id="my_lab/docking",
    entry="my_lab.docking.env:Docking",
    options=DockingOptions,
    version=1,
    metrics=("docked",),
    score_range=(-13.8, -0.17),
    sources=("my_lab.docking", "envs.streams"),
    summary="bring a drifting boat to rest at the quay, continuous thrust",
    fused=False,
    episode_steps=lambda options: options.time_limit,
)
