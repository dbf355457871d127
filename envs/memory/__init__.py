"""Memory worlds of the SplAgger paper (Beck et al. 2024): trials that only a learner with memory plays well."""

from envs.memory.options import TMazeOptions
from envs.registry import EnvSpec

_METRICS = ("first_episode_return", "last_episode_return")
_SOURCES = ("envs.memory", "envs.trials", "envs.batched", "envs.streams")


def _t_maze_steps(options: TMazeOptions) -> int:
    return options.episodes * options.length


SPECS = (
    EnvSpec(
        id="memory/t_maze",
        entry="envs.memory.t_maze:make_t_maze",
        options=TMazeOptions,
        version=1,
        metrics=_METRICS,
        score_range=(2.0, 16.0),
        sources=_SOURCES,
        summary="a cue at the start of a long corridor, one decision at its end (T-LN-P1, the paper's T-LS)",
        episode_steps=_t_maze_steps,
        task_parameters=True,
    ),
    EnvSpec(
        id="memory/t_maze_agreement",
        entry="envs.memory.t_maze:make_agreement",
        options=TMazeOptions,
        version=1,
        metrics=_METRICS,
        score_range=(2.0, 16.0),
        sources=_SOURCES,
        summary="two cues in a long corridor: whether they agree decides at its end (T-Maze Agreement)",
        episode_steps=_t_maze_steps,
        task_parameters=True,
    ),
    EnvSpec(
        id="memory/t_maze_latent",
        entry="envs.memory.t_maze:make_latent",
        options=TMazeOptions,
        version=1,
        metrics=_METRICS,
        score_range=(2.0, 15.9),
        sources=_SOURCES,
        summary="no cue in a long corridor: how often the noise bit is set decides at its end (T-Maze Latent)",
        episode_steps=_t_maze_steps,
        task_parameters=True,
    ),
)
