"""Adaptive seeds: ``seeds: {adaptive: {looks: [5, 8, 12]}}`` adds seeds to what is undecided, and to the baseline.

What a look decides is ``reports.adaptive``'s business: a pure function of the cells that have ended and of the frozen
plan, worked out anew whenever it is needed. The manifest records it for people only; what it freezes is the plan: from
the first look on the looks, the endpoint, the margin, the level, the seeds and the family cannot be changed any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ablate.cells import Cell
from ablate.errors import StudyError
from ablate.problems import Problems
from ablate.schema import AdaptiveEntry
from ablate.store import FINISHED, Json, State, Store
from ablate.variants import BASELINE

if TYPE_CHECKING:
    from ablate.study import Study
    from reports.adaptive import Course, Path
    from reports.scores import ScoreTable

FIRST_LOOK, FIRST_LOOK_OF_SEVERAL = 5, 3
"""Fewest seeds per arm at the first look, on one task and on several: with fewer a skewed score fools any test."""


@dataclass(frozen=True, slots=True)
class Adaptive:
    """The frozen plan.

    Attributes:
        looks: Seeds per arm at each look, increasing.
        spending: How the error rate is spread over them.
    """

    looks: tuple[int, ...]
    spending: Literal["quadratic", "linear", "obrien_fleming", "pocock"]


@dataclass(frozen=True, slots=True)
class Looked:
    """What the looks have come to.

    Attributes:
        course: Every look that was taken, and what it decided.
        wanted: Cells that the study asks for by now.
        possible: Cells that it may come to ask for.
        margin_sd: The margin in SD of the baseline's scores, mean over tasks; None before three have ended on each.
    """

    course: "Course"
    wanted: tuple[Cell, ...]
    possible: tuple[Cell, ...]
    margin_sd: float | None

    @property
    def complete(self) -> bool:
        """Whether every contrast is decided."""
        return not self.course.open

    def record(self, store: Store) -> Json:
        """The plan, and for people what came of it so far.

        ``held`` are possible cells that the store has: they may be wanted again when a failed one was tried again.
        """
        course = self.course
        return {
            "looks": list(course.plan.looks),
            "spending": course.plan.spending,
            "looked": course.looked,
            "arms": self.arms(),
            "held": sorted(one.hash for one in self.possible if store.cell(one.hash).path.exists()),
        }

    def arms(self) -> list[Json]:
        """Every contrast: why it gets no more seeds (or ``open``), and how many it has been asked for."""
        return [
            {"variant": path.variant.name, "why": path.why, "seeds": self.course.n(path.variant.name)}
            for path in self.course.paths
        ]

    def since(self, before: "Looked") -> list[str]:
        """What was decided since, a sentence per look."""
        found = []
        for look in range(before.course.looked, self.course.looked):
            here = [path for path in self.course.paths if path.last and path.last.look == look and path.why != "open"]
            stopped = "; ".join(f"{path.variant.name}: {ending(path)}" for path in here) or "nothing decided"
            found.append(f"Look {look + 1} at {self.course.plan.looks[look]} seeds per arm: {stopped}.")
        if found and not self.complete:
            names = ", ".join(path.variant.name for path in self.course.open)
            found.append(f"Still open: {names}; next look at {self.course.next} seeds.")
        return found


def ending(path: "Path") -> str:
    """Why a contrast stopped: ``hurts``, ``no change``, ``undecided at the last look`` ..."""
    if path.why == "separated" and path.last is not None and path.last.numbers.difference is not None:
        return "hurts" if path.last.numbers.difference.value < 0 else "helps"
    return {"n_max": "undecided at the last look", "open": "open"}.get(path.why, path.why)


def resolved_adaptive(entry: AdaptiveEntry, *, tasks: int, tuned: bool, problems: Problems) -> Adaptive | None:
    """Check the ``adaptive`` form of the seeds; what is wrong is noted.

    Args:
        entry: As written.
        tasks: Of the study; 0 while they are not known to be right.
        tuned: The study has a ``tune:`` block.
        problems: Where to note.
    """
    place = ("seeds", "adaptive", "looks")
    before = len(problems.found)
    for index, (one, following) in enumerate(zip(entry.looks, entry.looks[1:], strict=False), 1):
        if following <= one:
            problems.add((*place, index), f"looks must increase, {following} follows {one}.")
    least = FIRST_LOOK if tasks <= 1 else FIRST_LOOK_OF_SEVERAL
    if tasks and entry.looks[0] < least:
        on = "one task" if tasks == 1 else f"{tasks} tasks"
        problems.add(
            (*place, 0), f"the first look needs {least} seeds per arm or more on {on}, found {entry.looks[0]}."
        )
    if tuned:
        problems.add(
            ("tune",),
            "adaptive seeds and `tune` exclude each other: the looks stop the arms as they are, so the retuned arms "
            "would be compared on as many seeds as another comparison needed.",
        )
    return Adaptive(tuple(entry.looks), entry.spending) if len(problems.found) == before else None


def follow(study: "Study", plan: Adaptive, cells: Sequence[Cell], states: Mapping[str, State], store: Store) -> Looked:
    """Go through the looks as far as the cells have ended.

    Args:
        study: With adaptive seeds.
        plan: Its looks.
        cells: Every cell that it may ask for.
        states: Of these, by hash.
        store: Where they lie.
    """
    from ablate.manifest import entries, science
    from ablate.reporting import reading
    from reports.adaptive import course_of
    from reports.scores import load

    ended = [cell for cell in cells if states[cell.hash] in FINISHED]
    looks: dict[str, Any] = {"looks": list(plan.looks), "spending": plan.spending}
    with reading():
        table = load({**science(study, store), "cells": entries(ended), "adaptive": looks})
        course = course_of(table)
    wanted = {one.name: set(course.wanted(one.name)) for one in study.variants}
    now = [cell for cell in cells if cell.seed in wanted[cell.variant]]
    later = {path.variant.name for path in course.open} | ({BASELINE} if course.open else set())
    possible = [cell for cell in cells if cell.seed not in wanted[cell.variant] and cell.variant in later]
    return Looked(course, tuple(now), tuple(possible), _margin_sd(table))


def _margin_sd(table: "ScoreTable") -> float | None:
    found = []
    for task, floor in enumerate(table.floors):
        scores = table.scores(table.manifest.baseline.name, task)
        if len(scores) < 3 or not scores.std(ddof=1) > 0:
            return None
        above = abs(float(scores.mean()) - (floor or 0.0))
        found.append(table.manifest.primary.margin * above / float(scores.std(ddof=1)))
    return sum(found) / len(found)


_FROZEN = {
    "looks": "the looks",
    "spending": "the spending",
    "seeds": "the seeds",
    "alpha": "alpha",
    "primary": "the primary metric or its margin",
    "ablations": "the ablation variants",
}


def check_frozen(study: "Study", store: Store) -> None:
    """Refuse a study whose plan was changed after it had been looked at.

    Raises:
        StudyError: It was.
    """
    from ablate.manifest import science

    manifest = store.study(study.record).manifest() or {}
    old = manifest.get("adaptive") or {}
    if not old.get("looked"):
        return
    plan = study.adaptive
    new = {"looks": list(plan.looks), "spending": plan.spending} if plan else {"looks": None, "spending": None}
    before, after = _frozen(manifest, old), _frozen(science(study, store), new)
    changed = [words for key, words in _FROZEN.items() if before[key] != after[key]]
    if changed:
        raise StudyError(
            f"{study.path}: {study.record} has taken {old['looked']} of its looks "
            f"({', '.join(map(str, old['looks']))} seeds), so its plan is frozen, but {' and '.join(changed)} changed. "
            "Restore the plan, or give the study another name: what was seen cannot be unseen."
        )


def _frozen(manifest: Mapping[str, Any], looks: Mapping[str, Any]) -> Json:
    """What must not change once it was looked at."""
    ablations = [one["name"] for one in manifest["variants"] if one["role"] == "ablation"]
    found = {key: manifest[key] for key in ("seeds", "alpha", "primary")}
    return {**found, "looks": looks["looks"], "spending": looks["spending"], "ablations": sorted(ablations)}
