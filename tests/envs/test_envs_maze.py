"""Walls, rewards and observations of the point maze against numbers worked out by hand."""

import pytest
import torch

from envs import registry
from envs.maze.layout import Layout, deceptive_layout
from envs.maze.options import DeceptiveOptions, OpenOptions
from envs.maze.point import CELLS
from envs.maze.point_maze import PointMaze
from envs.maze.walls import Walls

BOX = (0.2, 0.3, -0.5, 0.5)
"""One wall: x in [0.2, 0.3], y in [-0.5, 0.5]."""


def maze(*boxes, start=(0.0, 0.0), goal=(0.9, 0.0), trap=None, decoy_weight=0.0, **options):
    options = {"speed": 0.1, "response": 1.0, "start_noise": 0.0, "progress_weight": 1.0, "goal_bonus": 1.0} | options
    layout = Layout(walls=boxes, start=start, goal=goal, trap=trap)
    env = PointMaze(
        layout, num_envs=1, seeds=[0], device="cpu", options=OpenOptions(**options), decoy_weight=decoy_weight
    )
    env.reset()
    return env


def go(env, *action):
    """One step of the only copy; returns (observation, reward, terminated, truncated, metrics) of where it got to."""
    _, reward, terminated, truncated, info = env.step(torch.tensor([[action]]))
    metrics = {name: value.item() for name, value in info["final_info"].items()}
    return info["final_obs"][0, 0].tolist(), reward.item(), terminated.item(), truncated.item(), metrics


def test_reach_of_a_point_beside_above_and_inside_the_gap():
    walls = Walls([BOX], torch.device("cpu"))
    x = torch.tensor([[0.0, 0.9, 0.0, 0.25, 0.2]])
    y = torch.tensor([[0.0, 0.0, 0.5, 0.7, 0.1]])
    left, right = walls.reach(0, x, y)
    below, above = walls.reach(1, y, x)
    torch.testing.assert_close(right, torch.tensor([[0.2, 1.0, 1.0, 1.0, 0.2]]))
    torch.testing.assert_close(left, torch.tensor([[-1.0, 0.3, -1.0, -1.0, -1.0]]))
    torch.testing.assert_close(below, torch.tensor([[-1.0, -1.0, -1.0, 0.5, -1.0]]))
    torch.testing.assert_close(above, torch.ones(1, 5))


def test_a_free_step_moves_by_speed_times_action():
    observation, reward, terminated, truncated, _ = go(maze(), 0.5, -1.0)
    # x, y, velocity in units of speed, then free distance left, right, below, above in half arenas
    assert observation == pytest.approx([0.05, -0.1, 0.5, -1.0, 0.525, 0.475, 0.45, 0.55], abs=1e-6)
    # straight-line distance to (0.9, 0): 0.9 before, sqrt(0.85^2 + 0.1^2) = 0.855862 after
    assert reward == pytest.approx((0.9 - 0.855862) / 0.9, abs=1e-5)
    assert (terminated, truncated) == (False, False)


def test_inertia_keeps_a_share_of_the_velocity():
    env = maze(response=0.25)
    speeds = [go(env, 1.0, 0.0)[0][2] for _ in range(3)]
    # v <- 0.75 v + 0.25 command
    assert speeds == pytest.approx([0.25, 0.4375, 0.578125], abs=1e-5)


def test_actions_are_clipped():
    assert go(maze(), 7.0, -3.0)[0][:2] == pytest.approx([0.1, -0.1])


def test_a_wall_stops_a_point_at_its_face_and_takes_the_velocity_into_it():
    env = maze(BOX, start=(0.15, 0.0))
    observation, *_ = go(env, 1.0, 0.5)
    assert observation[:4] == pytest.approx([0.2, 0.05, 0.5, 0.5], abs=1e-6)
    observation, reward, *_ = go(env, 1.0, 0.0)
    assert observation[:4] == pytest.approx([0.2, 0.05, 0.0, 0.0], abs=1e-6)
    assert observation[5] == 0.0
    assert reward == pytest.approx(0.0, abs=1e-6)


