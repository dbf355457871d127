"""The cuboids of AllegroKuka: edge lengths in multiples of 5 cm.

Each set holds all combinations of its edges (in percent of 5 cm) whose volume, in cubes of 5 cm, is within bounds:

=======  ========================================  =========  ==================================================
set      edges                                     volume     but for
=======  ========================================  =========  ==================================================
small    50 66 75 90 100 110 125 150 175 200       1 to 2.5
         250 300
big      100 125 150 200 250 300 350               2.5 to 15  plates: shortest edge at most a third of the next
sticks   50 75 100 200 300 400 500 600             2.5 to 6   plates, and what is not more than three times
                                                              longer than wide
=======  ========================================  =========  ==================================================

The cube of 5 cm always belongs to them. The public code keeps a few shapes twice, as they belong to two sets; here each
counts once.
"""

from collections.abc import Sequence
from itertools import product

EDGE = 0.05
"""Metres."""
DENSITY = 400.0
"""kg / m^3."""

Scale = tuple[float, float, float]

_SMALL = ((50, 66, 75, 90, 100, 110, 125, 150, 175, 200, 250, 300), 1.0, 2.5)
_BIG = ((100, 125, 150, 200, 250, 300, 350), 2.5, 15.0)
_STICKS = ((50, 75, 100, 200, 300, 400, 500, 600), 2.5, 6.0)


def scales(*, small: bool, big: bool, sticks: bool) -> list[Scale]:
    """The shapes of the chosen sets, sorted."""
    shapes = {(100, 100, 100)}
    if small:
        shapes |= _shapes(*_SMALL)
    if big:
        shapes |= {shape for shape in _shapes(*_BIG) if not _plate(shape)}
    if sticks:
        shapes |= {shape for shape in _shapes(*_STICKS) if not _plate(shape) and _stick(shape)}
    return [(x / 100, y / 100, z / 100) for x, y, z in sorted(shapes)]


def _shapes(edges: Sequence[int], least: float, most: float) -> set[tuple[int, int, int]]:
    return {(x, y, z) for x, y, z in product(edges, repeat=3) if least <= x * y * z / 1e6 <= most}


def _plate(shape: tuple[int, int, int]) -> bool:
    short, middle, _ = sorted(shape)
    return short * 3 <= middle


def _stick(shape: tuple[int, int, int]) -> bool:
    _, middle, long = sorted(shape)
    return long > middle * 3
