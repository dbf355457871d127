"""The scene of AllegroKuka's tasks: robots behind a table, an object on it, and where the object should go.

Positions are those of the public code: one robot's base stands at (0, 0.8, 0) and reaches over the table along -y; two
robots face each other along x, 2.2 m apart. Table tops are 53 cm above the floor, which is only there to look at: an
object that falls off ends the episode above it.
"""

from dataclasses import dataclass
from math import pi
from typing import Literal

from envs.arm_hand.cuboids import DENSITY, EDGE
from envs.arm_hand.model import HOME, JOINTS, arm_hand
from envs.hand.allegro import TIPS
from envs.hand.world import Part, Vector, box, camera, contact, cuboid, document, floor, goal, text

OBJECT = "object"
"""Body and geom of the cuboid; its joint is ``object_joint``."""
GOAL = "goal"
"""Mocap body that shows where the object should go; the bin of ``throw``."""
TABLE_TOP = 0.53
"""Metres above the floor."""
OBJECT_START = (0.0, 0.0, 0.63)
"""Where AllegroKuka's object begins, before noise, m: 10 cm above the table."""
BIN_DEPTH = 0.05
"""A thrown object should lie this far above the bin's origin, m."""

GoalShape = Literal["ball", "object", "bin"]

_WRIST_LIMIT = 6.27
"""AllegroKuka lets the last joint of the arm turn this far, rad; the real one 175 degrees."""
_BIN_HALF_WIDTH, _BIN_HEIGHT, _BIN_WALL = 0.09, 0.198, 0.005


@dataclass(frozen=True, slots=True)
class Robot:
    """One robot of a scene.

    Attributes:
        prefix: Of its names.
        position: Of its base, m.
        yaw: Of its base, rad.
        home: Angles of the arm's joints at the start of an episode, rad.
    """

    prefix: str
    position: Vector
    yaw: float
    home: tuple[float, ...]

    @property
    def joints(self) -> list[str]:
        """Joints and their actuators, arm first."""
        return [self.prefix + name for name in JOINTS]

    @property
    def tips(self) -> list[str]:
        """Sites of the fingertips."""
        return [self.prefix + name for name in TIPS]

    @property
    def palm(self) -> str:
        """Site in the middle of the palm; the sensors ``PALM_quat``, ``_linvel``, ``_angvel`` move with it."""
        return f"{self.prefix}palm_centre"


_TWO_HOME = (*HOME[:3], 1.6, *HOME[4:])
ONE_ARM = (Robot("", (0.0, 0.8, 0.0), 0.0, HOME),)
TWO_ARMS = (
    Robot("left_", (-1.1, 0.0, 0.0), pi / 2, _TWO_HOME),
    Robot("right_", (1.1, 0.0, 0.0), -pi / 2, _TWO_HOME),
)


def scene_mjcf(robots: tuple[Robot, ...], goal_shape: GoalShape) -> str:
    """MJCF of a task's world: the robots, a 5 cm cube as the object, table and goal."""
    table_half = (0.2375 if len(robots) == 1 else 0.55, 0.2, 0.15)
    mass = DENSITY * EDGE**3
    parts = [
        floor(),
        box("table", table_half, (0.0, 0.0, TABLE_TOP - table_half[2])),
        *(_robot(robot, number) for number, robot in enumerate(robots)),
        cuboid(OBJECT, (EDGE / 2, EDGE / 2, EDGE / 2), mass, position=OBJECT_START),
        _goal(goal_shape),
        camera("side", position=(0.95, -1.15, 1.35) if len(robots) == 1 else (0.0, -2.3, 1.7), target=(0.0, 0.0, 0.62)),
    ]
    return document("arm_hand", parts)


def _robot(robot: Robot, number: int) -> Part:
    part = arm_hand(position=robot.position, yaw=robot.yaw, wrist_limit=_WRIST_LIMIT, prefix=robot.prefix, robot=number)
    sensors = "\n".join(
        f'<frame{kind} name="{robot.palm}_{kind}" objtype="site" objname="{robot.palm}"/>'
        for kind in ("quat", "linvel", "angvel")
    )
    return Part(part.bodies, part.actuators, f"{part.sensors}\n{sensors}")


def _goal(shape: GoalShape) -> Part:
    if shape == "object":
        return goal(GOAL, (EDGE / 2, EDGE / 2, EDGE / 2), position=OBJECT_START)
    if shape == "ball":
        geoms = '<geom type="sphere" size=".025" contype="0" conaffinity="0" mass="0" rgba=".6 .72 .98 .6"/>'
    else:
        geoms = _bin()
    return Part(f'<body name="{GOAL}" mocap="true" pos="{text(OBJECT_START)}">\n{geoms}\n</body>')


def _bin() -> str:
    """Bottom and four upright walls; AllegroKuka's bucket is round, 14 cm wide inside at the bottom, 21 at the top."""
    half, height, wall = _BIN_HALF_WIDTH, _BIN_HEIGHT / 2, _BIN_WALL
    shapes = [((0.0, 0.0, wall), (half, half, wall))]
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        middle, size = (x * (half + wall), y * (half + wall), height), (half, half, height)
        shapes.append((middle, (wall if x else size[0] + 2 * wall, wall if y else size[1], height)))
    return "\n".join(
        f'<geom type="box" pos="{text(middle)}" size="{text(size)}" mass="0" {contact("table")} rgba=".35 .6 .45 .7"/>'
        for middle, size in shapes
    )
