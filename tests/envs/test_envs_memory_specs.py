"""The memory worlds as registered: published sizes, published returns."""

import dataclasses

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from trial_play import build, play_trial

from envs import registry
from envs.memory.options import GridNaviOptions, MCLSOptions, PlanningOptions, TMazeOptions
from envs.trials import MetaEnv

T_MAZE = {"length": 100, "episodes": 4}
PUBLISHED = {
    "memory/t_maze": (T_MAZE, (2.0, 16.0), 400),
    "memory/t_maze_checks": (T_MAZE, (15.0, 55.6), 600),
    "memory/t_maze_agreement": (T_MAZE, (2.0, 16.0), 400),
    "memory/t_maze_latent": (T_MAZE, (2.0, 15.9), 400),
    "memory/mc_ls": ({"rooms": 16, "time_limit": 200, "episodes": 2}, (13.3, 27.4), 400),
    "memory/planning_game": ({"size": 3, "steps": 100, "episodes": 1}, (1.75, 39.7), 100),
    "memory/planning_game_blind": ({"size": 3, "steps": 100, "episodes": 1}, (1.75, 17.8), 100),
    "memory/gridnavi": (
        {"size": 5, "steps": 15, "episodes": 4, "dense": False, "show_goal": False},
        (-4.68, 44.29),
        60,
    ),
}


def test_every_world_is_listed_here():
    assert {env_id for env_id in registry.specs() if env_id.startswith("memory/")} == set(PUBLISHED)


@pytest.mark.parametrize("env_id", PUBLISHED)
def test_defaults_are_the_published_worlds(env_id):
    options, score_range, steps = PUBLISHED[env_id]
    spec = registry.find(env_id)
    assert dataclasses.asdict(spec.options()) == options
    assert spec.score_range == score_range
    facts = spec.facts(4, spec.options())
    assert (facts.max_episode_steps, facts.task_parameters) == (steps, True)


@pytest.mark.parametrize("env_id", PUBLISHED)
def test_the_floor_is_random_play(env_id):
    env, generator = build(env_id, 2000), torch.Generator().manual_seed(0)
    count = int(env.action_space.n)
    played = play_trial(env, lambda _, reward: torch.randint(0, count, reward.shape, generator=generator))["return"]
    error = played.std().item() / 2000**0.5
    assert played.mean().item() == pytest.approx(PUBLISHED[env_id][1][0], abs=4 * error + 0.05)


@pytest.mark.parametrize("env_id", PUBLISHED)
def test_every_world_is_a_meta_environment(env_id):
    env = registry.make(env_id, num_envs=2, seeds=[0, 1])
    env.reset()
    assert isinstance(env, MetaEnv)
    assert env.task.shape == (2, 2, env.task_size)
    assert env.episodes_per_trial == PUBLISHED[env_id][0]["episodes"]
    assert env.trial_steps in (None, env.max_episode_steps)
    assert not isinstance(registry.make("control/cartpole", num_envs=1, seeds=[0]), MetaEnv)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (TMazeOptions, {"length": 3}),
        (TMazeOptions, {"episodes": 0}),
        (MCLSOptions, {"rooms": 0}),
        (MCLSOptions, {"time_limit": 1}),
        (PlanningOptions, {"size": 1}),
        (PlanningOptions, {"size": 6}),
        (GridNaviOptions, {"size": 2}),
    ],
)
def test_sizes_without_a_world_are_refused(options, wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TypeAdapter(options).validate_python(wrong)
