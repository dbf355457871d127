"""What tuning decides: for every arm the value that did best on the tuning seeds.

A decision is a pure function of the arm's finished tuning cells, worked out anew whenever it is needed; the manifest
records it for the report only. The rule:

* A value's score on a task is the mean over the tuning seeds of the primary metric (its mean along the run, or its last
  tenth), higher is better. A failed run scores the floor of the task (where the environment declares none: the arm's
  worst finished score on it).
* Over several tasks scores are made comparable first: they are divided by the range that the environment declares, or,
  where it declares none, by the span between the arm's worst and best value; the mean over tasks decides.
* A value all of whose runs failed is never chosen while another finished one. Ties go to the value nearest to the arm's
  own (by ratio where all are positive), then to the first.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ablate.cells import Cell
from ablate.configs import shown
from ablate.manifest import score_range
from ablate.store import FINISHED, State, Store
from ablate.tuning import Tune, retuned_cells

if TYPE_CHECKING:
    from ablate.study import Study


_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Decision:
    """What tuning found for one arm.

    Attributes:
        variant: The arm.
        own: Its value in the study file, as people write it.
        chosen: Index of the chosen value; None until every tuning run of the arm has ended.
        scores: Value x task: mean score in the metric's own sign; None where there is none.
        failed: Value -> number of failed runs.
        runs: Tuning runs per value.
        ended: Tuning runs that have ended, of all values.
        edge: The chosen value is the smallest or the largest: a better one may lie beyond.
    """

    variant: str
    own: str
    chosen: int | None
    scores: tuple[tuple[float | None, ...], ...]
    failed: tuple[int, ...]
    runs: int
    ended: int
    edge: bool


@dataclass(frozen=True, slots=True)
class Decisions:
    """What is known of the stage ``retuned``.

    Attributes:
        arms: One per variant, in the order of the study.
        retuned: Every retuned cell of the decided arms; those that are main cells, too.
        possible: Every cell that the undecided arms may come to need, main cells left out.
        at_most: How many of the possible ones that can be.
    """

    arms: tuple[Decision, ...]
    retuned: tuple[Cell, ...]
    possible: tuple[Cell, ...]
    at_most: int

    @property
    def complete(self) -> bool:
        """Whether every arm is decided."""
        return all(arm.chosen is not None for arm in self.arms)


def decide(
    study: "Study", tuning: Sequence[Cell], main: Sequence[Cell], states: Mapping[str, State], store: Store
) -> Decisions:
    """Choose every arm's value, as far as its tuning cells have ended.

    Args:
        study: With a ``tune:`` block.
        tuning: Its cells of the stage ``tune``.
        main: Its cells of the stage ``main``.
        states: Of the tuning cells, by hash.
        store: Where they lie.
    """
    tune = study.tune
    assert tune is not None
    known = {cell.hash for cell in main}
    arms, retuned, possible, at_most = [], [], [], 0
    for variant in study.variants:
        cells = [cell for cell in tuning if cell.variant == variant.name]
        arm = _decision(study, tune, cells, states, store)
        arms.append(arm)
        if arm.chosen is not None:
            retuned += retuned_cells(study, variant, arm.chosen)
        else:
            each = [retuned_cells(study, variant, index) for index in range(len(tune.values))]
            other = [[cell for cell in cells if cell.hash not in known] for cells in each]
            possible += [cell for cells in other for cell in cells]
            at_most += max(map(len, other))
    return Decisions(tuple(arms), tuple(retuned), tuple(possible), at_most)


def _decision(study: "Study", tune: Tune, cells: Sequence[Cell], states: Mapping[str, State], store: Store) -> Decision:
    name = cells[0].variant
    runs = len(tune.seeds) * len(study.tasks)
    ended = sum(states[cell.hash] in FINISHED for cell in cells)
    nothing: tuple[tuple[float | None, ...], ...] = tuple((None,) * len(study.tasks) for _ in tune.values)
    own = shown(tune.own[name])
    if ended < len(cells):
        return Decision(name, own, None, nothing, (0,) * len(tune.values), runs, ended, edge=False)
    score = _scorer(study, tune, store)
    found = {(cell.value, cell.task, cell.seed): score(cell) for cell in cells}
    failed = tuple(sum(found[key] is None for key in found if key[0] == text) for text in tune.texts)
    means = [[_mean(study, tune, text, task, found) for task in range(len(study.tasks))] for text in tune.texts]
    spans = [_declared_span(study, task) for task in range(len(study.tasks))]
    chosen = best(means, [count == runs for count in failed], tune.values, tune.own[name], spans)
    sign = -1.0 if study.metrics.primary.goal == "min" else 1.0
    scores = tuple(tuple(None if one is None else sign * one for one in row) for row in means)
    return Decision(name, own, chosen, scores, failed, runs, ended, edge=_at_edge(tune.values, chosen))


def chosen_text(arm: Decision, study: "Study") -> str:
    """``baseline: learning_rate 0.003 (own 0.001), at the edge``."""
    assert study.tune is not None
    if arm.chosen is None:
        every = arm.runs * len(study.tune.values)
        return f"{arm.variant}: {study.tune.field} not chosen yet, {arm.ended} of {every} tuning runs have ended"
    text = study.tune.texts[arm.chosen]
    own = "its own" if text == arm.own else f"own {arm.own}"
    failed = ", all its tuning runs failed" if sum(arm.failed) == arm.ended else ""
    edge = ", at the edge of the grid" if arm.edge else ""
    return f"{arm.variant}: {study.tune.field} {text} ({own}){failed}{edge}"


_Found = Mapping[tuple[str | None, int, int], float | None]


def _scorer(study: "Study", tune: Tune, store: Store) -> Callable[[Cell], float | None]:
    """A tuning cell -> its score, higher is better; None of one that failed."""
    from reports.journal import read_journal
    from reports.scores import SHORT, area_under_curve, final_score

    primary = study.metrics.primary
    sign = -1.0 if primary.goal == "min" else 1.0

    def score(cell: Cell) -> float | None:
        place = store.cell(cell.hash)
        if place.state() != "DONE":
            return None
        steps, values = read_journal(place.path).curve(primary.name)
        whole = len(steps) and steps[-1] >= SHORT * tune.env_steps and math.isfinite(values[-1])
        if not whole:
            return None
        steps, values = steps[values == values], values[values == values]
        if tune.summary == "auc":
            return sign * area_under_curve(steps, values)
        return sign * final_score(steps, values, tune.env_steps)

    return score


def _mean(study: "Study", tune: Tune, text: str, task: int, found: _Found) -> float | None:
    """Mean score of one value on one task over the tuning seeds; None where nothing finished and no floor is known."""
    floor = _floor(study, task, found)
    scores = [found[text, task, seed] for seed in tune.seeds]
    filled = [floor if one is None else one for one in scores]
    return None if any(one is None for one in filled) else statistics.fmean(one for one in filled if one is not None)


def _declared_span(study: "Study", task: int) -> float | None:
    """Ceiling minus floor of a task's score, None where its environment declares none."""
    declared = score_range(study.tasks[task], study.metrics.primary.name)
    return declared[1] - declared[0] if declared is not None else None


