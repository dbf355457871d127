"""Effects by task: a heat map of changes against tasks, numbers printed, cells hatched that may be 0."""

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.contrasts import TaskNumbers
from reports.notation import NONE, decimals, fixed
from reports.plots import NAME
from reports.stats import Interval, hedges_g
from reports.style import FAINT, GREY, INK, WIDTH, figure, label
from reports.verdicts import Conclusion, Contrast

_COLOURS = "PuOr"
"""Orange to purple: told apart with every kind of colour vision."""
_TWO_LINES = 14
_LUMINANCE = (0.299, 0.587, 0.114)


def heat_map(conclusion: Conclusion) -> list[Figure]:
    """Changes x tasks, coloured by effect; nothing for a single task or without an effect."""
    rows = [row for row in conclusion.ranked if row.effect is not None]
    tasks = conclusion.table.manifest.tasks
    if len(tasks) < 2 or not rows:
        return []
    pitch = 0.26 if len(rows) <= _TWO_LINES else 0.19
    longest = max(len(label(task.label, 24)) for task in tasks)
    top, bottom = 0.12 + 0.045 * longest, 0.32
    height = pitch * len(rows) + top + bottom
    made = figure(WIDTH, height)
    slanted = 0.05 * longest - 0.5 * 0.6 * WIDTH / len(tasks)  # what the last label sticks out by
    width = 0.72 - max(0.0, slanted) / WIDTH
    axes = made.add_axes((0.27, bottom / height, width, 1 - (top + bottom) / height))
    cells = [[_cell(conclusion, task) for task in row.numbers.tasks] for row in rows]
    reach = _reach(conclusion, [value for line in cells for value, _, _ in line if np.isfinite(value)])
    _draw(axes, cells, reach, pitch, width)
    axes.set_yticks(range(len(rows)), [label(row.variant.name, NAME) for row in rows])
    axes.set_xticks(range(len(tasks)), [label(task.label, 24) for task in tasks], rotation=35, ha="left")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    _rule(axes, rows, len(tasks))
    unit = "% of the baseline" if conclusion.in_percent else "between-seed SD"
    ends = f"\u00b1{fixed(reach, 0 if conclusion.in_percent else 1)}"
    said = f"effect in {unit}; colours end at {ends}, orange is worse; hatched: the interval contains 0"
    made.text(0.99, 0.06 / height, said, va="bottom", ha="right", color=GREY, fontsize=6.2)
    return [made]


def _cell(conclusion: Conclusion, task: TaskNumbers) -> tuple[float, str, bool]:
    """Effect, its text, and whether the interval contains 0."""
    if conclusion.in_percent and task.percent is not None:
        value, ends = 100 * task.percent.value, task.percent.interval
        return value, fixed(value, decimals(100 * task.percent.se, most=0)), _open(ends)
    if conclusion.in_percent or task.difference is None:
        return np.nan, NONE, False
    value = hedges_g(task.scores, task.base)
    return value, fixed(value, 1), _open(task.difference.interval(1 - conclusion.alpha))


def _open(ends: Interval) -> bool:
    return ends.low <= 0 <= ends.high


def _reach(conclusion: Conclusion, values: Sequence[float]) -> float:
    """Where the colours end: the 95 % point of the sizes, at least twice the margin."""
    least = 200 * conclusion.table.manifest.primary.margin if conclusion.in_percent else 1.0
    widest = max(least, float(np.quantile(np.abs(values), 0.95))) if values else least
    return 5 * math.ceil(widest / 5) if conclusion.in_percent else widest


def _draw(
    axes: Axes, cells: Sequence[Sequence[tuple[float, str, bool]]], reach: float, pitch: float, width: float
) -> None:
    colours, norm = mpl.colormaps[_COLOURS], Normalize(-reach, reach)
    inches = width * WIDTH / len(cells[0])
    size = min(6.5, 100 * inches / 7, 72 * pitch * 0.5)
    axes.set_xlim(-0.5, len(cells[0]) - 0.5)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    for y, line in enumerate(cells):
        for x, (value, text, uncertain) in enumerate(line):
            color = colours(norm(value)) if np.isfinite(value) else (0.96, 0.96, 0.96, 1.0)
            box = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor="white", lw=0.8)
            axes.add_patch(box)
            if uncertain:
                hatched = Rectangle((x - 0.47, y - 0.44), 0.94, 0.88, fill=False, hatch="////", ec="#9a9a9a", lw=0)
                hatched.set_hatch_linewidth(0.35)
                axes.add_patch(hatched)
            dark = np.isfinite(value) and float(np.dot(color[:3], _LUMINANCE)) < 0.5
            ink = "white" if dark else INK if np.isfinite(value) else GREY
            axes.text(x, y, text, ha="center", va="center", fontsize=size, color=ink)


def _rule(axes: Axes, rows: Sequence[Contrast], tasks: int) -> None:
    """A line between ablations and controls."""
    ablations = sum(row.role == "ablation" for row in rows)
    if 0 < ablations < len(rows):
        axes.plot([-0.5, tasks - 0.5], [ablations - 0.5] * 2, color=FAINT, lw=1.2, clip_on=False)
