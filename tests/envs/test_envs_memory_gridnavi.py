"""GridNavi: moves by hand, uniform goals, and what known players earn."""

import pytest
import torch
from trial_play import build, play_trial, script

from envs.memory import gridnavi
from envs.memory.options import GridNaviOptions
from envs.testing import check_vector_env

N = 2000


def test_gridnavi_by_hand():
    env = build("memory/gridnavi", 1, GridNaviOptions(size=3, steps=5, episodes=2))
    down, up, right, left, stay = gridnavi.DOWN, gridnavi.UP, gridnavi.RIGHT, gridnavi.LEFT, gridnavi.STAY
    observations, rewards, finals, ends = script(
        env, [2.0, 0.0], [left, right, right, right, stay, up, down, right, right, left]
    )
    assert observations == [
        [0, 0, 0],
        [0, 0, 0],  # against the border
        [1, 0, 0],
        [2, 0, 0],
        [2, 0, 0],
        [2, 0, 1],  # the terminal observation; the next action starts in the corner
        [0, 1, 0],
        [0, 0, 0],
        [1, 0, 0],
        [2, 0, 0],
        [0, 0, 0],
    ]
    assert rewards == pytest.approx([-0.1, -0.1, 1, 1, 1, -0.1, -0.1, -0.1, 1, -0.1])
    assert finals[4] == [2, 0, 1]
    assert finals[9] == [1, 0, 1]
    assert ends == [False] * 9 + [True]


def test_gridnavi_dense_reward_and_shown_goal():
    env = build("memory/gridnavi", 1, GridNaviOptions(steps=8, episodes=1, dense=True, show_goal=True))
    right, up = gridnavi.RIGHT, gridnavi.UP
    observations, rewards, _, _ = script(env, [3.0, 1.0], [gridnavi.LEFT, right, right, right, up])
    assert observations == [[3, 1], [3, 1], [1, 0], [2, 0], [3, 0], [3, 1]]
    assert rewards == pytest.approx([-0.8, -0.6, -0.4, -0.2, 1])


def test_goals_are_uniform_and_do_not_touch_the_start():
    env = build("memory/gridnavi", 20000)
    env.reset()
    goals, counts = env.task[0].unique(dim=0, return_counts=True)
    assert len(goals) == 21
    assert (goals.amax(-1) > 1).all()
    assert (counts - 20000 / 21).abs().max() < 5 * (20000 / 21) ** 0.5


def test_players_of_gridnavi():
    env = build("memory/gridnavi", N)

    def oracle(observation, reward):
        start = observation[..., 2:] > 0  # the terminal observation: the next action starts in the corner
        offset = env.task - torch.where(start, 0.0, observation[..., :2])
        across = torch.where(offset[..., 1] > 0, gridnavi.UP, gridnavi.DOWN)
        along = torch.where(offset[..., 0] > 0, gridnavi.RIGHT, gridnavi.LEFT)
        return torch.where(
            offset[..., 0] != 0, along, torch.where(offset[..., 1] != 0, across, torch.tensor(gridnavi.STAY))
        )

    played = play_trial(env, oracle)
    # d - 1 steps at -0.1, then 1 until the end, in four episodes
    assert torch.allclose(played["return"], 4 * (16.1 - 1.1 * played["task"].sum(-1)), atol=1e-4)
    assert (played["length"] == 60).all()
    ceiling = 4 * (16.1 - 1.1 * 96 / 21)  # 96: moves to all 21 goals together
    assert played["return"].mean().item() == pytest.approx(ceiling, abs=5 * 4 * 1.1 * 1.6 / N**0.5)
    steps = iter(range(60))
    blind = play_trial(
        env, lambda _, reward: torch.full(reward.shape, gridnavi.UP if next(steps) % 15 < 2 else gridnavi.STAY)
    )
    # one goal in 21, reached after two of 15 steps
    floor = 4 * (1.1 * 14 / 21 - 1.5)
    assert blind["return"].mean().item() == pytest.approx(floor, abs=5 * 4 * 1.1 * 14 * 0.213 / N**0.5)


@pytest.mark.parametrize("task", [[1.0, 1.0], [0.0, 0.0], [5.0, 2.0], [2.5, 2.0]])
def test_goals_must_be_cells_away_from_the_start(task):
    with pytest.raises(ValueError, match="does not touch the start"):
        build("memory/gridnavi", 2).reset({"task": torch.tensor(task)})


@pytest.mark.parametrize(
    "options",
    [
        GridNaviOptions(size=3, steps=5, episodes=2),
        GridNaviOptions(steps=5, episodes=1, dense=True, show_goal=True),
    ],
)
def test_small_grids_keep_the_contract(options):
    check_vector_env(
        lambda num_envs, seeds: build("memory/gridnavi", num_envs, options, seeds),
        metrics=("first_episode_return", "last_episode_return"),
    )
