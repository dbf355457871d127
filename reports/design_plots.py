"""Figures of a two-level design: every run of every setting, and what follows from them."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.design_tables import TITLES, answer_text
from reports.designs import Answer, Findings, What, findings
from reports.plots import NAME, PANELS_ACROSS, strip_page
from reports.style import FAINT, GREY, INK, WIDTH, figure, label
from reports.verdicts import Conclusion

_PITCH, _GAP = 0.15, 0.5
"""Inches of a row; rows between two changes."""
_EFFECTS: tuple[What, ...] = ("alone", "last", "main", "shapley")
_TOP, _BOTTOM = 0.12, 0.42
_LEFT, _RIGHT = -0.73, 1.97
"""Edges of the page in widths of the axes."""


def design_runs(conclusion: Conclusion) -> list[Figure]:
    """Every run of every setting: one panel per task, three to a figure; nothing without a design."""
    study = conclusion.table.manifest
    if study.design is None:
        return []
    variants = [study.variant(name) for name in study.design.arms.values()]
    tasks = range(len(study.tasks))
    pages = [tasks[start : start + PANELS_ACROSS] for start in range(0, len(tasks), PANELS_ACROSS)]
    return [strip_page(conclusion.table, variants, page) for page in pages]


def design_effects(conclusion: Conclusion) -> list[Figure]:
    """Effects of every change by question, and below the rule interactions of pairs, each with its interval."""
    found = findings(conclusion.table, conclusion.alpha)
    if found is None:
        return []
    groups = [[one for what in _EFFECTS if (one := found.of(what).get((name,)))] for name in found.design.factors]
    pairs = list(found.of("interaction").values())
    drawn = [group for group in groups if group]
    rows = sum(len(group) + _GAP for group in drawn) + (len(pairs) + _GAP if pairs else 0)
    height = _PITCH * rows + _TOP + _BOTTOM
    made = figure(WIDTH, height)
    axes = made.add_axes((0.27, _BOTTOM / height, 0.36, 1 - (_TOP + _BOTTOM) / height))
    axes.axvline(0, color=GREY, lw=0.6, zorder=1)
    y = 0.0
    for group in drawn:
        name = group[0].changes[0]
        axes.text(_LEFT, y, label(name, NAME), transform=axes.get_yaxis_transform(), va="center")
        for answer in group:
            _row(axes, found, answer, y, conclusion.table.manifest.variant(name).color, TITLES[answer.what])
            y += 1
        y += _GAP
    if pairs:
        line = y - (1 + _GAP) / 2
        axes.plot(
            [_LEFT, _RIGHT], [line, line], transform=axes.get_yaxis_transform(), color=FAINT, lw=0.6, clip_on=False
        )
        for answer in pairs:
            mixed = found.design.part is not None and found.design.part.aliases(frozenset(answer.changes))
            _row(axes, found, answer, y, INK, "interaction, mixed" if mixed else "interaction")
            name = " \u00d7 ".join(answer.changes)
            axes.text(_LEFT, y, label(name, NAME + 12), transform=axes.get_yaxis_transform(), va="center")
            y += 1
    axes.set_ylim(rows - _GAP - 0.4, -0.6)
    axes.set_yticks([])
    axes.margins(x=0.06)
    axes.locator_params(axis="x", nbins=5)
    axes.spines["left"].set_visible(False)
    unit = "% of the baseline" if found.relative else label(found.unit)
    axes.set_xlabel(f"effect in {unit}  (negative: hurts)")
    return [made]


def _row(axes: Axes, found: Findings, answer: Answer, y: float, color: str, title: str) -> None:
    factor = 100.0 if found.relative else 1.0
    beside = axes.get_yaxis_transform()
    axes.plot([factor * answer.interval.low, factor * answer.interval.high], [y, y], color=color, lw=1.8, zorder=3)
    axes.plot(factor * answer.estimate.value, y, "o", color=color, ms=3.6, mec="white", mew=0.5, zorder=4)
    axes.text(1.03, y, title, transform=beside, va="center", color=GREY, fontsize=6.2)
    axes.text(_RIGHT, y, answer_text(found, answer), transform=beside, va="center", ha="right", fontsize=6.2)
