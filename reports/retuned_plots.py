"""Every effect twice: with the arms as they are, and with each arm's own chosen value."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.plots import NAME, effect_ends, effect_label
from reports.retuned import Retuned
from reports.style import BAND, FAINT, GREY, WIDTH, figure, label
from reports.verdicts import Conclusion, Contrast

_TWO_LINES = 14
_APART = 0.17
"""Distance of both bars from the middle of their row."""


def retuned_effects(found: Retuned) -> list[Figure]:
    """A pair of intervals per change: the upper one as is, with an open dot, the lower one retuned.

    Nothing while a side has no effect, or where only one of them is in per cent.
    """
    sides = (found.as_is, found.retuned)
    drawn = [pair for pair in found.pairs if any(row.effect is not None for row in pair)]
    if any(all(row.effect is None for row in side.contrasts) for side in sides):
        return []
    if len({side.in_percent for side in sides}) > 1:
        return []
    pitch, top, bottom = (0.34 if len(drawn) <= _TWO_LINES else 0.22), 0.1, 0.45
    height = pitch * len(drawn) + top + bottom
    made = figure(WIDTH, height)
    axes = made.add_axes((0.285, bottom / height, 0.55, 1 - (top + bottom) / height))
    axes.spines["left"].set_visible(False)
    if found.as_is.in_percent:
        margin = 100 * found.as_is.table.manifest.primary.margin
        axes.axvspan(-margin, margin, color=BAND, lw=0, zorder=0)
    axes.axvline(0, color=GREY, lw=0.6, zorder=1)
    for y, pair in enumerate(drawn):
        axes.axhline(y + 0.5, color=FAINT, lw=0.4, zorder=0)
        for conclusion, row, side in zip(sides, pair, (-1, 1), strict=True):
            _bar(axes, conclusion, row, y + side * _APART, filled=side > 0)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    axes.set_yticks(range(len(drawn)), [label(row.variant.name, NAME) for row, _ in drawn])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(effect_label(found.as_is))
    return [made]


def _bar(axes: Axes, conclusion: Conclusion, row: Contrast, y: float, *, filled: bool) -> None:
    ends = effect_ends(conclusion, row)
    if ends is None:
        return
    value, interval, *_ = ends
    scale, color = (100.0 if conclusion.in_percent else 1.0), row.variant.color
    axes.plot([scale * interval.low, scale * interval.high], [y, y], color=color, lw=1.6, zorder=2)
    axes.plot(scale * value, y, "o", ms=4.2, mec=color, mew=1.0, mfc=color if filled else "white", zorder=3)


def retuned_words(found: Retuned) -> str:
    """The alternative text of the figure."""
    names = ", ".join(row.variant.name for row, _ in found.pairs[:12])
    return f"Effect of every change as is and retuned, with intervals: {names}. The table has the numbers."
