"""A small scene on Warp's CPU device: kernels are compiled once for all tests, unoptimised, and stay in its cache."""

from collections.abc import Sequence

import pytest
import torch
from hinge import HINGE, Hinge

from envs.sim.batch import BatchSim
from envs.sim.model import Model, Scene
from envs.sim.warp import WarpSim

wp = pytest.importorskip("warp")
pytest.importorskip("mujoco_warp")
wp.config.optimization_level = 0
wp.config.cpu_compiler_flags = ""

FLOOR = Scene(
    HINGE.mjcf.replace('<body name="ball"', '<geom type="plane" size="9 9 1"/><body name="ball"').replace(
        '<geom name="rod"', '<geom name="rod" contype="0" conaffinity="0"'
    )
)
"""The hinge, and a floor under the ball."""

SENSED = ("qpos", "qvel", "site_xpos", "site_xmat", "xquat", "cvel", "sensordata")


def warp_sim(num_worlds: int, scene: Scene = FLOOR, sensed: Sequence[str] = SENSED) -> WarpSim:
    return WarpSim(Model(scene), sensed=sensed, num_worlds=num_worlds, device="cpu")


def batch_sim(num_worlds: int, scene: Scene = FLOOR, sensed: Sequence[str] = SENSED) -> BatchSim:
    return BatchSim(Model(scene), sensed=sensed, num_worlds=num_worlds)


def everywhere(sim: BatchSim | WarpSim) -> torch.Tensor:
    return torch.ones(sim.num_worlds, dtype=torch.bool)


def drop(sim: BatchSim | WarpSim, heights: torch.Tensor) -> None:
    """Put each ball at a height above its floor, moving sideways, and each hinge at an angle of that size."""
    sim.reset(everywhere(sim))
    sim.views["qpos"][:, 0] = heights.to(sim.views["qpos"].dtype)
    sim.views["qpos"][:, 3] = heights.to(sim.views["qpos"].dtype)
    sim.views["qvel"][:, 1] = 0.5
    sim.forward(everywhere(sim))


class WarpHinge(Hinge):
    """The task of ``hinge.py`` over the floor; on Warp where ``make_sim`` is made to say so."""

    def _scene(self) -> Scene:
        return FLOOR


def on_device(scene: Scene, *, sensed: Sequence[str], num_worlds: int, device: torch.device) -> WarpSim:
    """What ``make_sim`` does on a GPU."""
    return WarpSim(Model(scene), sensed=sensed, num_worlds=num_worlds, device=device)
