"""Locomotion tasks of meta-RL on MuJoCo, in the versions of VariBAD (Zintgraf et al. 2020) and SplAgger.

An episode ends with its horizon, and the trial with its last episode: that is ``terminated``, for nothing follows it.
"""

from typing import Any

from envs.locomotion.options import AntDirOptions, CheetahDirOptions, CheetahVelOptions, WalkerParamsOptions
from envs.spec import EnvSpec


def _spec(name: str, entry: str, options: type, summary: str) -> EnvSpec:
    """What they have in common."""
    return EnvSpec(
        id=f"locomotion/{name}",
        entry=f"envs.locomotion.{entry}",
        options=options,
        version=1,
        metrics=("first_episode_return", "last_episode_return", "unhealthy"),
        sources=("envs.locomotion", "envs.sim", "envs.trials", "envs.batched", "envs.streams"),
        summary=summary,
        episode_steps=_trial_steps,
        task_parameters=True,
    )


def _trial_steps(options: Any) -> int:
    return int(options.episodes * options.steps)


SPECS = (
    _spec("cheetah_dir", "cheetah:make_dir", CheetahDirOptions, "a half cheetah that is paid to run one way (MuJoCo)"),
    _spec(
        "cheetah_vel", "cheetah:make_vel", CheetahVelOptions, "a half cheetah that is paid to run at one speed (MuJoCo)"
    ),
    _spec("ant_dir", "ant:make_dir", AntDirOptions, "an ant that is paid to walk one way (MuJoCo)"),
    _spec(
        "walker_params",
        "walker:make_params",
        WalkerParamsOptions,
        "a walker whose masses, inertias, damping and frictions change with every trial (MuJoCo)",
    ),
)
