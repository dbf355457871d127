"""MJCF of a manipulation scene: robots, objects and goals around the solver settings they share.

A model's builder returns a ``Part``; ``document`` puts parts together. Angles are radians, rotations given as ``euler``
follow URDF's fixed-axis roll, pitch, yaw (``eulerseq="XYZ"``), quaternions are (w, x, y, z).

Contacts: an object meets robots, tables and other objects; a robot meets tables and the *other* robot, but not itself,
except that its fingertips meet each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

TIMESTEP = 1 / 120
"""Seconds: half of Isaac Gym's 60 Hz step, as its tasks run two sub-steps."""

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]

_LINK, _OBJECT, _TABLE, _TIP, _ROBOT = 1, 2, 4, 8, 16


@dataclass(frozen=True, slots=True)
class Part:
    """Pieces of MJCF.

    Attributes:
        bodies: Children of the world body.
        actuators: Children of ``actuator``.
        sensors: Children of ``sensor``.
        sections: Whole sections, e.g. ``<tendon>...</tendon>``; MuJoCo merges those of the same name.
    """

    bodies: str
    actuators: str = ""
    sensors: str = ""
    sections: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drive:
    """A position servo: torque = stiffness (target - angle) - damping * speed, within +- torque.

    Attributes:
        stiffness: N m / rad.
        damping: N m s / rad.
        torque: Largest magnitude, N m.
        armature: Rotor inertia seen at the joint, kg m^2.
    """

    stiffness: float
    damping: float
    torque: float
    armature: float


def document(
    name: str,
    parts: Sequence[Part],
    *,
    timestep: float = TIMESTEP,
    jacobian: Literal["auto", "dense", "sparse"] = "auto",
) -> str:
    """A complete model of the given parts.

    Args:
        name: Of the model.
        parts: What is in it.
        timestep: Seconds.
        jacobian: How the solver stores the constraints' Jacobian: a matter of speed only.
    """

    def joined(field: Literal["bodies", "actuators", "sensors", "sections"]) -> str:
        return "\n".join(piece for part in parts if (piece := getattr(part, field)))

    return f"""<mujoco model="{name}">
<compiler angle="radian" eulerseq="XYZ" autolimits="true"/>
<option timestep="{timestep!r}" integrator="implicitfast" cone="elliptic" impratio="10" iterations="50"
 jacobian="{jacobian}"/>
<visual><global offwidth="1280" offheight="960"/><headlight ambient=".4 .4 .4" diffuse=".5 .5 .5"/></visual>
<asset>
<texture type="skybox" builtin="gradient" rgb1=".93 .95 .97" rgb2=".62 .7 .78" width="64" height="384"/>
<texture name="dice" type="cube" builtin="flat" rgb1=".93 .89 .8" rgb2=".2 .45 .7" mark="edge" markrgb=".2 .2 .2"
 width="64" height="64"/>
<material name="dice" texture="dice"/>
</asset>
{joined("sections")}
<worldbody>
<light pos="0 0 2.5" dir="0 0 -1" diffuse=".5 .5 .5"/>
{joined("bodies")}
</worldbody>
<actuator>
{joined("actuators")}
</actuator>
<sensor>
{joined("sensors")}
</sensor>
</mujoco>"""


def contact(kind: Literal["link", "tip", "object", "table"], robot: int = 0) -> str:
    """Attributes of a geom that say what it meets.

    Args:
        kind: What the geom belongs to.
        robot: 0 or 1 where a scene has two: their links and tips meet each other.
    """
    own, other = _ROBOT << robot, _ROBOT << (1 - robot)
    contype, conaffinity = {
        "link": (_LINK | own, _OBJECT | _TABLE | other),
        "tip": (_LINK | _TIP | own, _OBJECT | _TABLE | _TIP | other),
        "object": (_OBJECT, _LINK | _TABLE | _OBJECT),
        "table": (_TABLE, _LINK | _OBJECT),
    }[kind]
    return f'contype="{contype}" conaffinity="{conaffinity}"'


def servo(joint: str, drive: Drive) -> str:
    """A position actuator of the joint's name whose targets are clipped to the joint's range."""
    return (
        f'<position name="{joint}" joint="{joint}" kp="{drive.stiffness:g}" kv="{drive.damping:g}" '
        f'forcerange="{-drive.torque:g} {drive.torque:g}" inheritrange="1"/>'
    )


def cuboid(name: str, half: Vector, mass: float, *, position: Vector = (0, 0, 0), inside: str = "") -> Part:
    """A free box: body, geom ``NAME`` and joint ``NAME_joint``.

    Args:
        name: Of body and geom.
        half: Half of each edge, m.
        mass: kg.
        position: Where it begins, m.
        inside: Further children of the body, e.g. ``faces``.
    """
    return Part(
        f'<body name="{name}" pos="{text(position)}"><freejoint name="{name}_joint"/>'
        f'<geom name="{name}" type="box" size="{text(half)}" mass="{mass:g}" {contact("object")} material="dice"/>'
        f"{inside}</body>"
    )


def goal(name: str, half: Vector, *, position: Vector = (0, 0, 0), inside: str = "") -> Part:
    """A mocap box that touches nothing: where and how an object should be."""
    return Part(
        f'<body name="{name}" mocap="true" pos="{text(position)}"><geom name="{name}" type="box" size="{text(half)}" '
        f'contype="0" conaffinity="0" mass="0" material="dice" rgba="1 1 1 .6"/>{inside}</body>'
    )


def faces(half: Vector) -> str:
    """Sites that colour the six sides of a box, so that a picture shows how it is turned."""
    colours = iter((".85 .3 .25", ".95 .65 .25", ".3 .65 .35", ".75 .85 .3", ".25 .45 .8", ".6 .4 .75"))
    sites = []
    for axis in range(3):
        size = [0.75 * edge for edge in half]
        size[axis] = 2e-4
        for side in (half[axis], -half[axis]):
            middle = [0.0, 0.0, 0.0]
            middle[axis] = side
            sites.append(f'<site type="box" pos="{text(middle)}" size="{text(size)}" rgba="{next(colours)} 1"/>')
    return "\n".join(sites)


def box(name: str, half: Vector, position: Vector) -> Part:
    """A fixed box such as a table."""
    return Part(
        f'<geom name="{name}" type="box" size="{text(half)}" pos="{text(position)}" {contact("table")} '
        'rgba=".55 .45 .38 1"/>'
    )


def floor() -> Part:
    """A plane at height 0 to look at; nothing touches it."""
    return Part('<geom name="floor" type="plane" size="2 2 .1" contype="0" conaffinity="0" rgba=".75 .78 .8 1"/>')


def camera(name: str, *, position: Vector, target: Vector) -> Part:
    """A fixed camera that looks from one point at another, upright."""
    forward = [end - start for start, end in zip(position, target, strict=True)]
    right = (forward[1], -forward[0], 0.0)
    up = (-forward[0] * forward[2], -forward[1] * forward[2], forward[0] ** 2 + forward[1] ** 2)
    return Part(f'<camera name="{name}" pos="{text(position)}" xyaxes="{text((*right, *up))}" fovy="45"/>')


def text(values: Sequence[float]) -> str:
    """Numbers as MJCF writes them, all digits kept."""
    return " ".join(repr(float(value)) for value in values)
