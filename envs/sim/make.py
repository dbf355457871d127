"""Chooses the back-end of a device."""

from collections.abc import Sequence

import torch

from envs.sim.batch import BatchSim
from envs.sim.model import Model, Scene
from envs.sim.protocol import Sim


def make_sim(scene: Scene, *, sensed: Sequence[str], num_worlds: int, device: torch.device) -> Sim:
    """Worlds of a scene on a device.

    Args:
        scene: What to simulate.
        sensed: Derived fields the task reads.
        num_worlds: W.
        device: ``cpu``, or a CUDA device.
    """
    return BatchSim(Model(scene), sensed=sensed, num_worlds=num_worlds)
