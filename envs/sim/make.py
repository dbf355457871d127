"""Chooses the back-end of a device."""

from collections.abc import Sequence

import torch

from envs.sim.batch import BatchSim
from envs.sim.model import Model, Scene
from envs.sim.protocol import Sim
from envs.sim.warp import WarpSim


class NoBackEndError(ValueError):
    """A device on which no physics runs; the message says what does."""


def make_sim(scene: Scene, *, sensed: Sequence[str], num_worlds: int, device: torch.device) -> Sim:
    """Worlds of a scene on a device: MuJoCo's batches on ``cpu``, MuJoCo Warp on ``cuda``.

    Args:
        scene: What to simulate.
        sensed: Derived fields the task reads.
        num_worlds: W.
        device: ``cpu``, or a CUDA device.
    """
    check_device(device)
    if device.type == "cpu":
        return BatchSim(Model(scene), sensed=sensed, num_worlds=num_worlds)
    return WarpSim(Model(scene), sensed=sensed, num_worlds=num_worlds, device=device)


def check_device(device: torch.device | str) -> None:
    """Refuse a device without a back-end before anything is made on it.

    Raises:
        NoBackEndError: Neither the CPU nor a CUDA device that torch can use.
    """
    kind = torch.device(device).type
    if kind not in ("cpu", "cuda"):
        raise NoBackEndError(f"simulated tasks run on cpu or cuda, not on {kind}")
    if kind == "cuda" and not torch.cuda.is_available():
        raise NoBackEndError("device cuda: torch finds no CUDA device here; simulated tasks run on cpu as well")
