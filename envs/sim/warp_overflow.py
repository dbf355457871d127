"""What does not fit into MuJoCo Warp's fixed buffers is left out of the physics: flag those worlds, and say so once."""

import warnings
from typing import Any

import torch

LOST = ("NEFC", "NJMAX_NNZ", "BROADPHASE", "NARROWPHASE", "CCD", "HFIELD", "NVMAX")
"""Overflows that leave a contact or a constraint out. The others (iteration limits, sensors' matches) cost accuracy."""

PERIOD = 256
"""Steps between two looks at a GPU's count, which the host reads without waiting for it."""


class OverflowWatch:
    """Tells the worlds whose step lost contacts or constraints, and warns at the first.

    Contacts of all worlds share one buffer: where it is full, Warp cannot say whose are missing and flags all worlds.
    """

    def __init__(self, kinds: Any, room: str, device: torch.device) -> None:
        """Watch a simulator.

        Args:
            kinds: ``mujoco_warp.OverflowType``.
            room: What each world has room for, for the message.
            device: Where its flags are.
        """
        self._lost = sum(int(kinds[name]) for name in LOST)
        self._room = room
        self._steps = 0
        self._told = False
        self._cuda = device.type == "cuda"
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        self._read = torch.zeros((), dtype=torch.int64, pin_memory=self._cuda)
        self._copied = torch.cuda.Event() if self._cuda else None  # type: ignore[no-untyped-call]

    def look(self, flags: torch.Tensor) -> torch.Tensor:
        """Worlds whose last step lost something, ``[W]`` bool.

        Args:
            flags: Bits of ``OverflowType``, ``[W]`` int32.
        """
        lost = (flags & self._lost) != 0
        if not self._told:
            self._count += lost.sum()
            self._steps += 1
            if not self._cuda:
                self._tell(int(self._count))
            elif self._steps % PERIOD == 0:
                self._poll()
        return lost

    def _poll(self) -> None:
        """Read the count that was asked for a period ago, and ask again."""
        assert self._copied is not None
        if self._steps > PERIOD and not self._copied.query():  # type: ignore[no-untyped-call]
            return
        self._tell(int(self._read))
        self._read.copy_(self._count, non_blocking=True)
        self._copied.record()

    def _tell(self, count: int) -> None:
        if count:
            self._told = True
            warnings.warn(
                f"MuJoCo Warp had no room for a contact or constraint in {count} worlds; their episodes are ended and "
                f"counted as `unhealthy`. Each world has room for {self._room}: raise `contacts` of the task's Scene",
                RuntimeWarning,
                stacklevel=4,
            )
