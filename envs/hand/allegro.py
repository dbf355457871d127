"""The Allegro Hand (right): four fingers, sixteen joints, from its published dimensions.

Source of every joint origin, axis, range and link mass: SimLab's description of the hand (``allegro_hand_right.urdf``,
published with ``allegro_hand_ros``). Shapes are boxes of the published sizes and capsules along the published lengths
instead of meshes; inertias follow from masses and shapes (the published tensors are not those of solid bodies).

Frame of the hand, body ``PREFIX + "palm"``: z along the fingers, x out of the palm, y towards the index finger. The
palm's surface is the plane x = 0.0117 m.

Gravity does not act on the hand (Isaac Gym's tasks switch it off for the robot), and its links pass through each other
except for the fingertips.
"""

from dataclasses import dataclass
from math import cos, pi, sin

from envs.hand.world import Drive, Part, Quaternion, Vector, contact, servo, text

FINGERS = ("index", "middle", "ring", "thumb")
JOINTS = tuple(f"{finger}_joint_{link}" for finger in FINGERS for link in range(4))
"""Names of the joints, in the order of ``qpos`` and ``ctrl``."""
TIPS = tuple(f"{finger}_tip" for finger in FINGERS)
"""Names of the sites in the middle of the spheres that end the fingers."""
PALM_SURFACE = 0.0117
"""x of the palm's surface in the hand's frame, m."""

DRIVE = Drive(stiffness=3.0, damping=0.1, torque=0.5, armature=0.001)
"""What IsaacGymEnvs' AllegroHand sets, but for PhysX's joint friction coefficient, which MuJoCo does not have."""

_TIP_RADIUS = 0.012
_FINGER_RADIUS = 0.0112


@dataclass(frozen=True, slots=True)
class Link:
    """One link and the joint that carries it.

    Attributes:
        origin: Of the joint in the parent's frame, m.
        roll_pitch_yaw: Of the joint's frame in the parent's, fixed axes, rad.
        axis: Of rotation.
        limits: Of the angle, rad.
        mass: kg.
        length: Along z to the next joint, for the last link to the middle of the tip, m.
        box: Middle and half sizes of its box, m; None for a capsule along ``length``.
    """

    origin: Vector
    roll_pitch_yaw: Vector
    axis: Vector
    limits: tuple[float, float]
    mass: float
    length: float
    box: tuple[Vector, Vector] | None = None


def _finger(origin: Vector, roll: float) -> tuple[Link, ...]:
    none = (0.0, 0.0, 0.0)
    base = ((0.0, 0.0, 0.0082), (0.0098, 0.01375, 0.0082))
    return (
        Link(origin, (roll, 0.0, 0.0), (0, 0, 1), (-0.47, 0.47), 0.0119, 0.0164, base),
        Link((0.0, 0.0, 0.0164), none, (0, 1, 0), (-0.196, 1.61), 0.065, 0.054),
        Link((0.0, 0.0, 0.054), none, (0, 1, 0), (-0.174, 1.709), 0.0355, 0.0384),
        Link((0.0, 0.0, 0.0384), none, (0, 1, 0), (-0.227, 1.618), 0.0096 + 0.0168, 0.0267),
    )


LINKS: dict[str, tuple[Link, ...]] = {
    "index": _finger((0.0, 0.0435, -0.001542), -0.08726646255),
    "middle": _finger((0.0, 0.0, 0.0007), 0.0),
    "ring": _finger((0.0, -0.0435, -0.001542), 0.08726646255),
    "thumb": (
        Link(
            (-0.0182, 0.019333, -0.045987),
            (0.0, -1.65806278845, -1.5707963259),
            (-1, 0, 0),
            (0.263, 1.396),
            0.0176,
            0.0399,
            ((-0.0179, 0.009, 0.0145), (0.0179, 0.017, 0.02275)),
        ),
        Link(
            (-0.027, 0.005, 0.0399),
            (0.0, 0.0, 0.0),
            (0, 0, 1),
            (-0.105, 1.163),
            0.0119,
            0.0177,
            ((0.0, 0.0, 0.00885), (0.0098, 0.01375, 0.00885)),
        ),
        Link((0.0, 0.0, 0.0177), (0.0, 0.0, 0.0), (0, 1, 0), (-0.189, 1.644), 0.038, 0.0514),
        Link((0.0, 0.0, 0.0514), (0.0, 0.0, 0.0), (0, 1, 0), (-0.162, 1.719), 0.0388 + 0.0168, 0.0423),
    ),
}
"""The fingers from the palm outwards."""

