"""Where the seeds went: every change's estimate and repeated interval, look by look, until it stopped."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.adaptive import Course, LookAt, Path
from reports.stats import Interval
from reports.stopping import why_text
from reports.style import BAND, FAINT, GREY, INK, WIDTH, figure, label
from reports.verdicts import Conclusion

COLUMNS, ROWS = 4, 4
_HEIGHT, _TOP, _BETWEEN, _BOTTOM, _LEFT, _RIGHT, _GAP = 1.4, 0.34, 0.2, 0.16, 0.42, 0.08, 0.34
_NAME = 19


def funnels(conclusion: Conclusion) -> list[Figure]:
    """A panel per change; nothing for a study with a fixed number of seeds, or before its first look."""
    course = conclusion.course
    if course is None or not course.looked:
        return []
    paths = {path.variant.name: path for path in course.paths}
    drawn = [paths[row.variant.name] for row in conclusion.ranked if paths[row.variant.name].looks]
    size = COLUMNS * ROWS
    return [_page(conclusion, course, drawn[start : start + size]) for start in range(0, len(drawn), size)]


def _page(conclusion: Conclusion, course: Course, paths: list[Path]) -> Figure:
    rows = math.ceil(len(paths) / COLUMNS)
    height = rows * _HEIGHT + _BOTTOM
    made = figure(WIDTH, height)
    width = (WIDTH - _LEFT - _RIGHT - _GAP * (COLUMNS - 1)) / COLUMNS
    for i, path in enumerate(paths):
        row, column = divmod(i, COLUMNS)
        left = (_LEFT + column * (width + _GAP)) / WIDTH
        low = (height - (row + 1) * _HEIGHT + _BETWEEN) / height
        axes = made.add_axes((left, low, width / WIDTH, (_HEIGHT - _TOP - _BETWEEN) / height))
        _panel(axes, conclusion, course, path)
        if i + COLUMNS >= len(paths):
            axes.set_xlabel("seeds per arm")
        if column == 0:
            axes.set_ylabel("effect, %" if conclusion.in_percent else "effect")
    return made


def _panel(axes: Axes, conclusion: Conclusion, course: Course, path: Path) -> None:
    color = path.variant.color
    points = [(at.n, *found) for at in path.looks if (found := _effect(at, conclusion.in_percent)) is not None]
    margin = conclusion.table.manifest.primary.margin
    if conclusion.in_percent:
        axes.axhspan(-100 * margin, 100 * margin, color=BAND, lw=0, zorder=0)
    axes.axhline(0, color=GREY, lw=0.6, zorder=1)
    for seeds in course.plan.looks:
        axes.axvline(seeds, color=FAINT, lw=0.4, zorder=0)
    if points:
        n, value, low, high = zip(*points, strict=True)
        axes.fill_between(n, low, high, color=color, alpha=0.18, lw=0, zorder=2)
        axes.vlines(n, low, high, color=color, lw=0.8, zorder=3)
        axes.plot(n, value, "-", color=color, lw=0.9, zorder=4)
        axes.plot(n, value, "o", color="white", mec=color, mew=0.9, ms=3, zorder=5)
        if path.why != "open":
            axes.plot(n[-1], value[-1], "o", color=color, ms=4.6, mec="white", mew=0.6, zorder=6)
        ends = [0.0, *((100 * margin, -100 * margin) if conclusion.in_percent else ()), low[-1], high[-1], *value]
        room = 0.35 * (max(ends) - min(ends))
        axes.set_ylim(min(ends) - room, max(ends) + room)
    axes.set_xlim(course.plan.looks[0] - 0.06 * course.plan.most, 1.04 * course.plan.most)
    axes.set_xticks([course.plan.looks[0], course.plan.most])
    axes.set_title(label(path.variant.name, _NAME), loc="left", color=INK, pad=12)
    why = why_text(path.why, margin)
    where = f"{why}, n = {course.n(path.variant.name)}"
    axes.text(0, 1.04, where, transform=axes.transAxes, va="bottom", color=GREY, fontsize=6)


def _effect(at: LookAt, percent: bool) -> tuple[float, float, float] | None:
    """Estimate and ends of the repeated interval; None where nothing is bounded."""
    found = at.numbers
    if percent:
        return _times(100, found.percent.value, found.percent.interval) if found.percent else None
    if found.difference is None or found.difference_interval is None:
        return None
    return _times(1, found.difference.value, found.difference_interval)


def _times(factor: float, value: float, ends: Interval) -> tuple[float, float, float] | None:
    if not (math.isfinite(ends.low) and math.isfinite(ends.high)):
        return None
    return factor * value, factor * ends.low, factor * ends.high
