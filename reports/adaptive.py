"""Adaptive seeds: what a study's looks decided, worked out from its scores and its frozen plan alone.

Look j compares every open variant with the baseline on the first n_j seeds of the study, and nothing else: runs beyond
them change no decision, so the course of a study is the same whenever and however often it is worked out. A contrast
stops when it separates from 0 (group-sequential Welch, Holm over the ablations), when no change larger than the margin
is left (equivalence test at the repeated interval of level 1 - 2 alpha), when it cannot be judged, or at n_max.
Controls stand outside the family: each is tested at alpha.

Two guards hold a contrast open at a look: below five seeds a separation must exceed the margin, and below ten no rare
failure may hide (spreads that differ by more than a factor of three, runs that fall into two groups); the last look
ignores the second.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from reports.contrasts import Levels, Numbers, compare
from reports.looks import Looks
from reports.manifest import Variant
from reports.robustness import answers_at
from reports.scores import ScoreTable
from reports.sequential import (
    NO_CHANGE,
    OPEN,
    SEPARATED,
    RepeatedP,
    at_look,
    holm_levels,
    nominal_levels,
    repeated_p,
)
from reports.verdicts import FEW, Conclusion, Contrast, Verdict, decide, fooled, not_estimable

Why = Literal["open", "separated", "no change", "n_max", "not estimable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAt:
    """One contrast at one look.

    Attributes:
        look: Index of the look.
        n: Planned runs per arm.
        numbers: Effects with the repeated intervals of this look.
        level: Nominal p that this look rejects at, Holm's step included; NaN where it could not be tested.
        left: Contrasts not yet rejected when it was tested.
    """

    look: int
    n: int
    numbers: Numbers
    level: float = math.nan
    left: int = 1


@dataclass(slots=True, kw_only=True)
class Path:
    """What the looks made of one variant.

    Attributes:
        variant: The variant.
        why: Why no more seeds are added, ``open`` as long as more are.
        looks: Every look it was compared at.
        reason: Why it cannot be judged, as a clause.
    """

    variant: Variant
    why: Why = "open"
    looks: list[LookAt] = field(default_factory=list)
    reason: str = ""

    @property
    def last(self) -> LookAt | None:
        """The look it stopped at, or the last so far."""
        return self.looks[-1] if self.looks else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a study's looks went.

    Attributes:
        plan: The frozen plan.
        alpha: Family-wise level.
        family: K, the number of ablation variants.
        seeds: Every seed the study may use, in order.
        paths: One per ablation, then per control.
        looked: How many looks all needed runs have ended for.
    """

    plan: Looks
    alpha: float
    family: int
    seeds: tuple[int, ...]
    paths: tuple[Path, ...]
    looked: int

    @property
    def open(self) -> tuple[Path, ...]:
        """What more seeds are added to."""
        return tuple(path for path in self.paths if path.why == "open")

    @property
    def next(self) -> int:
        """Runs per open arm that the next look needs; of the last look when all is decided."""
        return self.plan.looks[min(self.looked, len(self.plan.looks) - 1)]

    def n(self, variant: str) -> int:
        """How many seeds of an arm are wanted by now; of the baseline as many as of the fullest arm."""
        counts = {path.variant.name: self.next if path.why == "open" else self._used(path) for path in self.paths}
        return counts.get(variant, max(counts.values()))

    def wanted(self, variant: str) -> tuple[int, ...]:
        """The seeds of an arm that are wanted by now."""
        return self.seeds[: self.n(variant)]

    def levels(self, look: int) -> Levels:
        """Levels of the repeated intervals at a look."""
        at = [self._nominal(alpha)[look] for alpha in (self.alpha, self.alpha / self.family, 2 * self.alpha)]
        return Levels(*(1 - float(level) for level in at))

    def _nominal(self, alpha: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return nominal_levels(self.plan.spending, self.plan.looks, alpha)

    def _used(self, path: Path) -> int:
        return path.last.n if path.last else self.plan.looks[0]


def course_of(table: ScoreTable, alpha: float | None = None) -> Course:
    """Go through the looks as far as all runs they need have ended.

    Args:
        table: Scores of a study with looks; runs that no look asks for are left out of account.
        alpha: Two-sided family-wise level; the manifest's unless given.
    """
    study = table.manifest
    assert study.looks is not None
    level = study.alpha if alpha is None else alpha
    paths = tuple(Path(variant=one) for one in (*study.ablations, *study.controls))
    family = max(1, len(study.ablations))
    course = Course(plan=study.looks, alpha=level, family=family, seeds=study.seeds, paths=paths, looked=0)
    rows = holm_levels(study.looks.spending, study.looks.looks, level, family)
    for look in range(len(study.looks.looks)):
        if not course.open or not _ended(table, course):
            break
        _look(_view(table, course), course, look, rows[:, look])
        course = replace(course, looked=look + 1)
    return course


def _ended(table: ScoreTable, course: Course) -> bool:
    """Whether every run that the next look needs has ended."""
    arms = [table.manifest.baseline.name, *(path.variant.name for path in course.open)]
    ended = {(run.cell.variant, run.cell.task, run.cell.seed) for run in table.runs if run.ended}
    tasks, seeds = range(len(table.manifest.tasks)), course.seeds[: course.next]
    return all((arm, task, seed) in ended for arm in arms for task in tasks for seed in seeds)


def _view(table: ScoreTable, course: Course) -> ScoreTable:
    """The scores as the next look sees them."""
    return table.restricted({one.name: course.wanted(one.name) for one in table.manifest.variants})


def view_at(table: ScoreTable, course: Course, n: int) -> ScoreTable:
    """The scores as the look at n saw them; arms that had stopped before are there with what they had."""
    counts = {path.variant.name: min(n, course.n(path.variant.name)) for path in course.paths}
    return table.restricted({one.name: course.seeds[: counts.get(one.name, n)] for one in table.manifest.variants})


def _look(view: ScoreTable, course: Course, look: int, rows: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """Compare every open variant with the baseline and stop what is decided."""
    n, last = course.plan.looks[look], look == len(course.plan.looks) - 1
    tested: dict[str, list[tuple[Path, float, bool]]] = {"ablation": [], "control": []}
    for path in course.open:
        numbers = compare(view, path.variant, course.alpha, course.family, levels=course.levels(look), permute=False)
        path.looks.append(LookAt(look=look, n=n, numbers=numbers))
        path.reason = not_estimable(view, numbers)
        if path.reason:
            path.why = "not estimable"
        else:
            tested[path.variant.role].append((path, *_evidence(numbers, view, last=last)))
    before = [path for path in course.paths if path.variant.role == "ablation" and path.why == "separated"]
    _stop(tested["ablation"], rows, len(before), last=last)
    for one in tested["control"]:
        _stop([one], rows[:2], 0, last=last)


def _evidence(numbers: Numbers, view: ScoreTable, *, last: bool) -> tuple[float, bool]:
    """The p that the look may use, and whether no change larger than the margin is left."""
    margin = view.manifest.primary.margin
    fewest = min(numbers.n, numbers.n_base)
    effect = numbers.percent
    assert numbers.difference is not None
    p = numbers.difference.p
    within = effect is not None and fewest >= FEW and effect.narrow.within(-margin, margin)
    if fewest < FEW and (effect is None or abs(effect.value) <= margin):
        p = math.nan
    if not last and fooled(view, numbers):
        return math.nan, False
    return p, within


def _stop(
    tested: list[tuple[Path, float, bool]],
    rows: np.ndarray[tuple[int], np.dtype[np.float64]],
    rejected: int,
    *,
    last: bool,
) -> None:
    """Decide the contrasts of one family at one look.

    Args:
        tested: Contrasts that are open, with what ``_evidence`` says of them.
        rows: Nominal p by number of contrasts not yet rejected.
        rejected: How many of the family were rejected at earlier looks.
        last: No look follows.
    """
    if not tested:
        return
    p = np.array([[one for _, one, _ in tested]])
    within = np.array([[one for *_, one in tested]])
    levels = rows[: len(rows) - rejected]
    outcome, left = at_look(np.full(p.shape, OPEN), p, within, levels)
    for i, (path, *_) in enumerate(tested):
        m = int(left[0, i])
        path.looks[-1] = replace(path.looks[-1], level=float(levels[m]), left=m)
        ends: dict[int, Why] = {SEPARATED: "separated", NO_CHANGE: "no change", OPEN: "n_max" if last else "open"}
        path.why = ends[int(outcome[0, i])]


def conclude_adaptively(table: ScoreTable, alpha: float) -> Conclusion:
    """Verdicts of a study with looks: of the sequential procedure, on the runs that each contrast had at its stop.

    p is the repeated p (the smallest alpha at which the look's own boundary would have been crossed), adjusted by the
    number of ablations that were not yet rejected; the intervals are the repeated ones. Other statistics are asked at
    the bound that the change met where it stopped; places are those of ``reports.adaptive_ranks``.
    """
    course = course_of(table, alpha)
    repeated = repeated_p(course.plan.spending, course.plan.looks)
    from reports.adaptive_ranks import with_ranks  # builds on this module

    contrasts = [_contrast(table, course, path, repeated) for path in course.paths]
    return Conclusion(table, alpha, with_ranks(table, course, contrasts, repeated), course)


def _contrast(table: ScoreTable, course: Course, path: Path, repeated: RepeatedP) -> Contrast:
    at = path.last
    if at is None:
        view = view_at(table, course, course.plan.looks[0])
        found = compare(view, path.variant, course.alpha, course.family, permute=False)
        waiting = f"the first look waits until {course.plan.looks[0]} runs of every arm have ended"
        return decide(view, found, math.nan, math.nan, waiting, course.alpha)
    view = view_at(table, course, at.n)
    numbers = at.numbers
    if path.reason or numbers.difference is None:
        return decide(view, numbers, math.nan, math.nan, path.reason, course.alpha)
    # Once more with the slow robustness numbers, which no look reads.
    numbers = compare(view, path.variant, course.alpha, course.family, levels=course.levels(at.look))
    assert numbers.difference is not None
    p = repeated(numbers.difference.p, at.look)
    p_holm = math.nan
    if path.variant.role == "ablation":
        rejected = path.why == "separated"
        p_holm = min(1.0, at.left * p)
        # The boundary decides; interpolation must not put p on its other side.
        p_holm = min(p_holm, math.nextafter(course.alpha, 0)) if rejected else max(p_holm, course.alpha)
    decided = decide(view, numbers, p, p_holm, "", course.alpha, _verdict(path, numbers))
    answers = answers_at(view, numbers, at.level) if path.why != "open" else {}
    return replace(decided, guards=(*decided.guards, *_notes(course, path, at)), answers=answers)


def _verdict(path: Path, numbers: Numbers) -> Verdict:
    assert numbers.difference is not None
    if path.why == "separated":
        return "hurts" if numbers.difference.value < 0 else "helps"
    return "no change" if path.why == "no change" else "inconclusive"


def _notes(course: Course, path: Path, at: LookAt) -> list[str]:
    """S6: what stopping early does to the size, and that an open contrast is not finished."""
    most = course.plan.most
    if path.why == "separated" and at.n < most:
        return [f"stopped early at n = {at.n} of at most {most}: the size may be overstated"]
    if path.why == "open":
        return [f"still open after {at.n} of at most {most} seeds: an interim result"]
    return []
