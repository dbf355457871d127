"""The two figures a conclusion rests on: effects with their intervals, and every run behind them.

Plots never compute: they draw a ``Conclusion``. Each function returns figures, to be saved by ``style.save``.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.contrasts import Percent
from reports.manifest import Variant
from reports.notation import decimals, fixed, interval
from reports.scores import ScoreTable
from reports.stats import Interval
from reports.style import BAND, FAINT, GREY, INK, WIDTH, figure, label
from reports.verdicts import Conclusion, Contrast, verdict_text

NAME = 28
"""Characters of a variant's name that fit beside a row."""
_TWO_LINES = 14
"""Up to this many rows a row also shows what changed."""
PANELS_ACROSS = 3
"""Tasks of one figure."""


def forest(conclusion: Conclusion) -> Figure:
    """Effect of every change with its interval, the Bonferroni whisker, the margin and the verdict.

    Dots are estimates; thick bars hold for one contrast, thin bars for all K at once; hollow dots are single tasks.
    """
    rows = conclusion.ranked
    roomy = len(rows) <= _TWO_LINES
    pitch, top, bottom = (0.34 if roomy else 0.2), 0.3, 0.45
    height = pitch * (len(rows) + _gap(rows)) + top + bottom
    made = figure(WIDTH, height)
    axes = made.add_axes((0.285, bottom / height, 0.375, 1 - (top + bottom) / height))
    axes.spines["left"].set_visible(False)
    places = _places(rows)
    scale = 100.0 if conclusion.in_percent else 1.0
    low, high = _limits(conclusion, rows, scale)
    axes.set_xlim(low, high)
    axes.set_ylim(len(rows) + _gap(rows) - 0.5, -0.5)
    axes.set_yticks([])
    if all(row.effect is None for row in rows):
        axes.set_xticks([])
    if conclusion.in_percent:
        margin = 100 * conclusion.table.manifest.primary.margin
        axes.axvspan(-margin, margin, color=BAND, lw=0, zorder=0)
    axes.axvline(0, color=GREY, lw=0.6, zorder=1)
    for place, row in zip(places, rows, strict=True):
        _forest_row(axes, conclusion, row, place, scale, roomy)
    if _gap(rows):
        line = places[len(conclusion.ablations)] - 0.75
        axes.plot([-0.76, 1.9], [line, line], transform=axes.get_yaxis_transform(), color=FAINT, lw=0.6, clip_on=False)
    axes.set_xlabel(effect_label(conclusion))
    _header(axes, conclusion, height - top - bottom)
    return made


def effect_label(conclusion: Conclusion) -> str:
    """What the axis of effects measures."""
    name = label(conclusion.table.manifest.primary.name)
    if conclusion.in_percent:
        return f"change of {name} in % of the baseline  (negative: the change hurts)"
    units = {row.numbers.unit for row in conclusion.contrasts if row.effect is not None}
    unit = label(units.pop()) if len(units) == 1 and len(conclusion.table.manifest.tasks) > 1 else name
    return f"difference in {unit}  (negative: the change hurts)"


def _gap(rows: Sequence[Contrast]) -> float:
    """Extra space between ablations and controls."""
    return 0.5 if len({row.role for row in rows}) > 1 else 0.0


def _places(rows: Sequence[Contrast]) -> list[float]:
    return [i + (0.5 if row.role == "control" and _gap(rows) else 0.0) for i, row in enumerate(rows)]


def effect_ends(conclusion: Conclusion, row: Contrast) -> tuple[float, Interval, Interval | None, float] | None:
    """Estimate, interval, wide interval and standard error in the figure's unit."""
    found = row.numbers
    if row.effect is None or found.difference is None or found.difference_interval is None:
        return None
    if conclusion.in_percent:
        percent = found.percent
        return (percent.value, percent.interval, percent.wide, percent.se) if isinstance(percent, Percent) else None
    return found.difference.value, found.difference_interval, found.difference_wide, found.difference.se


def _limits(conclusion: Conclusion, rows: Sequence[Contrast], scale: float) -> tuple[float, float]:
    """Room for every 95 % interval unless one dwarfs the rest; longer ones get an arrow."""
    drawn = [ends for row in rows if (ends := effect_ends(conclusion, row))]
    if not drawn:
        return -1.0, 1.0
    values = np.array([value for value, *_ in drawn])
    inner = np.array([[one.low, one.high] for _, one, *_ in drawn])
    reach = max(1.6 * float(np.abs(values).max()), 3 * float(np.median(inner[:, 1] - inner[:, 0])))
    low, high = max(float(inner.min()), -reach), min(float(inner.max()), reach)
    if conclusion.in_percent:
        margin = conclusion.table.manifest.primary.margin
        low, high = min(low, -1.4 * margin), max(high, 1.4 * margin)
    pad = 0.06 * (high - low)
    return scale * (low - pad), scale * (high + pad)