def test_a_blocked_point_slides_along_the_wall_and_leaves_it_at_its_end():
    env = maze(BOX, start=(0.2, 0.35))
    trace = [go(env, 1.0, 1.0)[0][:2] for _ in range(3)]
    # x moves first, then y: at y = 0.45 still blocked, y = 0.55 is above the wall's end, then the way is free
    assert [point[0] for point in trace] == pytest.approx([0.2, 0.2, 0.3], abs=1e-6)
    assert [point[1] for point in trace] == pytest.approx([0.45, 0.55, 0.65], abs=1e-6)


def test_a_point_on_the_border_does_not_slip_past_a_wall_that_ends_there():
    env = maze((0.2, 0.3, -1.0, 0.5), start=(0.15, -0.95), start_noise=0.0)
    trace = [go(env, *action)[0][:2] for action in ((0.0, -1.0), (1.0, 0.0), (1.0, -1.0))]
    assert trace[-1] == pytest.approx([0.2, -1.0], abs=1e-6)


@pytest.mark.parametrize("thickness", [0.0, 1e-4, 0.05])
@pytest.mark.parametrize("speed", [0.05, 1.0])
def test_no_step_crosses_a_closed_wall(thickness, speed):
    """A wall across the whole arena, hit at random by long steps: nobody gets to the other side, whatever its width."""
    layout = Layout(walls=((0.1, 0.1 + thickness, -1.0, 1.0),), start=(-0.1, 0.0), goal=(0.9, 0.9), trap=None)
    env = PointMaze(
        layout, num_envs=500, seeds=[0, 1], device="cpu", options=OpenOptions(speed=speed, response=1.0, time_limit=999)
    )
    env.reset()
    generator = torch.Generator().manual_seed(0)
    touched = False
    for _ in range(60):
        x = env.step(torch.rand(2, 500, 2, generator=generator) * 2 - 1)[0][..., 0]
        assert x.max() <= 0.1 + 1e-6
        touched |= bool((x > 0.0999).any())
    assert touched


def test_nobody_ever_stands_inside_a_wall():
    env = registry.make("maze/deceptive", num_envs=300, seeds=[0, 1], options=DeceptiveOptions(speed=0.3, lip=0.8))
    env.reset()
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        position = env.step(torch.randn(2, 300, 2, generator=generator) * 2)[0][..., :2].double()
        assert position.abs().max() <= 1
        for x0, x1, y0, y1 in env.layout.walls:
            x, y = position.unbind(-1)
            slack = 1e-6
            assert not ((x > x0 + slack) & (x < x1 - slack) & (y > y0 + slack) & (y < y1 - slack)).any()


def test_the_goal_terminates_and_pays():
    env = maze(goal=(0.2, 0.0), goal_radius=0.05)
    assert go(env, 1.0, 0.0)[2] is False
    observation, reward, terminated, truncated, metrics = go(env, 1.0, 0.0)
    assert observation[:2] == pytest.approx([0.2, 0.0], abs=1e-6)
    assert (terminated, truncated) == (True, False)
    assert reward == pytest.approx(0.5 + 1.0, abs=1e-5)
    assert metrics["success"] == 1.0


def test_the_goal_on_the_last_step_terminates_rather_than_truncates():
    env = maze(goal=(0.2, 0.0), goal_radius=0.05, time_limit=2)
    go(env, 1.0, 0.0)
    assert go(env, 1.0, 0.0)[2:4] == (True, False)


def test_the_time_limit_truncates_and_the_next_episode_starts_at_once():
    env = maze(time_limit=2)
    go(env, 0.0, 1.0)
    observation, _, terminated, truncated, info = env.step(torch.tensor([[[0.0, 1.0]]]))
    assert (terminated.item(), truncated.item()) == (False, True)
    assert info["final_obs"][0, 0, :2].tolist() == pytest.approx([0.0, 0.2])
    assert observation[0, 0, :4].tolist() == [0.0, 0.0, 0.0, 0.0]


