"""KUKA's LBR iiwa 7 R800: seven joints, from its published dimensions.

Sources: joint distances (340, 400, 400, 126 mm), ranges (170, 120, 170, 120, 170, 120, 175 degrees either way) and
largest torques: KUKA's data sheet of the LBR iiwa 7 R800. Masses, centres of mass and moments of inertia of the links
(KUKA publishes the total only): those of the arm in IsaacGymEnvs' AllegroKuka tasks, which come from the public
``iiwa_stack``; products of inertia are left out.

At the zero pose the arm stands upright and every link's frame is parallel to the base's; axes 1, 3, 5, 7 point up, 2
and 6 along +y, 4 along -y. Joint n's frame lies on its axis; those of 2, 4, 6 where the axes meet. Denavit-Hartenberg
(d, alpha; all a = 0): (0.34, -90), (0, 90), (0.4, 90), (0, -90), (0.4, -90), (0, 90), (0.126, 0).

Shapes are capsules around the axes. Gravity does not act on the arm (AllegroKuka switches it off).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians

from envs.hand.world import Drive, Part, Vector, contact, servo, text

JOINTS = tuple(f"arm_joint_{number}" for number in range(1, 8))
"""Names of the joints, in the order of ``qpos`` and ``ctrl``."""
TORQUES = (176.0, 176.0, 110.0, 110.0, 110.0, 40.0, 40.0)
"""Largest torques of the real arm's axes, N m."""
DRIVE = Drive(stiffness=40.0, damping=5.0, torque=300.0, armature=0.0)
"""What AllegroKuka sets for every joint of the arm."""
FLANGE = 0.126
"""From axis 6 to the flange, m."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link and the joint that carries it; lengths in m, the frame parallel to the base's at the zero pose.

    Attributes:
        height: Of the joint above the one before, at the zero pose.
        axis: Of rotation.
        limit: Range of the angle, +- degrees.
        mass: kg.
        centre: Of mass.
        inertia: Moments about the axes through the centre of mass, kg m^2.
        capsules: ``(from z, to z, radius)`` along the link's own axis.
    """

    height: float
    axis: Vector
    limit: float
    mass: float
    centre: Vector
    inertia: Vector
    capsules: tuple[tuple[float, float, float], ...]


_UP, _LEFT, _RIGHT = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0)

LINKS = (
    Link(0.15, _UP, 170, 3.4525, (0, -0.03, 0.12), (0.02183, 0.007703, 0.02083), ((0.03, 0.19, 0.07),)),
    Link(0.19, _LEFT, 120, 3.4821, (-0.0003, 0.042, 0.059), (0.02076, 0.00779, 0.02179), ((0.0, 0.17, 0.07),)),
    Link(0.21, _UP, 170, 4.05623, (0, 0.03, 0.13), (0.03204, 0.00972, 0.03042), ((0.0, 0.19, 0.065),)),
    Link(0.19, _RIGHT, 120, 3.4822, (0, -0.034, 0.067), (0.02178, 0.007785, 0.02075), ((0.0, 0.17, 0.065),)),
    Link(0.21, _UP, 170, 2.1633, (-0.0001, -0.021, 0.076), (0.01287, 0.005708, 0.01112), ((0.0, 0.19, 0.06),)),
    Link(0.19, _LEFT, 120, 2.3466, (0, -0.0603, 0.0006), (0.006509, 0.004527, 0.006259), ((-0.02, 0.03, 0.06),)),
    Link(0.081, _UP, 175, 3.129, (0, 0, 0.02), (0.01464, 0.01465, 0.002872), ((0.0, 0.01, 0.045),)),
)
"""From the base to the flange; the heights up to the wrist add up to 0.34 + 0.4 + 0.4 m."""


def iiwa(
    *,
    position: Vector = (0, 0, 0),
    yaw: float = 0.0,
    drive: Drive | Sequence[Drive] = DRIVE,
    wrist_limit: float = radians(175),
    tool: str = "",
    prefix: str = "",
    robot: int = 0,
) -> Part:
    """The arm, its base fixed to whatever body the part is put into.

    Args:
        position: Of the base's frame in the parent's, m.
        yaw: Rotation of the base about z, rad.
        drive: Servo of every joint, or one each.
        wrist_limit: Range of the last joint, +- rad (AllegroKuka lets it turn 6.27 rad).
        tool: Bodies fixed to the flange; their poses are in its frame, whose z points out of the arm.
        prefix: Of every name, where a scene has two arms.
        robot: Which robot of the scene it is, see ``world.contact``.

    Returns:
        Bodies ``PREFIX + "arm_link_0"`` to ``7``, site ``PREFIX + "flange"``, joints and actuators ``JOINTS``.
    """
    drives = (drive,) * len(LINKS) if isinstance(drive, Drive) else tuple(drive)
    look = f'{contact("link", robot)} rgba=".9 .55 .2 1"'
    inner = f'<site name="{prefix}flange" pos="0 0 {FLANGE - LINKS[-1].height!r}" size=".01"/>\n{tool}'
    for number, link, servo_of_joint in reversed(list(zip(range(1, 8), LINKS, drives, strict=True))):
        limit = wrist_limit if number == len(LINKS) else radians(link.limit)
        geoms = "\n".join(
            f'<geom name="{prefix}arm_{number}_{index}" type="capsule" fromto="0 0 {low!r} 0 0 {high!r}" '
            f'size="{radius!r}" mass="0" {look}/>'
            for index, (low, high, radius) in enumerate(link.capsules)
        )
        inner = (
            f'<body name="{prefix}arm_link_{number}" pos="0 0 {link.height!r}" gravcomp="1">\n'
            f'<inertial pos="{text(link.centre)}" mass="{link.mass!r}" diaginertia="{text(link.inertia)}"/>\n'
            f'<joint name="{prefix}arm_joint_{number}" axis="{text(link.axis)}" range="{-limit!r} {limit!r}" '
            f'armature="{servo_of_joint.armature!r}"/>\n{geoms}\n{inner}\n</body>'
        )
    bodies = f"""<body name="{prefix}arm_link_0" pos="{text(position)}" euler="0 0 {yaw!r}">
<geom name="{prefix}arm_0_0" type="cylinder" fromto="0 0 0 0 0 .15" size=".08" {look}/>
{inner}
</body>"""
    return Part(bodies, "\n".join(servo(prefix + name, one) for name, one in zip(JOINTS, drives, strict=True)))
