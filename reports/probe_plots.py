"""Mechanism figures: what the probes measured along training, per variant."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.curve_plots import step_unit
from reports.direct_labels import colour, direct_labels
from reports.journal import Column
from reports.manifest import Variant
from reports.scores import Run, ScoreTable
from reports.style import WIDTH, figure, label

ACROSS, DOWN = 2, 4
LABELLED = 12
"""Up to this many variants each line carries its name; beyond, a key stands below the panels."""
_ROW, _BOTTOM, _TOP = 1.75, 0.3, 0.0
_LEFT, _WIDTH, _NAMES, _GAP = 0.07, 0.275, 0.165, 0.05
_KEY_COLUMNS = 4
_PITCH = 0.085
"""Distance of two names beside a panel, as a fraction of its height."""
_POINTS = 80
"""Points of a thin line, about; the mean is drawn with all."""


def probe_columns(table: ScoreTable) -> list[str]:
    """``probe/*`` columns that compare variants, and those ``check/*`` columns that move during some run.

    What a single variant reports (the KL of a sixteenth policy) has nothing to be held against.
    """
    owners: dict[str, set[str]] = {}
    for run in table.runs:
        for name in run.extras:
            owners.setdefault(name, set()).add(run.cell.variant)
    alone = 1 if len({run.cell.variant for run in table.runs}) > 1 else 0
    names = sorted((name for name in owners if len(owners[name]) > alone), key=lambda name: (name[:5] != "probe", name))
    return [name for name in names if name.startswith("probe/") or _moves(table, name)]


def _moves(table: ScoreTable, name: str) -> bool:
    return any(np.ptp(_finite(run.extras[name])[1]) > 0 for run in table.runs if _has(run, name))


def _finite(curve: tuple[Column, Column]) -> tuple[Column, Column]:
    keep = np.isfinite(curve[1])
    return curve[0][keep], curve[1][keep]


def _has(run: Run, name: str) -> bool:
    return name in run.extras and bool(np.isfinite(run.extras[name][1]).any())


def probe_pages(table: ScoreTable) -> list[Figure]:
    """The probes of every task; which columns are worth a panel is found out once, from all runs."""
    columns = probe_columns(table)
    return [page for task in range(len(table.manifest.tasks)) for page in probes(table, task, columns)]


def probes(table: ScoreTable, task: int, known: Sequence[str] | None = None) -> list[Figure]:
    """Pages of panels, one per probe: thin lines are runs (up to a dozen variants), thick lines means of a variant."""
    runs = [run for run in table.runs if run.cell.task == task]
    wanted = probe_columns(table) if known is None else known
    columns = [name for name in wanted if any(_has(run, name) for run in runs)]
    size = ACROSS * DOWN
    return [_page(table, columns[start : start + size], task) for start in range(0, len(columns), size)]


def _page(table: ScoreTable, columns: Sequence[str], task: int) -> Figure:
    variants = table.manifest.variants
    labelled = len(variants) <= LABELLED
    key = 0.0 if labelled else 0.14 * -(-len(variants) // _KEY_COLUMNS) + 0.1
    down = -(-len(columns) // ACROSS)
    bottom = _BOTTOM + key
    height = _ROW * down + bottom + _TOP
    made = figure(WIDTH, height)
    scale, unit = step_unit(table.manifest.budget)
    for i, name in enumerate(columns):
        left = _LEFT + (i % ACROSS) * (_WIDTH + _NAMES + _GAP)
        floor = bottom + _ROW * (down - 1 - i // ACROSS) + 0.25
        width = _WIDTH if labelled else _WIDTH + _NAMES - 0.03
        axes = made.add_axes((left, floor / height, width, (_ROW - 0.5) / height))
        ends = _panel(axes, table, variants, name, task, scale, thin=labelled)
        axes.set_title(label(name, 40), loc="left")
        axes.set_xlim(0, table.manifest.budget / scale)
        axes.locator_params(nbins=4)
        if labelled:
            direct_labels(axes, ends, _PITCH)
    made.text(_LEFT, (key + 0.12) / height, unit, va="bottom")
    if not labelled:
        for i, variant in enumerate(variants):
            x = _LEFT + (i % _KEY_COLUMNS) * 0.23
            y = (key - 0.05 - 0.14 * (i // _KEY_COLUMNS)) / height
            made.add_artist(Line2D([x, x + 0.02], [y, y], color=colour(variant), lw=1.4, transform=made.transFigure))
            made.text(x + 0.028, y, label(variant.name, 24), va="center", fontsize=5.8)
    return made


def _panel(
    axes: Axes, table: ScoreTable, variants: Sequence[Variant], name: str, task: int, scale: float, *, thin: bool
) -> list[tuple[float, Variant]]:
    """Draw one probe; returns where each variant's mean ends."""
    ends = []
    for variant in variants:
        curves = [_finite(run.extras[name]) for run in table.arm(variant.name, task) if _has(run, name)]
        if not curves:
            continue
        color = colour(variant)
        if thin:
            thinned = [
                (steps[:: len(steps) // _POINTS + 1], values[:: len(steps) // _POINTS + 1]) for steps, values in curves
            ]
            lines = [np.column_stack([steps / scale, values]) for steps, values in thinned]
            axes.add_collection(LineCollection(lines, colors=color, linewidths=0.3, alpha=0.35, zorder=2), autolim=True)
        steps = max((curve[0] for curve in curves), key=len)
        mean = np.mean([np.interp(steps, own, values) for own, values in curves], axis=0)
        axes.plot(steps / scale, mean, color=color, lw=1.2, zorder=4 if variant.role == "baseline" else 3)
        ends.append((float(mean[-1]), variant))
    axes.autoscale_view()
    return ends
