"""An iiwa 7 that carries an Allegro hand: the robot of AllegroKuka's tasks.

Where the hand sits follows AllegroKuka's placements: its fingers continue the arm's last axis, which runs through the
middle of the palm, and the palm looks along (-1, -1, 0) in the flange's frame. The adapter between flange and hand
makes up for AllegroKuka's flange of 152 mm (the data sheet's is 126 mm), so that the hand is where it is there.
"""

from math import cos, radians, sin

from envs.arm_hand import iiwa
from envs.hand import allegro
from envs.hand.world import Drive, Part, Vector, contact

JOINTS = iiwa.JOINTS + allegro.JOINTS
"""Names of the 23 joints and actuators, arm first."""
HAND_DRIVE = Drive(stiffness=3.0, damping=0.1, torque=0.35, armature=0.002)
"""AllegroKuka's torque limit, with the gains of the AllegroHand task. AllegroKuka's own gains (40, 5, no armature) need
a servo whose clipped torque is integrated implicitly, as PhysX does; MuJoCo's is unstable with them."""
HOME = (-1.571, 1.571, 0.0, 1.376, 0.0, 1.485, 2.358)
"""AllegroKuka's angles of the arm at the start of an episode: the hand level above the table, palm down, rad."""
PALM_CENTRE = (0.0, -0.02, 0.16)
"""What AllegroKuka calls the middle of the palm, in the frame of the arm's last link, m."""

_MOUNT = 0.1435
"""From the flange to the hand's frame along the axis, m: 0.152 - 0.126 and 0.1175 above AllegroKuka's flange."""
_OFF_AXIS = 0.0091
"""The hand's frame in front of the axis along the palm's normal, m: the palm's boxes are 0.009 m behind it."""


def arm_hand(
    *,
    position: Vector = (0, 0, 0),
    yaw: float = 0.0,
    arm_drive: Drive = iiwa.DRIVE,
    hand_drive: Drive = HAND_DRIVE,
    wrist_limit: float = radians(175),
    prefix: str = "",
    robot: int = 0,
) -> Part:
    """The robot; bodies and sites are those of ``iiwa.iiwa`` and ``allegro.allegro``, and ``PREFIX + "palm_centre"``.

    Args:
        position: Of the arm's base, m.
        yaw: Rotation of the base about z, rad.
        arm_drive: Servo of the arm's joints.
        hand_drive: Servo of the fingers' joints.
        wrist_limit: Range of the arm's last joint, +- rad.
        prefix: Of every name, where a scene has two robots.
        robot: 0 or 1, so that two robots meet each other.
    """
    # The hand's z is the flange's; its x (the palm's normal) points along (-1, -1, 0): a turn of -135 degrees.
    turn = radians(-135)
    hand = allegro.allegro(
        position=(_OFF_AXIS * cos(turn), _OFF_AXIS * sin(turn), iiwa.FLANGE - iiwa.LINKS[-1].height + _MOUNT),
        orientation=(cos(turn / 2), 0.0, 0.0, sin(turn / 2)),
        drive=hand_drive,
        prefix=prefix,
        robot=robot,
    )
    x, y, z = PALM_CENTRE
    end = iiwa.FLANGE - iiwa.LINKS[-1].height
    adapter = (
        f'<geom name="{prefix}adapter" type="cylinder" fromto="0 0 {end!r} 0 0 {end + _MOUNT - 0.0952!r}" size=".035" '
        f'mass="0" {contact("link", robot)} rgba=".6 .6 .62 1"/>'
        f'<site name="{prefix}palm_centre" pos="{x!r} {y!r} {z!r}" size=".005"/>'
    )
    arm = iiwa.iiwa(
        position=position,
        yaw=yaw,
        drive=arm_drive,
        wrist_limit=wrist_limit,
        tool=f"{adapter}\n{hand.bodies}",
        prefix=prefix,
        robot=robot,
    )
    return Part(arm.bodies, f"{arm.actuators}\n{hand.actuators}")
