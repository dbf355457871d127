"""Profiles as figures: a wide panel each, trained models solid and untrained ones dashed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from reports.direct_labels import colour, direct_labels
from reports.journal import Column
from reports.manifest import Variant
from reports.profiles import Line, both_lines, profile_names
from reports.scores import ScoreTable
from reports.style import FAINT, GREY, WIDTH, figure, label

DOWN = 4
"""Panels of one page."""
LABELLED = 20
"""Up to this many variants each line carries its name; beyond, a key stands below the panels."""
DECADES = 2
"""A scale is logarithmic from this span of the positive values on."""
DASHES = (0, (4, 2))
_ROW, _TOP, _BOTTOM = 2.1, 0.22, 0.4
"""Inches: height of one panel with its title and axis, and the margins of the page."""
_LEFT, _WIDTH, _NAMES = 0.075, 0.69, 0.2
_PITCH = 0.062
_KEY_COLUMNS = 4
_TICKS = 6

Both = tuple[Variant, Line | None, Line | None]


@dataclass(frozen=True, slots=True)
class Scale:
    """How values become heights.

    Attributes:
        log: Logarithmic, or linear.
        low: Lower limit of the axis.
        high: Upper limit of the axis.
        zero: Where exact zeros lie on a logarithmic axis; None when there are none.
        ticks: Powers of ten that are marked on a logarithmic axis.
    """

    log: bool
    low: float
    high: float
    zero: float | None = None
    ticks: tuple[float, ...] = ()

    def place(self, values: Column) -> Column:
        """Values as drawn."""
        return values if self.zero is None else np.where(values == 0, self.zero, values)


def scale_of(values: Column) -> Scale:
    """The scale of a panel that shows these finite values."""
    low, high = float(values.min()), float(values.max())
    positive = values[values > 0]
    if low < 0 or len(positive) == 0 or high < 10**DECADES * positive.min():
        base = min(low, 0.0)  # heights compare growth: a flat line must look flat
        margin = 0.04 * (high - base) or 1.0
        return Scale(False, base - margin, high + margin)
    first, last = math.log10(positive.min()), math.log10(high)
    # A tenth of the height on either side, and a tenth more for the line of zeros.
    tenth = 0.1 * (last - first)
    zero = 10 ** (first - 1.5 * tenth) if low == 0 else None
    apart = max(1, math.ceil((last - first) / _TICKS))
    ticks = tuple(10.0**power for power in range(math.ceil(first), math.floor(last) + 1) if power % apart == 0)
    return Scale(True, 10 ** (first - (2.2 if low == 0 else 0.5) * tenth), 10 ** (last + 0.5 * tenth), zero, ticks)


def profile_pages(table: ScoreTable, task: int) -> list[Figure]:
    """Pages of panels of one task, one panel per profile."""
    names = profile_names(table, task)
    return [_page(table, names[start : start + DOWN], task) for start in range(0, len(names), DOWN)]


def _page(table: ScoreTable, names: Sequence[str], task: int) -> Figure:
    panels = [both_lines(table, task, name) for name in names]
    drawn = {variant.name for panel in panels for variant, _, _ in panel}
    variants = [variant for variant in table.manifest.variants if variant.name in drawn]
    labelled = len(variants) <= LABELLED
    key = 0.0 if labelled else 0.14 * -(-len(variants) // _KEY_COLUMNS) + 0.1
    bottom = _BOTTOM + key
    height = _ROW * len(names) + _TOP + bottom - 0.1
    made = figure(WIDTH, height)
    for i, (name, panel) in enumerate(zip(names, panels, strict=True)):
        floor = bottom + _ROW * (len(names) - 1 - i)
        width = _WIDTH if labelled else _WIDTH + _NAMES
        axes = made.add_axes((_LEFT, floor / height, width, (_ROW - 0.42) / height))
        ends = _panel(axes, panel)
        axes.set_title(label(name, 60), loc="left")
        if labelled:
            direct_labels(axes, ends, _PITCH, 24)
    axes.set_xlabel("time step")
    _heading(made, table.manifest.tasks[task].label if len(table.manifest.tasks) > 1 else "", height)
    for i, variant in enumerate([] if labelled else variants):
        x = _LEFT + (i % _KEY_COLUMNS) * 0.23
        y = (key - 0.05 - 0.14 * (i // _KEY_COLUMNS)) / height
        made.add_artist(Line2D([x, x + 0.02], [y, y], color=colour(variant), lw=1.4, transform=made.transFigure))
        made.text(x + 0.028, y, label(variant.name, 24), va="center", fontsize=5.8)
    return made


def _heading(made: Figure, task: str, height: float) -> None:
    """The task, where there are several, and what solid and dashed mean."""
    y = 1 - 0.09 / height
    made.text(_LEFT, y, label(task, 80), va="center")
    for x, text, style in ((0.69, "trained", "-"), (0.82, "untrained", DASHES)):
        made.add_artist(Line2D([x, x + 0.035], [y, y], color=GREY, lw=1.2, ls=style, transform=made.transFigure))
        made.text(x + 0.043, y, text, va="center", color=GREY)


def _panel(axes: Axes, panel: Sequence[Both]) -> list[tuple[float, Variant]]:
    """Draw one profile; returns where each variant's line ends: the trained one's where there is one."""
    lines = [line for _, before, after in panel for line in (before, after) if line is not None]
    scale = scale_of(np.concatenate([values for line in lines for _, values in line.runs]))
    last = max(float(line.x[-1]) for line in lines)
    _axis(axes, scale)
    axes.set_xlim(0, last if last > 0 else 1)
    ends = []
    for variant, before, after in panel:
        color = colour(variant)
        order = 5 if variant.role == "baseline" else 4
        for line, style in ((before, DASHES), (after, "-")):
            if line is None:
                continue
            runs = [np.column_stack([x, scale.place(values)]) for x, values in line.runs]
            axes.add_collection(
                LineCollection(runs, colors=color, linewidths=0.35, alpha=0.4, linestyles=[style], zorder=2),
                autolim=False,
            )
            axes.plot(
                line.x, scale.place(line.mean), color=color, lw=1.2, ls=style, zorder=order,
                marker="o" if len(line.x) == 1 else "", ms=2.5,
            )  # fmt: skip
        end = after if after is not None else before
        assert end is not None
        height = float(scale.place(end.mean[-1:])[0])
        if end.x[-1] < last:
            axes.plot([end.x[-1], last], [height, height], color=color, lw=0.5, ls=(0, (1, 2)))
        ends.append((height, variant))
    return ends


def _axis(axes: Axes, scale: Scale) -> None:
    """Limits and ticks; on a logarithmic axis the powers of ten, and 0 where there are zeros."""
    if scale.log:
        axes.set_yscale("log")
        zero = [] if scale.zero is None else [scale.zero]
        axes.yaxis.set_major_locator(FixedLocator([*zero, *scale.ticks]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_yticklabels(["0"] * len(zero) + [f"$10^{{{round(math.log10(tick))}}}$" for tick in scale.ticks])
        axes.set_ylabel("log scale", color=GREY)
        for height in zero:
            axes.axhline(height, color=FAINT, lw=0.6, zorder=1)
    else:
        axes.locator_params(axis="y", nbins=5)
    axes.set_ylim(scale.low, scale.high)
