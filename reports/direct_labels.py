"""Names at the right end of lines, pushed apart just enough to be read."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reports.manifest import Variant
from reports.style import INK, label

_SIZE = 5.6
"""Points: the height of a name, without the space around it."""
_LOWEST, _HIGHEST = -0.08, 1.1
"""Where the centres of names may stand, as fractions of the axes' height."""


def colour(variant: Variant) -> str:
    """Black for the baseline, the manifest's colour for everybody else."""
    return INK if variant.role == "baseline" else variant.color


def direct_labels(axes: Axes, ends: Sequence[tuple[float, Variant]], pitch: float, most: int = 20) -> None:
    """Write each variant's name beside the end of its line; call when the axes' limits are final.

    Args:
        axes: With a linear or a logarithmic scale.
        ends: Where each line ends, in the units of the y axis, and whose it is.
        pitch: Least distance between two names, as a fraction of the axes' height.
        most: Characters of a name.
    """
    if not ends:
        return
    low, high = axes.transData.transform([(0, edge) for edge in axes.get_ylim()])[:, 1]
    heights = axes.transData.transform([(0, end) for end, _ in ends])[:, 1]
    places = (heights - low) / (high - low)
    order = np.argsort(places, kind="stable")
    for place, index in zip(_spread(places[order], pitch), order, strict=True):
        variant = ends[index][1]
        color, frame = colour(variant), axes.transAxes
        axes.plot([1.01, 1.045], [places[index], place], color=color, lw=0.5, transform=frame, clip_on=False)
        axes.text(1.06, place, label(variant.name, most), color=color, fontsize=_SIZE, va="center", transform=frame)


def _spread(places: NDArray[np.float64], pitch: float) -> NDArray[np.float64]:
    """Rising places moved until neighbours are ``pitch`` apart, within the frame as far as they fit."""
    spread = places.copy()
    for _ in range(200):
        overlap = pitch - np.diff(spread)
        push = np.maximum(overlap, 0) / 2
        if len(push) == 0 or push.max() < 1e-3:
            break
        spread[:-1] -= push
        spread[1:] += push
        spread += max(0.0, _LOWEST - spread[0]) - max(0.0, spread[-1] - _HIGHEST)
    return spread
