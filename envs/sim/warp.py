"""MuJoCo Warp: all worlds on one CUDA device. The same code runs on Warp's CPU device, for tests.

What a step launches is recorded once, as a CUDA graph (on the CPU as Warp's own recording), and replayed from then on;
nothing in ``step``, ``reset``, ``forward``, ``commit_model`` and ``unhealthy`` waits for the device.
"""

import copy
import gc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from envs.sim.model import Model
from envs.sim.protocol import WRITABLE, needs_refresh
from envs.sim.require import require
from envs.sim.warp_overflow import OverflowWatch
from envs.sim.warp_room import max_constraints, max_contacts
from envs.sim.warp_stages import constant_groups, constants_of, needs_whole_stages

STATE = [
    "time",
    "qpos",
    "qvel",
    "act",
    "history",
    "plastic",
    "qacc_warmstart",
    "ctrl",
    "qfrc_applied",
    "xfrc_applied",
    "eq_active",
    "mocap_pos",
    "mocap_quat",
    "userdata",
]
"""What the next step depends on: MuJoCo's integration state."""

LARGEST = 1e10
"""MuJoCo's ``mjMAXVAL``: it calls a coordinate, velocity or acceleration beyond this bad."""


class WarpSim:
    """A ``Sim`` on MuJoCo Warp; float32."""

    def __init__(self, model: Model, *, sensed: Sequence[str], num_worlds: int, device: torch.device | str) -> None:
        """Make the worlds.

        Args:
            model: Compiled scene; its ``contacts`` decide how much room there is for contacts and constraints.
            sensed: Derived fields to keep current in ``views``.
            num_worlds: W.
            device: A CUDA device, or the CPU.
        """
        mujoco = require("mujoco", extra="warp", purpose="an environment on a GPU")
        self._wp: Any = require("warp", extra="warp", purpose="an environment on a GPU")
        self._mjw: Any = require("mujoco_warp", extra="warp", purpose="an environment on a GPU")
        # Compilations are announced on standard output, which belongs to the run's table.
        self._wp.config.log_level = max(self._wp.config.log_level, self._wp.LOG_WARNING)
        self.model = model
        self.num_worlds = num_worlds
        self.device = torch.device(device)
        self._wp.init()
        self._device = self._wp.device_from_torch(_indexed(self.device))
        contacts = max_contacts(model.mj) if model.contacts is None else model.contacts
        constraints = max_constraints(model.mj, contacts)
        with self._wp.ScopedDevice(self._device):
            self._model = self._mjw.put_model(model.mj)
            self._data = self._mjw.make_data(model.mj, nworld=num_worlds, nconmax=contacts, njmax=constraints)
            self._mask = self._wp.zeros(num_worlds, dtype=bool)
            self._wp.synchronize_device()
        self._model.opt.warn_overflow = 0  # printing from a kernel stops the device
        if self._device.is_cuda and not self._wp.is_conditional_graph_supported():
            self._model.opt.graph_conditional = False
        self._model.opt.run_rne_postconstraint = not {"cfrc_ext", "cfrc_int", "cacc"}.isdisjoint(sensed)
        self._fresh_after_step = needs_refresh(sensed)
        self._whole_stages = needs_whole_stages(model.mj, sensed)
        self._like = mujoco.MjData(model.mj)
        self._shown: tuple[Any, Any] | None = None
        self._expanded: dict[str, torch.Tensor] = {}
        self._constants = 0
        self._recordings: dict[str, Any] = {}
        # Without a memory pool a device cannot give out memory while it records.
        self._records = self._device.is_cpu or self._wp.is_mempool_enabled(self._device)
        self._streams: dict[int, Any] = {}
        self._unhealthy = torch.zeros(num_worlds, dtype=torch.bool, device=self.device)
        self._overflow, self._masked = self._wp.to_torch(self._data.overflow), self._wp.to_torch(self._mask)
        self._moving = [self._state(name) for name in ("qpos", "qvel", "qacc")]
        self._watch = OverflowWatch(
            self._mjw.OverflowType, f"{contacts} contacts and {constraints} constraint rows", self.device
        )
        self.views: Mapping[str, torch.Tensor] = {
            name: self._state(name) for name in dict.fromkeys((*WRITABLE, *sensed))
        }

    def step(self, substeps: int) -> None:
        """Advance every world; see ``Sim.step``."""
        self._launch(f"step {substeps}", lambda: self._step(substeps))
        sound = torch.stack([(values.abs() < LARGEST).all(-1) for values in self._moving]).all(0)  # NaN is not less
        self._unhealthy = ~sound | self._watch.look(self._overflow)

    def reset(self, mask: torch.Tensor) -> None:
        """Put worlds into the initial state; see ``Sim.reset``."""
        self._masked.copy_(mask)
        self._launch("reset", lambda: self._mjw.reset_data(self._model, self._data, reset=self._mask))

    def forward(self, mask: torch.Tensor) -> None:
        """Compute derived fields, those of all worlds: the others' are functions of what they were before."""
        self._launch("forward", self._refresh)

    def expand(self, field: str) -> torch.Tensor:
        """A model's field per world; see ``Sim.expand``."""
        groups = constant_groups(self.model.mj, field, self._mjw.SetConstGroup)
        for name in (field, *constants_of(groups, self._mjw.SetConstGroup)):
            if name not in self._expanded:
                self._expanded[name] = self._give(name)
        self._constants |= groups
        return self._expanded[field]

    def commit_model(self, mask: torch.Tensor) -> None:
        """Recompute constants of all worlds: the others' come out as they are; see ``Sim.commit_model``."""
        if self._constants:
            self._launch(
                "commit", lambda: self._mjw.set_const(self._model, self._data, groups=self._constants, restore=True)
            )

    def unhealthy(self) -> torch.Tensor:
        """Worlds the last step made non-finite, or that found no room for a contact; see ``Sim.unhealthy``."""
        return self._unhealthy

    def state_dict(self) -> dict[str, Any]:
        """The integration state's fields, and the per-world fields of the model."""
        return {
            "state": {name: self._state(name).clone() for name in STATE},
            "expanded": {name: values.clone() for name, values in self._expanded.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        for name, values in state["expanded"].items():
            self.expand(name).copy_(values)
        for name, values in state["state"].items():
            self._state(name).copy_(values)

    def world(self, index: int) -> tuple[Any, Any]:
        """One world's model and data; see ``Sim.world``."""
        mujoco = require("mujoco", extra="mujoco", purpose="rendering")
        if self._shown is None:
            model = copy.copy(self.model.mj)
            self._shown = (model, mujoco.MjData(model))
        model, data = self._shown
        for name, values in self._expanded.items():
            _assign(*_owner(model, name), values[index])
        for name in STATE:
            _assign(data, name, self._state(name)[index])
        mujoco.mj_forward(model, data)
        return self._shown

    def close(self) -> None:
        """Let go of the worlds and of what was recorded over them."""
        self.views = {}
        self._recordings.clear()

    def _step(self, substeps: int) -> None:
        self._data.overflow.zero_()
        for _ in range(substeps):
            self._mjw.step(self._model, self._data)
        if self._fresh_after_step:
            self._refresh()

    def _refresh(self) -> None:
        """The derived fields of the present state up to its velocities, as ``BatchSim`` has them after a step."""
        model, data = self._model, self._data
        (self._mjw.fwd_position if self._whole_stages else self._mjw.fwd_kinematics)(model, data)
        self._mjw.sensor_pos(model, data)
        (self._mjw.fwd_velocity if self._whole_stages else self._mjw.com_vel)(model, data)
        self._mjw.sensor_vel(model, data)

    def _launch(self, name: str, launches: Callable[[], None]) -> None:
        """Run kernels: plainly at first, which compiles them; recorded the second time, replayed from then on."""
        with self._wp.ScopedDevice(self._device):
            stream = self._stream()
            if name not in self._recordings or not self._records:
                with self._wp.ScopedStream(stream):
                    launches()
                self._recordings[name] = None
                return
            if self._recordings[name] is None:
                self._recordings[name] = self._record(launches)
            self._wp.capture_launch(self._recordings[name], stream=stream)

    def _record(self, launches: Callable[[], None]) -> Any:
        """Record on Warp's own stream: torch's default one cannot be recorded."""
        collecting = gc.isenabled()
        gc.disable()  # a collection in between would free device memory inside the recording
        try:
            with self._wp.ScopedCapture() as capture:
                launches()
        finally:
            if collecting:
                gc.enable()
        return capture.graph

    def _stream(self) -> Any:
        """Torch's current stream as Warp's, so that kernels of both keep their order; None on the CPU."""
        if not self._device.is_cuda:
            return None
        current = torch.cuda.current_stream(self.device)
        if current.cuda_stream not in self._streams:
            self._streams[current.cuda_stream] = self._wp.stream_from_torch(current)
        return self._streams[current.cuda_stream]

    def _give(self, field: str) -> torch.Tensor:
        """Replace a field that all worlds share by one of each world's own; recordings hold the old one's address."""
        owner, attribute = _owner(self._model, field)
        spec = {one.name: one.type for one in type(owner).__dataclass_fields__.values()}.get(attribute)
        if not (getattr(spec, "shape", None) or ("",))[0] == "*":
            raise ValueError(f"MuJoCo Warp has no `{field}` per world")
        shared = getattr(owner, attribute)
        with self._wp.ScopedDevice(self._device):
            own = self._wp.array(np.repeat(shared.numpy(), self.num_worlds, axis=0), dtype=shared.dtype)
            self._wp.synchronize_device()
        setattr(owner, attribute, own)
        self._recordings.clear()
        reference, name = _owner(self.model.mj, field)
        return self._tensor(own, np.shape(getattr(reference, name)))

    def _state(self, name: str) -> torch.Tensor:
        return self._tensor(getattr(self._data, name), np.shape(getattr(self._like, name, ())))

    def _tensor(self, array: Any, shape: tuple[int, ...]) -> torch.Tensor:
        """A live view of device memory in MuJoCo's layout, which has no matrices: ``xmat`` is ``[W, nbody, 9]``."""
        if array.size == 0:
            return torch.zeros((self.num_worlds, *shape), device=self.device)
        tensor: torch.Tensor = self._wp.to_torch(array)
        return tensor.view(self.num_worlds, *shape)


def _owner(model: Any, field: str) -> tuple[Any, str]:
    """Options are named ``opt.gravity``, as MuJoCo's batches name them."""
    return (model.opt, field.removeprefix("opt.")) if field.startswith("opt.") else (model, field)


def _indexed(device: torch.device) -> torch.device:
    """Warp does not know a CUDA device without a number."""
    return torch.device("cuda", torch.cuda.current_device()) if str(device) == "cuda" else device


def _assign(owner: Any, attribute: str, values: torch.Tensor) -> None:
    """Give a field of MuJoCo's structures new values: its arrays stay in place, its numbers are replaced."""
    setattr(owner, attribute, values.cpu().numpy() if values.ndim else values.item())
