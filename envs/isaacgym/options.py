"""Options of the family ``isaacgym:``; imports no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Gt

PYTHON_VARIABLE = "ABLATE_ISAACGYM_PYTHON"
"""Environment variable that names the interpreter Isaac Gym is installed in."""

_OVERRIDE = re.compile(r"(~[\w./@]+(=.*)?|\+{0,2}[\w./@]+=.*)", re.DOTALL)
_OURS = {
    "task": "the environment's id names the task",
    "task/env": "the environment's id names the subtask",
    "num_envs": "`num_envs` of the study's task says it",
    "task.env.numEnvs": "`num_envs` of the study's task says it",
    "seed": "the cell's seed says it",
    "sim_device": "the pack's device says it",
    "rl_device": "the pack's device says it",
    "pipeline": "the pack's device says it",
    "headless": "a worker has no screen",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class IsaacGymOptions:
    """How an IsaacGymEnvs task is run.

    Attributes:
        python: Interpreter that Isaac Gym is installed in (Python 3.7 or 3.8); by default ``$ABLATE_ISAACGYM_PYTHON``,
            which is no part of a cell's identity.
        overrides: Overrides of the task's configuration in Hydra's grammar, e.g. ``[task.env.episodeLength=300]``.
        environment: Environment variables of the worker beside this process's. The folder of the interpreter's own
            library is on its ``LD_LIBRARY_PATH`` anyway.
        code: Further ``.py`` files and directories that decide the numbers, e.g. your checkout of IsaacGymEnvs. Their
            content is a part of every cell's identity: change it, and the cells run again.
        stale: An Isaac Gym task restarts a copy inside the step after its end, so that one action per episode is chosen
            from the observation the episode before ended in. ``mask`` leaves these steps out of every loss; ``train``
            learns from them like from any other, as the public code of SAPG does.
        states: Give the critic the task's privileged states (ShadowHand and AllegroHand only).
        start_seconds: Longest time that building the simulator may take.
        step_seconds: Longest time that a step may take.
    """

    python: str | None = None
    overrides: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    stale: Literal["mask", "train"] = "mask"
    states: bool = False
    start_seconds: Annotated[float, Gt(0)] = 600.0
    step_seconds: Annotated[float, Gt(0)] = 300.0

    def __post_init__(self) -> None:
        for one in self.code:
            if not Path(one).exists():
                raise ValueError(f"`{one}` is neither a file nor a directory.")
        for one in self.overrides:
            if not _OVERRIDE.fullmatch(one):
                raise ValueError(f"`{one}` is no override of Hydra's grammar: key=value, +key=value or ~key")
            key = one.lstrip("+~").partition("=")[0]
            if key in _OURS:
                raise ValueError(f"`{one}` cannot be given: {_OURS[key]}")
