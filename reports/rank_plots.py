"""Rank intervals: the places that every change may hold, all at once."""

from matplotlib.figure import Figure

from reports.plots import NAME
from reports.ranking import may_rank
from reports.style import FAINT, GREY, WIDTH, figure, label
from reports.verdicts import Conclusion

_TWO_LINES = 14
_MOST_TICKS = 20


def rank_intervals_plot(conclusion: Conclusion) -> list[Figure]:
    """A bar from the best to the worst place of every ranked change, a dot at its estimate."""
    placed = [(row, row.rank) for row in conclusion.ablations if row.rank is not None and may_rank(row)]
    if len(placed) < 2:
        return []
    placed.sort(key=lambda pair: pair[1].place)
    pitch = 0.24 if len(placed) <= _TWO_LINES else 0.17
    top, bottom = 0.08, 0.42
    height = pitch * len(placed) + top + bottom
    made = figure(WIDTH, height)
    axes = made.add_axes((0.27, bottom / height, 0.62, 1 - (top + bottom) / height))
    size = placed[0][1].of
    for y, (row, rank) in enumerate(placed):
        axes.axhline(y, color=FAINT, lw=0.4, zorder=0)
        axes.plot([rank.low, rank.high], [y, y], color=row.variant.color, lw=2.2, solid_capstyle="round", zorder=2)
        axes.plot(rank.place, y, "o", color=row.variant.color, ms=4.2, mec="white", mew=0.6, zorder=3)
        axes.text(
            1.02, y, f"{rank.low}\u2013{rank.high}", transform=axes.get_yaxis_transform(), va="center", color=GREY
        )
    axes.set_xlim(0.6, size + 0.4)
    axes.set_ylim(len(placed) - 0.5, -0.5)
    axes.set_yticks(range(len(placed)), [label(row.variant.name, NAME) for row, _ in placed])
    axes.tick_params(axis="y", length=0)
    step = 1 if size <= _MOST_TICKS else 5
    axes.set_xticks([1, *range(step if step > 1 else 2, size + 1, step)])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("rank (1: the most harmful change)")
    return [made]