def test_the_progress_of_a_closed_loop_is_zero():
    env = maze(BOX)
    rewards = [go(env, *action)[1] for action in ((0.3, 1.0), (-1.0, 0.0), (0.7, -1.0))]
    assert sum(rewards) == pytest.approx(0.0, abs=1e-5)
    assert max(map(abs, rewards)) > 0.01


def test_a_whole_episode_in_the_trap_earns_the_decoy_weight():
    env = maze(trap=(-0.1, 0.1, -0.1, 0.1), decoy_weight=0.4, time_limit=8)
    steps = [go(env, 0.0, 0.0) for _ in range(8)]
    assert sum(step[1] for step in steps) == pytest.approx(0.4, abs=1e-5)
    assert steps[-1][4]["trap"] == 1.0
    outside = go(env, 0.0, 1.0), go(env, 0.0, 1.0)
    assert outside[1][4]["trap"] == 0.0
    assert outside[1][1] < 0


def test_coverage_counts_each_cell_once():
    env = maze(start=(0.1, 0.1), speed=0.25, time_limit=50)
    coverage = [go(env, *action)[4]["coverage"] * CELLS**2 for action in ((1.0, 0.0), (0.0, 1.0), (0.0, -1.0))]
    # cells are 0.25 wide: start, one to the right, one up, and back into a known one
    assert coverage == [2.0, 3.0, 3.0]


def test_coverage_reaches_the_last_cell():
    env = maze(start=(0.95, 0.95), goal=(-0.9, -0.9))
    assert go(env, 1.0, 1.0)[4]["coverage"] * CELLS**2 == 1.0


def test_start_noise_spreads_the_starts_inside_its_square():
    env = registry.make("maze/open", num_envs=2000, seeds=[0], options=OpenOptions(start_noise=0.1))
    offset = env.reset()[0][0, :, :2] - torch.tensor(env.layout.start)
    assert offset.abs().max() <= 0.1 + 1e-6
    assert (offset.amax(0) > 0.099).all()
    assert (offset.amin(0) < -0.099).all()


@pytest.mark.parametrize("lip", [0.0, 0.3, 1.1])
@pytest.mark.parametrize("gap", [0.05, 0.7, 1.1, 1.3])
@pytest.mark.parametrize("start_noise", [0.0, 0.2, 0.3])
def test_a_start_inside_a_wall_is_refused_and_every_other_layout_is_free(lip, gap, start_noise):
    try:
        options = DeceptiveOptions(lip=lip, gap=gap, start_noise=start_noise)
    except ValueError as error:
        assert "start square meets a wall" in str(error)
        assert lip == 1.1
        assert gap >= 1.1
        return
    layout = deceptive_layout(options)
    (x, y), noise = layout.start, start_noise
    points = [layout.goal] + [(x + dx, y + dy) for dx in (-noise, 0, noise) for dy in (-noise, 0, noise)]
    for x0, x1, y0, y1 in layout.walls:
        assert x0 < x1
        assert y0 < y1
        assert not any(x0 <= x <= x1 and y0 <= y <= y1 for x, y in points)


def test_step_before_reset_is_an_error():
    env = registry.make("maze/open", num_envs=1, seeds=[0])
    with pytest.raises(RuntimeError, match="reset"):
        env.step(torch.zeros(1, 1, 2))


def test_no_copies_or_no_seeds_is_an_error():
    for arguments in ({"num_envs": 0, "seeds": [0]}, {"num_envs": 1, "seeds": []}):
        with pytest.raises(ValueError, match="a copy and a seed"):
            registry.make("maze/open", **arguments)


@pytest.mark.gpu
def test_the_maze_runs_on_a_gpu():
    from envs.testing import check_vector_env

    check_vector_env(
        lambda num_envs, seeds: registry.make("maze/deceptive", num_envs=num_envs, seeds=seeds, device="cuda"),
        metrics=("success", "trap", "coverage"),
    )
