"""MuJoCo on CPU threads: ``mujoco.batch``. Bit-identical at any number of threads."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from envs.sim.model import Model
from envs.sim.protocol import WRITABLE, needs_refresh
from envs.sim.require import require


class BatchSim:
    """A ``Sim`` on the CPU; float64."""

    device = torch.device("cpu")

    def __init__(self, model: Model, *, sensed: Sequence[str], num_worlds: int, threads: int | None = None) -> None:
        """Make the worlds.

        Args:
            model: Compiled scene.
            sensed: Derived fields to keep current in ``views``.
            num_worlds: W.
            threads: CPU threads; None for as many as torch uses.
        """
        mujoco = require("mujoco", extra="mujoco", purpose="this environment")
        batch = require("mujoco.batch", extra="mujoco", purpose="this environment")
        # Unstable worlds are counted by `unhealthy`; by default each would also write a line into a log file in the
        # working directory.
        mujoco.set_mju_user_warning(_ignore)
        self.model = model
        self.num_worlds = num_worlds
        self._error = batch.SimulationError
        self._none, self._velocity = mujoco.mjtStage.mjSTAGE_NONE, mujoco.mjtStage.mjSTAGE_VEL
        # What of a new state is computed after a step: a tenth of the time of five, so only where it is read.
        self._after_step = self._velocity if needs_refresh(sensed) else self._none
        self._batch = batch.Batch(model.mj, nsim=num_worlds, nthread=threads or torch.get_num_threads())
        self._state = torch.from_numpy(self._batch.state)
        self._expanded: dict[str, torch.Tensor] = {}
        self._unhealthy = torch.zeros(num_worlds, dtype=torch.bool)
        self._shown: tuple[Any, Any] = (None, None)
        written = {name: torch.from_numpy(self._batch.bind(name)) for name in WRITABLE}
        self.views: Mapping[str, torch.Tensor] = written | {
            name: _readable(self._batch.bind(name)) for name in sensed if name not in written
        }

    def step(self, substeps: int) -> None:
        """Advance every world; see ``Sim.step``."""
        self._batch.warning[:] = 0
        try:
            self._batch.step(nstep=substeps, stage=self._after_step)
        except self._error as error:
            self._batch.warning[error.ids] = 1
        # A warning: full contact or constraint buffers, non-finite or huge state (MuJoCo then starts the world again).
        self._unhealthy = torch.from_numpy(self._batch.warning[..., 1].any(-1))

    def reset(self, mask: torch.Tensor) -> None:
        """Put worlds into the initial state; see ``Sim.reset``."""
        self._batch.reset(mask.numpy(), stage=self._none)

    def forward(self, mask: torch.Tensor) -> None:
        """Compute derived fields; see ``Sim.forward``."""
        self._batch.forward(mask.numpy(), stage=self._velocity)

    def expand(self, field: str) -> torch.Tensor:
        """A model's field per world; see ``Sim.expand``."""
        if field not in self._expanded:
            self._expanded[field] = torch.from_numpy(self._batch.expand(field))
        return self._expanded[field]

    def commit_model(self, mask: torch.Tensor) -> None:
        """Recompute constants; see ``Sim.commit_model``."""
        self._batch.set_const(mask.numpy())

    def unhealthy(self) -> torch.Tensor:
        """Worlds whose last step raised a warning; see ``Sim.unhealthy``."""
        return self._unhealthy

    def state_dict(self) -> dict[str, Any]:
        """States as MuJoCo's integration rows, and the expanded fields."""
        return {
            "state": self._state.clone(),
            "expanded": {name: field.clone() for name, field in self._expanded.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        for name, values in state["expanded"].items():
            self.expand(name).copy_(values)
        if state["expanded"]:
            self._batch.set_const()
        self._state.copy_(state["state"])

    def world(self, index: int) -> tuple[Any, Any]:
        """One world's model and data; see ``Sim.world``."""
        mujoco = require("mujoco", extra="mujoco", purpose="rendering")
        # Written into the same objects every time, so that a renderer opened on the model sees its changes.
        self._shown = (self._batch.get_model(index, self._shown[0]), self._batch.get_data(index, self._shown[1]))
        mujoco.mj_forward(*self._shown)
        return self._shown

    def close(self) -> None:
        """Let go of the views; the worlds go with the last of them."""
        self.views = {}


def _ignore(message: str) -> None:
    """MuJoCo's warnings are counted, not printed."""


def _readable(array: Any) -> torch.Tensor:
    """A tensor on memory that MuJoCo marks as its own output: torch has no read-only tensors and warns of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(array)
