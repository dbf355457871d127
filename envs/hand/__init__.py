"""Dexterous hands that turn a cube, on MuJoCo."""

from envs.hand.options import InHandOptions, ReorientOptions
from envs.registry import EnvSpec

_SOURCES = ("envs.hand.allegro", "envs.hand.reorient")
_SHARED = ("envs.hand.in_hand", "envs.hand.world", "envs.hand.options", "envs.sim", "envs.batched", "envs.streams")


def _longest_episode(options: InHandOptions) -> int:
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
