"""Dexterous hands that turn a cube, on MuJoCo."""

from envs.hand.options import ReorientOptions
from envs.registry import EnvSpec

_SOURCES = ("envs.hand.world", "envs.hand.allegro", "envs.hand.reorient", "envs.hand.options")
_SHARED = ("envs.sim", "envs.batched", "envs.streams")


def _longest_episode(options: ReorientOptions) -> int:
    return options.longest_episode


SPECS = (
    EnvSpec(
        id="hand/reorient",
        entry="envs.hand.reorient:Reorient",
        options=ReorientOptions,
        version=1,
        metrics=("successes", "hold_time", "unhealthy"),
        sources=_SOURCES + _SHARED,
        summary="Allegro hand, 16 joints: turn the cube in the palm to one orientation after the other",
        episode_steps=_longest_episode,
    ),
)
