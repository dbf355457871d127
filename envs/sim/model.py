"""A compiled scene: the names in it and the constants behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from envs.sim.require import require


@dataclass(frozen=True, slots=True)
class Scene:
    """A model's description.

    Attributes:
        mjcf: MuJoCo's XML.
        assets: Files it names, e.g. meshes: name -> bytes.
        contacts: Most contacts of a world, which size the buffers of a GPU (pairs of geoms that come close count too);
            None for what the geoms allow, 64 at most. On the CPU they grow.
    """

    mjcf: str
    assets: Mapping[str, bytes] = field(default_factory=dict)
    contacts: int | None = None


class Model:
    """What tasks ask about the compiled scene; both back-ends step ``mj``."""

    def __init__(self, scene: Scene) -> None:
        mujoco = require("mujoco", extra="mujoco", purpose="this environment")
        self.mj: Any = mujoco.MjModel.from_xml_string(scene.mjcf, dict(scene.assets))
        self.contacts = scene.contacts
        self.timestep = float(self.mj.opt.timestep)

    def ids(self, kind: str, names: Sequence[str]) -> list[int]:
        """Indices of named objects: rows of ``site_xpos`` for sites, of ``xpos`` for bodies, of ``ctrl`` for actuators.

        Args:
            kind: ``site``, ``body``, ``geom``, ``joint``, ``actuator``, ``sensor`` or ``tendon``.
            names: As in the scene.

        Raises:
            KeyError: The scene has no such object.
        """
        return [getattr(self.mj, kind)(name).id for name in names]

    def qpos(self, joint: str) -> slice:
        """Where a joint's coordinates stand in ``qpos``: 7 of a free joint (position, quaternion), else 1."""
        return self._of_joint(joint, self.mj.jnt_qposadr, {0: 7, 1: 4})

    def qvel(self, joint: str) -> slice:
        """Where a joint's velocities stand in ``qvel``: 6 of a free joint (linear, angular), else 1."""
        return self._of_joint(joint, self.mj.jnt_dofadr, {0: 6, 1: 3})

    def mocap(self, body: str) -> int:
        """Row of a mocap body in ``mocap_pos`` and ``mocap_quat``."""
        return int(self.mj.body(body).mocapid[0])

    def sensor(self, name: str) -> slice:
        """Where a sensor's values stand in ``sensordata``."""
        first = int(self.mj.sensor(name).adr[0])
        return slice(first, first + int(self.mj.sensor(name).dim[0]))

    def constant(self, name: str, device: torch.device | str = "cpu") -> torch.Tensor:
        """The compiled values of a model's field, e.g. ``jnt_range``, float32."""
        return torch.tensor(getattr(self.mj, name), dtype=torch.float32, device=device)

    def _of_joint(self, joint: str, addresses: Any, sizes: Mapping[int, int]) -> slice:
        index = self.mj.joint(joint).id
        first = int(addresses[index])
        return slice(first, first + sizes.get(int(self.mj.jnt_type[index]), 1))
