"""Which of MuJoCo Warp's computations a task needs: after a step, and after a change of the model."""

from collections.abc import Collection
from functools import reduce
from typing import Any

from envs.sim.protocol import FORCES, WRITABLE
from envs.sim.require import require

KINEMATIC = frozenset(
    [
        "time",
        "xpos",
        "xquat",
        "xmat",
        "xipos",
        "ximat",
        "xanchor",
        "xaxis",
        "geom_xpos",
        "geom_xmat",
        "site_xpos",
        "site_xmat",
        "cam_xpos",
        "cam_xmat",
        "light_xpos",
        "light_xdir",
        "subtree_com",
        "cdof",
        "cinert",
        "ten_length",
        "wrap_xpos",
        "cvel",
        "cdof_dot",
        "sensordata",
    ]
)
"""Derived fields that positions and velocities of bodies suffice for."""

_SENSORS = [
    "MAGNETOMETER",
    "CAMPROJECTION",
    "RANGEFINDER",
    "JOINTPOS",
    "TENDONPOS",
    "BALLQUAT",
    "FRAMEPOS",
    "FRAMEXAXIS",
    "FRAMEYAXIS",
    "FRAMEZAXIS",
    "FRAMEQUAT",
    "SUBTREECOM",
    "INSIDESITE",
    "CLOCK",
    "VELOCIMETER",
    "GYRO",
    "JOINTVEL",
    "BALLANGVEL",
    "FRAMELINVEL",
    "FRAMEANGVEL",
    "SUBTREELINVEL",
    "SUBTREEANGMOM",
]
"""Sensors for which they do."""

_CONSTANTS = {
    "FIXED": ("body_subtreemass", "geom_aabb", "geom_rbound"),
    "KIN0": (
        [
            "tendon_length0",
            "eq_data",
            "cam_pos0",
            "cam_poscom0",
            "cam_mat0",
            "light_pos0",
            "light_poscom0",
            "light_dir0",
        ]
    ),
    "INERT0": ("dof_invweight0", "body_invweight0", "tendon_invweight0", "actuator_acc0"),
}
"""What ``set_const`` writes, by group."""

_GROUPS = {
    "geom_size": ("FIXED",),
    "eq_data": ("KIN0",),
    "cam_pos": ("KIN0",),
    "cam_quat": ("KIN0",),
    "light_pos": ("KIN0",),
    "light_dir": ("KIN0",),
    "body_inertia": ("INERT0",),
    "dof_armature": ("INERT0",),
    "qpos0": ("KIN0", "INERT0"),
} | dict.fromkeys(
    [
        "body_mass",
        "body_pos",
        "body_quat",
        "body_ipos",
        "body_iquat",
        "tendon_armature",
        "actuator_armature",
        "actuator_gear",
    ],
    ("FIXED", "KIN0", "INERT0"),
)
"""Which groups follow from a field: the table of ``mujoco_warp.set_const``."""


def needs_whole_stages(mj: Any, sensed: Collection[str]) -> bool:
    """Whether a task reads more than kinematics: contacts, inertias, limits, actuators' lengths.

    Args:
        mj: Compiled model.
        sensed: Fields the task reads.
    """
    if not set(sensed) <= {*WRITABLE, *FORCES, *KINEMATIC}:
        return True
    mujoco = require("mujoco", extra="warp", purpose="an environment on a GPU")
    enough = {int(getattr(mujoco.mjtSensor, f"mjSENS_{name}")) for name in _SENSORS}
    stages = zip(mj.sensor_type, mj.sensor_needstage, strict=True)
    return "sensordata" in sensed and any(
        kind not in enough and stage != mujoco.mjtStage.mjSTAGE_ACC for kind, stage in stages
    )


def constant_groups(mj: Any, field: str, kinds: Any) -> int:
    """Bits of ``mujoco_warp.SetConstGroup`` to recompute after a change of a field; 0 where nothing depends on it."""
    names = _GROUPS.get(field, ())
    if field == "geom_size" and mj.nwrap:
        names = tuple(_CONSTANTS)
    return reduce(lambda bits, name: bits | int(kinds[name]), names, 0)


def constants_of(groups: int, kinds: Any) -> list[str]:
    """The fields that recomputing the groups writes: they too become each world's own."""
    return [name for group, names in _CONSTANTS.items() if groups & int(kinds[group]) for name in names]
