"""Where things stand in a point maze.

The arena is the square [-1, 1] x [-1, 1]; boxes are (x0, x1, y0, y1). The deceptive one::

    +-----------------------------+
    |                   gap       |
    |                |            |    S start, G goal. The straight line from S to G ends in the pocket T (the trap),
    |     -----------|            |    closed by the barrier, from above by the lip and from below by the arena. The
    |        lip     |            |    way to G leads back out of T, around the lip and through the gap.
    |  S          T  |     G      |
    |                | barrier    |
    +-----------------------------+
"""

from dataclasses import dataclass

from envs.maze.options import CrossroadsOptions, DeceptiveOptions, OpenOptions

Box = tuple[float, float, float, float]

START = (-0.65, -0.4)
GOAL = (0.75, -0.4)
BARRIER_X = 0.3
LIP_Y = 0.2
THICKNESS = 0.06
TRAP_WIDTH = 0.3
"""How far from the barrier points count as trapped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Walls, start, goal and trap of one maze."""

    walls: tuple[Box, ...]
    start: tuple[float, float]
    goal: tuple[float, float]
    trap: Box | None


def open_layout(options: OpenOptions) -> Layout:
    """No walls."""
    return Layout(walls=(), start=START, goal=GOAL, trap=None)


def deceptive_layout(options: DeceptiveOptions) -> Layout:
    """A barrier with a gap at the top and a lip over the pocket in front of the goal."""
    top = 1.0 - options.gap
    lip_y = min(LIP_Y, top - THICKNESS)
    left = BARRIER_X - options.lip
    barrier = (BARRIER_X, BARRIER_X + THICKNESS, -1.0, top)
    lip = (left, BARRIER_X, lip_y, lip_y + THICKNESS)
    trap = (BARRIER_X - TRAP_WIDTH, BARRIER_X, -1.0, lip_y)
    return Layout(walls=(barrier, lip) if options.lip > 0 else (barrier,), start=START, goal=GOAL, trap=trap)


def blocked_start(options: DeceptiveOptions) -> Box | None:
    """A wall that the square of start positions touches, if there is one."""
    (x, y), noise = START, options.start_noise
    for x0, x1, y0, y1 in deceptive_layout(options).walls:
        if x0 <= x + noise and x - noise <= x1 and y0 <= y + noise and y - noise <= y1:
            return x0, x1, y0, y1
    return None


def crossroads_layout(options: CrossroadsOptions) -> Layout:
    """Four arms that meet in the middle, where the point starts; the corners are wall."""
    near, far = options.half_width, 1.0
    sides = ((-far, -near), (near, far))
    walls = tuple((x0, x1, y0, y1) for x0, x1 in sides for y0, y1 in sides)
    return Layout(walls=walls, start=(0.0, 0.0), goal=(1.0, 0.0), trap=None)