def _floor(study: "Study", task: int, found: _Found) -> float | None:
    """What a failed run scores."""
    primary = study.metrics.primary
    declared = score_range(study.tasks[task], primary.name)
    if declared is not None:
        return -declared[1] if primary.goal == "min" else declared[0]
    return min((one for key, one in found.items() if key[1] == task and one is not None), default=None)


def best(
    means: Sequence[Sequence[float | None]],
    failed: Sequence[bool],
    values: Sequence[Any],
    own: Any,
    spans: Sequence[float | None],
) -> int:
    """Index of the value to choose.

    Args:
        means: Value x task, higher is better; None where there is no score.
        failed: Whether all runs of a value failed.
        values: The values themselves.
        own: The arm's own value.
        spans: Per task, what its scores are divided by; None for the span between the arm's worst and best value.
    """
    tasks = [_comparable(scores, span) for scores, span in zip(zip(*means, strict=True), spans, strict=True)]
    criterion = [statistics.fmean(row) for row in zip(*tasks, strict=True)]
    distance = _distances(values, own)

    def order(index: int) -> tuple[bool, float, float, int]:
        return failed[index], -_rounded(criterion[index]), distance[index], index

    return min(range(len(values)), key=order)


def _comparable(scores: Sequence[float | None], span: float | None) -> list[float]:
    """One task's scores above the arm's worst, in units of the span; all 0 where they differ by rounding only."""
    known = [one for one in scores if one is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    if high - low <= _ROUNDING * max(abs(high), abs(low)):
        return [0.0] * len(scores)
    return [0.0 if one is None else (one - low) / (span or high - low) for one in scores]


def _rounded(x: float) -> float:
    """Sums in another order are the same score."""
    return round(x, 9)


def _distances(values: Sequence[Any], own: Any) -> list[float]:
    """How far every value is from the arm's own."""
    numbers = [*values, own]
    if not all(_is_number(one) for one in numbers):
        return [0.0 if one == own else 1.0 for one in values]
    if all(one > 0 for one in numbers):
        return [_rounded(abs(math.log(one / own))) for one in values]
    return [abs(one - own) for one in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _at_edge(values: Sequence[Any], chosen: int) -> bool:
    return all(map(_is_number, values)) and values[chosen] in (min(values), max(values))