def _forest_row(axes: Axes, conclusion: Conclusion, row: Contrast, y: float, scale: float, roomy: bool) -> None:
    beside = axes.get_yaxis_transform()
    delta = row.variant.label.replace("->", "\u2192")
    shift = 0.17 if roomy and delta != row.variant.name else 0.0
    axes.text(-0.76, y - shift, label(row.variant.name, NAME), transform=beside, va="center", clip_on=False)
    if shift:
        axes.text(-0.76, y + 0.2, label(delta, 44), transform=beside, va="center", color=GREY, fontsize=5.6)
    ends = effect_ends(conclusion, row)
    verdict = verdict_text(replace(row, provisional=False), conclusion.table.manifest.primary.margin)
    axes.text(
        1.9,
        y,
        label(verdict) + (" *" if row.provisional else "") + (" \u2020" if row.flips(conclusion.alpha) else ""),
        transform=beside,
        va="center",
        ha="right",
        color=INK if ends else GREY,
    )
    if ends is None:
        return
    value, inner, wide, se = ends
    color = row.variant.color
    low, high = axes.get_xlim()
    if wide is not None:
        axes.plot([scale * wide.low, scale * wide.high], [y, y], color=color, lw=0.7, zorder=2)
    axes.plot([scale * inner.low, scale * inner.high], [y, y], color=color, lw=2.2, zorder=3)
    axes.plot(scale * value, y, "o", color=color, ms=4.2, mec="white", mew=0.6, zorder=5)
    for end, bound, marker in ((inner.low, low, "<"), (inner.high, high, ">")):
        if scale * end < low or scale * end > high:
            axes.plot(bound, y, marker, color=color, ms=4, clip_on=False, zorder=4)
    if len(row.numbers.tasks) > 1 and conclusion.in_percent:
        single = [100 * task.percent.value for task in row.numbers.tasks if task.percent]
        axes.plot(single, [y + 0.22] * len(single), "o", mfc="white", mec=color, mew=0.5, ms=2.2, zorder=4)
    places = decimals(scale * se, most=1 if conclusion.in_percent else 6)
    axes.text(1.18, y, fixed(scale * value, places), transform=beside, va="center", ha="right")
    axes.text(1.21, y, interval(inner, places, scale), transform=beside, va="center", color=GREY)


def _header(axes: Axes, conclusion: Conclusion, inches: float) -> None:
    unit = "%" if conclusion.in_percent else "difference"
    level = f"{1 - conclusion.alpha:.0%} interval"
    height = 1 + 0.12 / inches
    for x, text, align in (
        (-0.76, "change", "left"),
        (1.18, unit, "right"),
        (1.21, level, "left"),
        (1.9, "verdict", "right"),
    ):
        axes.text(x, height, text, transform=axes.transAxes, ha=align, va="center", color=GREY, fontsize=6.2)


def strips(conclusion: Conclusion) -> list[Figure]:
    """Every run of every variant: one panel per task, three to a figure."""
    table = conclusion.table
    variants = [table.manifest.baseline, *(row.variant for row in conclusion.ranked)]
    tasks = range(len(table.manifest.tasks))
    return [
        strip_page(table, variants, tasks[start : start + PANELS_ACROSS])
        for start in range(0, len(tasks), PANELS_ACROSS)
    ]


def strip_page(table: ScoreTable, variants: Sequence[Variant], tasks: Sequence[int]) -> Figure:
    """Every run of some variants on up to three tasks."""
    height = (0.24 if len(variants) <= _TWO_LINES else 0.19) * len(variants) + 0.75
    made = figure(WIDTH, height)
    bottom, top = 0.42 / height, 1 - 0.25 / height
    left, gap = 0.27, 0.03
    width = (0.99 - left - gap * (len(tasks) - 1)) / len(tasks)
    for i, task in enumerate(tasks):
        axes = made.add_axes((left + i * (width + gap), bottom, width, top - bottom))
        _strip_panel(axes, table, variants, task)
        axes.set_yticks(range(len(variants)), [label(v.name, NAME) for v in variants] if i == 0 else [])
        axes.tick_params(axis="y", length=0)
    return made


def _strip_panel(axes: Axes, table: ScoreTable, variants: Sequence[Variant], task: int) -> None:
    sign = -1 if table.flipped else 1
    primary = table.manifest.primary
    for y, variant in enumerate(variants):
        runs = [run for run in table.arm(variant.name, task) if run.scored]
        scores = sign * table.scores(variant.name, task)
        jitter = 0.22 * np.cos(np.pi * np.arange(len(runs)))
        ok = np.array([run.state == "done" for run in runs], dtype=bool)
        if y % 2 == 0:
            axes.axhspan(y - 0.5, y + 0.5, color="#f6f7f8", lw=0, zorder=0)
        if len(runs):
            axes.plot([scores.mean()] * 2, [y - 0.42, y + 0.42], color=INK, lw=1.1, zorder=4)
        axes.plot(scores[ok], y + jitter[ok], "o", color=variant.color, ms=2.8, alpha=0.75, mew=0, zorder=3)
        axes.plot(scores[~ok], y + jitter[~ok], "x", color=variant.color, ms=3.4, mew=0.9, zorder=3)
    axes.set_ylim(len(variants) - 0.5, -0.5)
    axes.margins(x=0.04)
    axes.locator_params(axis="x", nbins=5)
    axes.spines["left"].set_visible(False)
    axes.set_title(label(table.manifest.tasks[task].label, 40), loc="left")
    better = ", lower is better" if table.flipped else ""
    summary = "mean along the run" if primary.summary == "auc" else "final"
    axes.set_xlabel(f"{label(primary.name)} ({summary}{better})")
