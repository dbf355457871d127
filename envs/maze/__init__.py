"""Point mazes: continuous navigation in the plane, cheap enough for thousands of copies on one core."""

from envs.maze.options import CrossroadsOptions, DeceptiveOptions, OpenOptions, PointOptions
from envs.spec import EnvSpec

_METRICS = ("success", "trap", "coverage")
_SOURCES = ("envs.maze", "envs.batched", "envs.streams")


def _time_limit(options: PointOptions) -> int:
    return options.time_limit


SPECS = (
    EnvSpec(
        id="maze/deceptive",
        entry="envs.maze.point_maze:make_deceptive",
        options=DeceptiveOptions,
        version=1,
        metrics=_METRICS,
        score_range=(0.03, 2.19),
        sources=_SOURCES,
        summary="2-D point behind a U-shaped dead end: dense reward leads into the trap, the way out leads away first",
        episode_steps=_time_limit,
    ),
    EnvSpec(
        id="maze/crossroads",
        entry="envs.maze.crossroads:Crossroads",
        options=CrossroadsOptions,
        version=1,
        metrics=("success", "decoy", "coverage"),
        score_range=(0.14, 2.0),
        sources=_SOURCES,
        summary="2-D point where four arms meet: three pay at once, the best one only at its end",
        episode_steps=_time_limit,
    ),
    EnvSpec(
        id="maze/open",
        entry="envs.maze.point_maze:make_open",
        options=OpenOptions,
        version=1,
        metrics=_METRICS,
        score_range=(0.08, 2.19),
        sources=_SOURCES,
        summary="the same point and goal without walls: any working learner solves it",
        episode_steps=_time_limit,
    ),
)
