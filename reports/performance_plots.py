"""Performance profiles: the share of runs above every score, for studies of many tasks. An appendix figure."""

import zlib
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.aggregate_tables import LEAST_RUNS, normalised, ranged
from reports.aggregates import Draws, profile, profile_band
from reports.manifest import Variant
from reports.plots import NAME
from reports.stats import Scores
from reports.style import INK, WIDTH, figure, label
from reports.verdicts import Conclusion

LEAST_TASKS = 5
_ACROSS, _DOWN = 4, 6
_LEVELS = 101


def performance_profiles(conclusion: Conclusion) -> list[Figure]:
    """A panel per variant, the baseline in black in each; nothing below five tasks."""
    study = conclusion.table.manifest
    base = normalised(conclusion, study.baseline)
    if len(study.tasks) < LEAST_TASKS or base is None or conclusion.runs_per_arm[1] < LEAST_RUNS:
        return []
    arms = [(row.variant, normalised(conclusion, row.variant)) for row in conclusion.ranked]
    shown = [(variant, scores) for variant, scores in arms if scores is not None]
    if not shown:
        return []
    pool = np.concatenate([score for _, scores in [(study.baseline, base), *shown] for score in scores])
    levels = np.linspace(min(0.0, float(np.quantile(pool, 0.01))), float(pool.max()), _LEVELS)
    size = _ACROSS * _DOWN
    return [_page(conclusion, base, shown[start : start + size], levels) for start in range(0, len(shown), size)]


def _page(
    conclusion: Conclusion, base: list[Scores], shown: Sequence[tuple[Variant, list[Scores]]], levels: Draws
) -> Figure:
    across = min(_ACROSS, len(shown))
    down = -(-len(shown) // across)
    row, bottom, top = 1.3, 0.4, 0.2
    height = row * down + bottom
    made = figure(WIDTH, height)
    left, gap = 0.075, 0.025
    width = min(0.4, (0.985 - left - gap * (across - 1)) / across)
    for i, (variant, scores) in enumerate(shown):
        low = height - (i // across + 1) * row + 0.08
        axes = made.add_axes((left + i % across * (width + gap), low / height, width, (row - top - 0.08) / height))
        _curve(axes, base, conclusion.table.manifest.baseline.name, levels, INK, 1 - conclusion.alpha)
        _curve(axes, scores, variant.name, levels, variant.color, 1 - conclusion.alpha)
        axes.set_xlim(levels[0], levels[-1])
        axes.set_ylim(0, 1.02)
        axes.set_yticks([0, 0.5, 1] if i % across == 0 else [])
        if i + across < len(shown):
            axes.set_xticks([])
        else:
            axes.locator_params(axis="x", nbins=4)
        if i % across == 0:
            axes.set_ylabel("share above")
        axes.set_title(label(variant.name, NAME - 4), loc="left", color=variant.color)
    unit = "0: floor, 1: ceiling" if ranged(conclusion.table) else "1: the baseline's mean"
    made.text(left, 0.06 / height, f"score of a run ({unit})", va="bottom")
    return made


def _curve(axes: Axes, scores: list[Scores], name: str, levels: Draws, color: str, level: float) -> None:
    low, high = profile_band(scores, levels, np.random.default_rng([zlib.crc32(name.encode()), 4]), level)
    axes.fill_between(levels, low, high, color=color, alpha=0.15, lw=0)
    axes.plot(levels, profile(scores, levels), color=color, lw=1.1)
