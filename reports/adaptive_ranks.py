"""Rank intervals of a study with looks: valid although every change stopped when the data said so.

Two changes are compared on the seeds that both had, which is the look where the first of them stopped. Their p is the
repeated p of that look: however stopping was decided, and by whom, the chance that it ever falls below alpha at any
look is at most alpha for a tie. Holm over all pairs and the counting are those of a fixed number of seeds.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from reports.adaptive import Course, view_at
from reports.ranks import compared, mean_of, places_of
from reports.scores import ScoreTable
from reports.sequential import RepeatedP
from reports.stats import Scores
from reports.verdicts import Contrast, rank_scales

_FEWEST = 2


def with_ranks(
    table: ScoreTable, course: Course, contrasts: Sequence[Contrast], repeated: RepeatedP
) -> tuple[Contrast, ...]:
    """Rank the ablations that have an effect; place 1 is the most harmful.

    Args:
        table: Scores of the study.
        course: Its looks.
        contrasts: What they decided.
        repeated: Repeated p values of the plan.
    """
    stops = {path.variant.name: path.last.look for path in course.paths if path.last is not None}
    ranked = [row for row in contrasts if row.role == "ablation" and row.effect is not None]
    if len(ranked) < 2:
        return tuple(contrasts)
    longest = max(ranked, key=lambda row: stops[row.variant.name])
    scales = rank_scales(table, [longest, *(row for row in ranked if row is not longest)])
    views = {look: view_at(table, course, course.plan.looks[look]) for look in set(stops.values())}

    def scores(row: Contrast, look: int) -> list[Scores]:
        return [views[look].scores(row.variant.name, task) for task in range(len(table.manifest.tasks))]

    pairs: dict[tuple[int, int], tuple[float, float]] = {}
    for j, k in combinations(range(len(ranked)), 2):
        look = min(stops[ranked[i].variant.name] for i in (j, k))
        first, second = (scores(ranked[i], look) for i in (j, k))
        if min(map(len, [*first, *second])) < _FEWEST:
            pairs[j, k] = (0.0, 1.0)
            continue
        difference, p = compared(first, second, scales)
        pairs[j, k] = (difference, min(1.0, repeated(p, look)))
    means = [mean_of(scores(row, stops[row.variant.name]), scales) for row in ranked]
    places = dict(zip((row.variant.name for row in ranked), places_of(means, pairs, 1 - course.alpha), strict=True))
    return tuple(replace(row, rank=places.get(row.variant.name)) for row in contrasts)
