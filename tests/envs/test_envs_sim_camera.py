"""Pictures of simulated tasks; skipped where there is no OpenGL."""

import numpy as np
import pytest
import torch
from hinge import Hinge

from envs.maze.options import OpenOptions
from envs.maze.point_maze import make_open
from envs.pictured import pictured
from envs.sim.camera import Camera, NoRendererError


@pytest.fixture(scope="module", autouse=True)
def _offscreen() -> None:
    env = Hinge(1, (0,))
    env.reset()
    try:
        Camera(env.sim.world(0)[0], width=16, height=16).close()
    except NoRendererError as error:
        pytest.skip(str(error))
    finally:
        env.close()


def test_a_picture_shows_the_copy_asked_for_as_it_stands() -> None:
    env = Hinge(2, (0, 1))
    assert pictured(env) is env and env.step_seconds == pytest.approx(0.04)
    env.reset()
    shots = [env.picture(seed=seed, copy=copy, width=96, height=64) for seed in (0, 1) for copy in (0, 1)]
    assert all(shot.shape == (64, 96, 3) and shot.dtype == np.uint8 and shot.std() > 5 for shot in shots)
    assert all((shots[0] != other).any() for other in shots[1:])
    assert (env.picture(seed=0, copy=0, width=96, height=64) == shots[0]).all()
    env.step(torch.ones(2, 2, 1))
    assert (env.picture(seed=0, copy=0, width=96, height=64) != shots[0]).any()
    env.close()


def test_looking_changes_nothing() -> None:
    seen, unseen = Hinge(2, (3,)), Hinge(2, (3,))
    seen.reset()
    unseen.reset()
    for _ in range(9):
        seen.picture(seed=0, copy=1, width=32, height=32)
        assert torch.equal(seen.step(torch.ones(1, 2, 1))[0], unseen.step(torch.ones(1, 2, 1))[0])
    seen.close()


def test_a_changed_model_shows() -> None:
    env = Hinge(1, (0,))
    env.reset()
    before = env.picture(seed=0, copy=0, width=96, height=64)
    env.sim.expand("geom_size")[:, :, 0] *= 3
    assert (env.picture(seed=0, copy=0, width=96, height=64) != before).any()
    env.close()


def test_a_maze_is_not_pictured() -> None:
    assert pictured(make_open(num_envs=1, seeds=(0,), device="cpu", options=OpenOptions())) is None
