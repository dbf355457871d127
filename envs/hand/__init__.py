"""Dexterous hands that turn a cube, on MuJoCo."""

from envs.hand.options import InHandOptions, ReorientOptions, ShadowReorientOptions
from envs.spec import EnvSpec

_SOURCES = ("envs.hand.allegro", "envs.hand.reorient")
_SHADOW_SOURCES = ("envs.hand.shadow", "envs.hand.shadow_reorient")
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
    EnvSpec(
        id="hand/shadow_reorient",
        entry="envs.hand.shadow_reorient:ShadowReorient",
        options=ShadowReorientOptions,
        version=1,
        metrics=("successes", "hold_time", "unhealthy"),
        sources=_SHADOW_SOURCES + _SHARED,
        summary="Shadow hand, 24 joints and 20 servos: turn the cube in the palm to one orientation after the other",
        episode_steps=_longest_episode,
    ),
)
