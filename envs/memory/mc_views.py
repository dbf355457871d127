"""What MC-LS shows: 16 views of 300 numbers, made up from a fixed seed instead of copied pictures.

The published world flattens 10 x 10 RGB pictures to numbers in [-1, 1). The statistics that matter to a learner are
kept: green and red, which it must tell apart once, differ by 0.77 on average; the two types of a room, which it must
tell apart again and again, by 0.05 where they differ at all, in the four cells from which a side is still to be chosen
or was just reached.
"""

import random

SIZE = 300
"""Numbers of one view."""
GREEN_RED = 0.77
"""Mean absolute difference of the two signals."""
TYPES = 0.05
"""Mean absolute difference of a cell's views in rooms of type 0 and 1."""
SEED = 20240303

View = tuple[float, ...]


def signals() -> tuple[View, View]:
    """Green, then red."""
    return _pair(random.Random(f"{SEED} signal"), GREEN_RED)


def end() -> View:
    """The end of the maze."""
    return _scene(random.Random(f"{SEED} end"), 0.0)


def cell(name: str) -> View:
    """A cell that looks the same in both types of room."""
    return _scene(random.Random(f"{SEED} {name}"), 0.0)


def typed_cell(name: str) -> tuple[View, View]:
    """A cell as it looks in a room of type 0, then of type 1."""
    return _pair(random.Random(f"{SEED} {name}"), TYPES)


def _scene(source: random.Random, margin: float) -> View:
    """Independent uniform numbers in [-1 + margin, 1 - margin)."""
    return tuple((2 * source.random() - 1) * (1 - margin) for _ in range(SIZE))


def _pair(source: random.Random, difference: float) -> tuple[View, View]:
    """One scene moved by half the difference, up or down at random, and its mirror image."""
    middle = _scene(source, difference / 2)
    shift = [difference / 2 if source.random() < 0.5 else -difference / 2 for _ in middle]
    low = tuple(base - change for base, change in zip(middle, shift, strict=True))
    return low, tuple(base + change for base, change in zip(middle, shift, strict=True))