_PALM = (
    ((-0.009, 0.0, -0.023), (0.0207, 0.056, 0.0224)),
    ((-0.009, -0.0253, -0.0667), (0.0207, 0.0269, 0.0214)),
    ((-0.0093, -0.00557, -0.08874), (0.0207, 0.036, 0.0065)),
)
_PALM_MASS = 0.4154


def allegro(
    *,
    position: Vector = (0, 0, 0),
    orientation: Quaternion = (1, 0, 0, 0),
    drive: Drive = DRIVE,
    prefix: str = "",
    robot: int = 0,
) -> Part:
    """The hand, its palm fixed to whatever body the part is put into.

    Args:
        position: Of the hand's frame in the parent's, m.
        orientation: Of the hand's frame in the parent's.
        drive: Servo of every joint.
        prefix: Of every name, where a scene has two hands.
        robot: Which robot of the scene the hand belongs to, see ``world.contact``.
    """
    volume = sum(x * y * z for _, (x, y, z) in _PALM)
    palm = "\n".join(
        f'<geom name="{prefix}palm_{index}" type="box" pos="{text(middle)}" size="{text(half)}" '
        f'mass="{_PALM_MASS * half[0] * half[1] * half[2] / volume!r}" {contact("link", robot)} rgba=".25 .25 .28 1"/>'
        for index, (middle, half) in enumerate(_PALM)
    )
    fingers = "\n".join(_chain(prefix + finger, LINKS[finger], drive, robot) for finger in FINGERS)
    bodies = f"""<body name="{prefix}palm" pos="{text(position)}" quat="{text(orientation)}" gravcomp="1">
{palm}
{fingers}
</body>"""
    return Part(bodies, "\n".join(servo(prefix + joint, drive) for joint in JOINTS))


def palm_up(tilt: float = 0.0) -> Quaternion:
    """Orientation of a hand whose palm looks up and whose fingers point along the world's x.

    Args:
        tilt: How far the fingers point above the horizon, rad.
    """
    # Flat: half a turn about (x + z) / sqrt(2). A tilt turns it about the world's -y:
    # (cos a, 0, -sin a, 0) * (0, s, 0, s) with a = tilt / 2.
    half, s = tilt / 2, sin(pi / 4)
    return (0.0, s * (cos(half) - sin(half)), 0.0, s * (cos(half) + sin(half)))


def _chain(finger: str, links: tuple[Link, ...], drive: Drive, robot: int) -> str:
    """The bodies of a finger, each inside the one before."""
    inner = f'<site name="{finger}_tip" pos="0 0 {links[-1].length!r}" size=".004"/>'
    for number in reversed(range(len(links))):
        link, last = links[number], number == len(links) - 1
        if link.box is not None:
            shape = f'type="box" pos="{text(link.box[0])}" size="{text(link.box[1])}"'
        else:
            radius = _TIP_RADIUS if last else _FINGER_RADIUS
            shape = f'type="capsule" fromto="0 0 0 0 0 {link.length!r}" size="{radius!r}"'
        kind, colour = ("tip", ".85 .85 .87 1") if last else ("link", ".3 .3 .33 1")
        inner = (
            f'<body name="{finger}_link_{number}" pos="{text(link.origin)}" euler="{text(link.roll_pitch_yaw)}" '
            f'gravcomp="1">\n<joint name="{finger}_joint_{number}" axis="{text(link.axis)}" '
            f'range="{text(link.limits)}" armature="{drive.armature!r}"/>\n'
            f'<geom name="{finger}_{number}" {shape} mass="{link.mass!r}" {contact(kind, robot)} '  # type: ignore[arg-type]
            f'rgba="{colour}"/>\n{inner}\n</body>'
        )
    return inner
