"""Memory worlds of the SplAgger paper (Beck et al. 2024): trials that only a learner with memory plays well.

``score_range`` is the mean return of a trial for random and for perfect play.
"""

from collections.abc import Callable
from typing import Any

from envs.memory.options import GridNaviOptions, MCLSOptions, PlanningOptions, TMazeOptions
from envs.spec import EnvSpec


def _spec(
    name: str,
    entry: str,
    options: type,
    *,
    score_range: tuple[float, float],
    summary: str,
    episode_steps: Callable[[Any], int],
    score_range_of: Callable[[Any], tuple[float, float] | None] | None = None,
) -> EnvSpec:
    """What all worlds have in common; a score range holds for the published sizes only, unless one says otherwise."""
    return EnvSpec(
        id=f"memory/{name}",
        entry=f"envs.memory.{entry}",
        options=options,
        version=1,
        metrics=("first_episode_return", "last_episode_return"),
        score_range=score_range,
        score_range_of=score_range_of or (lambda chosen: score_range if chosen == options() else None),
        sources=("envs.memory", "envs.trials", "envs.lockstep", "envs.batched", "envs.streams"),
        summary=summary,
        episode_steps=episode_steps,
        task_parameters=True,
    )


def _t_maze_steps(options: TMazeOptions) -> int:
    return options.episodes * options.length


def _decisions(options: TMazeOptions) -> tuple[float, float]:
    """A guess and a right decision per episode: +4 or -3, however long the corridor."""
    return 0.5 * options.episodes, 4.0 * options.episodes


def _checks_steps(options: TMazeOptions) -> int:
    return options.episodes * (options.length * 3 // 2)


def _mc_ls_steps(options: MCLSOptions) -> int:
    return options.episodes * options.time_limit


def _grid_steps(options: PlanningOptions | GridNaviOptions) -> int:
    return options.episodes * options.steps


SPECS = (
    _spec(
        "t_maze",
        "t_maze:make_t_maze",
        TMazeOptions,
        score_range=(2.0, 16.0),
        score_range_of=_decisions,
        summary="a cue at the start of a long corridor, one decision at its end (T-LN-P1, the paper's T-LS)",
        episode_steps=_t_maze_steps,
    ),
    _spec(
        "t_maze_checks",
        "t_maze_checks:make_checks",
        TMazeOptions,
        score_range=(15.0, 55.6),
        summary="the same cue while every cell of the corridor asks for an answer of its own (T-LS-P1)",
        episode_steps=_checks_steps,
    ),
    _spec(
        "t_maze_agreement",
        "t_maze:make_agreement",
        TMazeOptions,
        score_range=(2.0, 16.0),
        score_range_of=_decisions,
        summary="two cues in a long corridor: whether they agree decides at its end (T-Maze Agreement)",
        episode_steps=_t_maze_steps,
    ),
    _spec(
        "t_maze_latent",
        "t_maze:make_latent",
        TMazeOptions,
        score_range=(2.0, 15.9),
        summary="no cue in a long corridor: how often the noise bit is set decides at its end (T-Maze Latent)",
        episode_steps=_t_maze_steps,
    ),
    _spec(
        "mc_ls",
        "mc_ls:make_mc_ls",
        MCLSOptions,
        score_range=(13.3, 27.4),
        summary="a signal, sixteen rooms with choices of their own, a decision (MC-LS with synthetic views)",
        episode_steps=_mc_ls_steps,
    ),
    _spec(
        "planning_game",
        "planning_game:make_planning_game",
        PlanningOptions,
        score_range=(1.75, 39.7),
        summary="collect goals on a 3 x 3 torus whose nine labels are shuffled in every trial",
        episode_steps=_grid_steps,
    ),
    _spec(
        "planning_game_blind",
        "planning_game:make_blind",
        PlanningOptions,
        score_range=(1.75, 17.8),
        summary="the Planning Game without labels: only whether one stands on the goal is seen",
        episode_steps=_grid_steps,
    ),
    _spec(
        "gridnavi",
        "gridnavi:make_gridnavi",
        GridNaviOptions,
        score_range=(-4.68, 44.29),
        summary="find an invisible goal in a 5 x 5 grid, then walk straight to it in the episodes that follow",
        episode_steps=_grid_steps,
    ),
)
