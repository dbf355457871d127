"""Learning curves: every run, both means, and the difference with its simultaneous band."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.curves import Comparison, compare_curves
from reports.journal import Column
from reports.notation import compact
from reports.plots import NAME
from reports.scores import ScoreTable
from reports.style import GREY, INK, WIDTH, figure, label
from reports.verdicts import Conclusion, Contrast

ACROSS, DOWN = 3, 4
"""Panels of one page."""
_ROW, _BOTTOM, _TOP = 1.86, 0.4, 0.06
"""Inches: height of one row of panels, and the margins of the page."""
_LEFT, _RIGHT, _GAP, _WIDEST = 0.085, 0.975, 0.05, 0.6


def step_unit(budget: float) -> tuple[float, str]:
    """Divisor and name of the axis of environment steps."""
    for scale, name in ((1e9, "billion "), (1e6, "million "), (1e3, "thousand ")):
        if budget >= scale:
            return scale, f"environment steps ({name.strip()})"
    return 1.0, "environment steps"


def learning_curves(conclusion: Conclusion, task: int) -> list[Figure]:
    """Small multiples of one task, a panel per variant; below each the difference curve with its sup-t band."""
    rows = conclusion.ranked
    size = ACROSS * DOWN
    return [_page(conclusion, rows[start : start + size], task) for start in range(0, len(rows), size)]


def _page(conclusion: Conclusion, rows: Sequence[Contrast], task: int) -> Figure:
    table = conclusion.table
    across = min(ACROSS, len(rows))
    down = -(-len(rows) // across)
    top = _TOP + (0.2 if len(table.manifest.tasks) > 1 else 0.0)
    height = _ROW * down + _BOTTOM + top
    made = figure(WIDTH, height)
    scale, unit = step_unit(table.manifest.budget)
    width = min(_WIDEST, (_RIGHT - _LEFT - (across - 1) * _GAP) / across)
    ticks = _ticks(0, table.manifest.budget / scale)
    pairs: list[tuple[Axes, Axes]] = []
    for i, row in enumerate(rows):
        left = _LEFT + (i % across) * (width + _GAP)
        floor = height - top - (i // across + 1) * _ROW
        upper = made.add_axes((left, (floor + 0.76) / height, width, 0.9 / height))
        lower = made.add_axes((left, (floor + 0.1) / height, width, 0.5 / height))
        both = compare_curves(table, row.variant.name, task, 1 - conclusion.alpha)
        _curves_panel(upper, table, row, task, scale, both)
        _difference_panel(lower, row, scale, both)
        for axes in (upper, lower):
            axes.set_xlim(0, table.manifest.budget / scale)
        upper.set_xticks([])
        lower.set_xticks(ticks if i + across >= len(rows) else [])
        if i % across == 0:
            upper.set_ylabel(label(table.manifest.primary.name, 24))
            lower.set_ylabel("difference")
        pairs.append((upper, lower))
    _share_limits([upper for upper, _ in pairs], across)
    _share_limits([lower for _, lower in pairs], across)
    made.text(_LEFT, 0.1 / height, unit, va="bottom")
    if len(table.manifest.tasks) > 1:
        made.text(_LEFT, 1 - 0.02 / height, label(table.manifest.tasks[task].label, 80), va="top")
    return made


def _share_limits(panels: Sequence[Axes], across: int) -> None:
    """One scale for all panels of a kind; only the first column spells it out (ticks are what makes drawing slow)."""
    low, high = (pick(axes.get_ylim()[i] for axes in panels) for i, pick in ((0, min), (1, max)))
    ticks = _ticks(low, high)
    for i, axes in enumerate(panels):
        axes.set_yticks([] if i % across else ticks)
        axes.set_ylim(low, high)


def _ticks(low: float, high: float) -> list[float]:
    return [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]


def _curves_panel(
    axes: Axes, table: ScoreTable, row: Contrast, task: int, scale: float, both: Comparison | None
) -> None:
    base, variant = table.manifest.baseline, row.variant
    sign = -1 if table.flipped else 1
    for name, color in ((base.name, GREY), (variant.name, variant.color)):
        runs = [run for run in table.arm(name, task) if len(run.curve[0])]
        lines = [np.column_stack([run.curve[0] / scale, sign * run.curve[1]]) for run in runs]
        axes.add_collection(LineCollection(lines, colors=color, linewidths=0.4, alpha=0.45, zorder=2), autolim=True)
        ends = [line[-1] for line, run in zip(lines, runs, strict=True) if run.state == "failed"]
        for end in ends:
            axes.plot(*end, "x", color=color, ms=3.5, mew=0.9, zorder=5)
    if both is not None:
        axes.plot(both.steps / scale, sign * both.base.mean(axis=0), color=INK, lw=1.1, zorder=3)
        axes.plot(both.steps / scale, sign * both.variant.mean(axis=0), color=variant.color, lw=1.4, zorder=4)
    axes.autoscale_view()
    axes.set_title(label(variant.name, NAME), loc="left", color=variant.color)


def _difference_panel(axes: Axes, row: Contrast, scale: float, both: Comparison | None) -> None:
    axes.axhline(0, color=GREY, lw=0.5)
    if both is None:
        axes.text(0.5, 0.5, "no finished run", transform=axes.transAxes, ha="center", va="center", color=GREY)
        return
    steps: Column = both.steps / scale
    axes.plot(steps, both.variant.mean(axis=0) - both.base.mean(axis=0), color=row.variant.color, lw=1.1, zorder=3)
    if both.band is None:
        return
    axes.fill_between(steps, both.band.low, both.band.high, color=row.variant.color, alpha=0.18, lw=0, zorder=2)
    since = both.band.separated_from(both.steps)
    if since is not None:
        axes.axvline(since / scale, color=row.variant.color, lw=0.6, ls=(0, (3, 2)))
        axes.set_title(f"separated from {compact(since)} steps on", loc="right", fontsize=5.6, color=GREY, pad=1.5)
