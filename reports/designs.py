"""What a two-level design found: effects of changes over the settings of the others, interactions, Shapley values.

Every answer is a weighted sum of cell means (``reports.factorial``): its error is closed-form, with Welch-Satterthwaite
degrees of freedom. As a share of the baseline's mean above its floor, M_0, with T tasks and seeds i of setting S:

    e = mean_t sum_S w_S m_St / M_0t        Var = sum_t,S (w_S - [S = {}] e_t)^2 s^2_St / (n_St M_0t^2 T^2)

which for one change alone is the percentage of the main table. Where the baseline cannot be told from its floor on some
task there are no shares, only differences. Sign convention as everywhere: negative means that the change hurts.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reports import factorial
from reports.factorial import Design, Setting, Weights
from reports.scores import ScoreTable
from reports.stats import Estimate, Interval, Scores, holm, t_quantile

What = Literal["alone", "last", "gap", "main", "shapley", "interaction", "shapley_interaction"]
FEWEST = 2
"""Runs per setting below which it has no variance."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question about one change, or about a pair of them.

    Attributes:
        what: See ``reports.factorial``; ``gap`` is ``last`` minus ``alone``.
        changes: One name or two.
        estimate: In the unit of the findings.
        interval: At 1 - alpha, for this answer alone.
        p_holm: Adjusted over all answers to the same question.
    """

    what: What
    changes: tuple[str, ...]
    estimate: Estimate
    interval: Interval
    p_holm: float = math.nan


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything a design answers.

    Attributes:
        design: The design.
        level: Of the intervals.
        unit: What 1 is: ``of the baseline``, or the unit of a difference.
        answers: Grouped by question, changes and pairs in the order of the study file.
        missing: Names of the settings without two runs on every task, or whose manipulation check failed.
        total: From the baseline to all changes made; None where that setting is missing.
        notes: What a reader must know, as sentences.
    """

    design: Design
    level: float
    unit: str
    answers: tuple[Answer, ...]
    missing: tuple[str, ...]
    total: Answer | None
    notes: tuple[str, ...]

    @property
    def relative(self) -> bool:
        """Are the effects shares of the baseline?"""
        return self.unit == RELATIVE

    def of(self, what: What) -> dict[tuple[str, ...], Answer]:
        """Changes -> the answer to one question; empty where the design does not answer it."""
        return {one.changes: one for one in self.answers if one.what == what}


RELATIVE = "of the baseline"


def findings(table: ScoreTable, alpha: float) -> Findings | None:
    """Answer what the design of a study asks; None without a design, or while nothing can be said yet.

    Args:
        table: Scores.
        alpha: Two-sided level.
    """
    design = table.manifest.design
    if design is None:
        return None
    arms = {setting: name for setting, name in design.arms.items() if _usable(table, name)}
    missing = tuple(name for setting, name in design.arms.items() if setting not in arms)
    if frozenset() not in arms or len(arms) < 2:
        return None
    scale = _Scale.of(table, arms, alpha)
    if scale is None:
        return None
    questions, notes = _questions(design, set(arms))
    answers: list[Answer] = []
    for what, asked in questions.items():
        answers += _adjusted([_answer(what, changes, weights, scale, alpha) for changes, weights in asked.items()])
    every = frozenset(design.factors)
    total = _answer("last", design.factors, {every: 1.0, frozenset(): -1.0}, scale, alpha) if every in arms else None
    return Findings(design, 1 - alpha, scale.unit, tuple(answers), missing, total, tuple(notes))


def _usable(table: ScoreTable, name: str) -> bool:
    tasks = range(len(table.manifest.tasks))
    enough = all(len(table.scores(name, task)) >= FEWEST for task in tasks)
    return enough and not table.of_state("invalid", name)


def _answer(what: What, changes: Sequence[str], weights: Weights, scale: "_Scale", alpha: float) -> Answer:
    estimate = scale.estimate(weights)
    return Answer(what, tuple(changes), estimate, estimate.interval(1 - alpha))


def _adjusted(answers: list[Answer]) -> list[Answer]:
    p = holm([one.estimate.p for one in answers]) if answers else ()
    return [replace(one, p_holm=float(value)) for one, value in zip(answers, p, strict=True)]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Scores of every setting and task, and what one unit of each task is worth.

    Attributes:
        scores: Setting -> scores per task.
        worth: Per task; the baseline's mean above its floor where effects are relative.
        unit: See ``Findings``.
    """

    scores: dict[Setting, list[Scores]]
    worth: list[float]
    unit: str

    @classmethod
    def of(cls, table: ScoreTable, arms: dict[Setting, str], alpha: float) -> "_Scale | None":
        """Shares of the baseline where it lies clearly above its floor; None when nothing varies between seeds."""
        tasks = range(len(table.manifest.tasks))
        scores = {setting: [table.scores(name, task) for task in tasks] for setting, name in arms.items()}
        if all(np.ptp(one) == 0 for found in scores.values() for one in found):
            return None
        above = [float(scores[frozenset()][task].mean()) - (table.floors[task] or 0.0) for task in tasks]
        cost = table.manifest.primary.goal == "min"
        sound = [
            _sound(scores[frozenset()][task], above[task], alpha, cost=cost and table.floors[task] is None)
            for task in tasks
        ]
        if all(sound) and len({math.copysign(1.0, one) for one in above}) == 1:
            return cls(scores, above, RELATIVE)
        if len(tasks) == 1:
            return cls(scores, [1.0], table.manifest.primary.name)
        spread = [math.sqrt(np.mean([found[task].var(ddof=1) for found in scores.values()])) or 1.0 for task in tasks]
        return cls(scores, spread, "between-seed SD")

    def estimate(self, weights: Weights) -> Estimate:
        """A weighted sum of means, over tasks; the baseline's own error counts where it is the unit."""
        tasks, relative = len(self.worth), self.unit == RELATIVE
        value, total, spread, most = 0.0, 0.0, 0.0, 0.0
        for task, worth in enumerate(self.worth):
            share = sum(weight * self.scores[setting][task].mean() for setting, weight in weights.items()) / worth
            value += float(share) * math.copysign(1.0, worth) / tasks
            used = dict(weights)
            if relative:
                used[frozenset()] = used.get(frozenset(), 0.0) - float(share)
            for setting, weight in used.items():
                scores = self.scores[setting][task]
                part = (weight / (worth * tasks)) ** 2 * float(scores.var(ddof=1)) / len(scores)
                total, spread, most = total + part, spread + part**2 / (len(scores) - 1), most + len(scores) - 1
        return Estimate(value, math.sqrt(total), total**2 / spread if spread > 0 else most)


def _sound(base: Scores, above: float, alpha: float, *, cost: bool) -> bool:
    """Is the baseline told apart from its floor (g < 1)? A cost's natural zero may lie above it."""
    if above == 0 or (above < 0 and not cost):
        return False
    variance = float(base.var(ddof=1)) / len(base)
    return t_quantile(1 - alpha, len(base) - 1) ** 2 * variance < above**2


Asked = dict[tuple[str, ...], Weights]


def _questions(design: Design, there: set[Setting]) -> tuple[dict[What, Asked], list[str]]:
    """Every question that the settings with scores can answer, and notes on those that they cannot."""
    singles = [(one,) for one in design.factors]
    pairs = list(itertools.combinations(design.factors, 2))
    found: dict[What, Asked] = {}
    notes: list[str] = []

    def ask(what: What, over: Sequence[tuple[str, ...]], weights: Callable[[tuple[str, ...]], Weights]) -> None:
        asked = {changes: made for changes in over if set(made := weights(changes)) <= there}
        if asked:
            found[what] = asked

    ask("alone", singles, lambda one: factorial.alone(one[0]))
    if design.kind in ("add_one_in", "full_factorial"):
        ask("last", singles, lambda one: factorial.last(one[0], design.factors))
    if design.kind == "add_one_in" and len(design.factors) > 1:
        ask("gap", singles, lambda one: _gap(one[0], design.factors))
    if design.kind == "pairwise":
        ask("interaction", pairs, lambda pair: factorial.pair_interaction(*pair))
    run = design.regular
    if run and set(run) <= there:
        ask("main", singles, lambda one: factorial.main_effect(one[0], run))
        ask("interaction", _told_apart(design, pairs), lambda pair: factorial.interaction(pair, run))
        if design.kind == "full_factorial":
            ask("shapley", singles, lambda one: factorial.shapley(one[0], design.factors))
            if len(design.factors) > 3:  # with fewer all orders weigh the settings of the others alike
                ask("shapley_interaction", pairs, lambda pair: factorial.shapley_interaction(pair, design.factors))
    elif run:
        fitted, note = _fitted(design, sorted(there, key=lambda one: (len(one), sorted(one))))
        found |= fitted
        notes.append(note)
    return found, notes


def _gap(change: str, factors: Sequence[str]) -> Weights:
    found = factorial.last(change, factors)
    for setting, weight in factorial.alone(change).items():
        found[setting] = found.get(setting, 0.0) - weight
    return found


def _told_apart(design: Design, pairs: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """One pair of every group of aliases, none of a group that holds a single change."""
    found: list[tuple[str, ...]] = []
    seen: set[Setting] = set()
    for pair in pairs:
        twins = design.part.aliases(frozenset(pair)) if design.part else ()
        if frozenset(pair) not in seen and all(len(one) > 1 for one in twins):
            found.append(pair)
            seen.update(twins)
    return found


def _fitted(design: Design, there: Sequence[Setting]) -> tuple[dict[What, Asked], str]:
    """Main effects (and pairs, if they can be told apart) of a least-squares fit to an incomplete design."""
    singles = [frozenset({one}) for one in design.factors]
    pairs = [frozenset(pair) for pair in itertools.combinations(design.factors, 2)]
    of = f"{len(there)} of {len(design.arms)} settings have scores"
    refused = f"{of}: Shapley values need all of them." if design.kind == "full_factorial" else f"{of}."
    for terms, left_out, assumed in (
        ([*singles, *pairs], _triples(design), "three or more changes"),
        (singles, pairs, "two or more changes"),
    ):
        columns = np.column_stack([np.ones(len(there)), *(_column(there, term) for term in terms)])
        if np.linalg.matrix_rank(columns) < columns.shape[1]:
            continue
        solved: NDArray[np.float64] = np.linalg.pinv(columns)
        found: dict[What, Asked] = {"main": {}}
        for term, row in zip(terms, solved[1:], strict=True):
            what: What = "main" if len(term) == 1 else "interaction"
            names = tuple(one for one in design.factors if one in term)
            weights = dict(zip(there, (2.0 ** len(term) * row).tolist(), strict=True))
            found.setdefault(what, {})[names] = weights
        mixed = _mixed(design, there, solved[1 : 1 + len(singles)], left_out)
        return found, (
            f"{refused} Main effects are those of a fitted model that takes interactions of {assumed} to be nothing; "
            f"where they are not, they are mixed in: {mixed}."
        )
    return {}, f"{refused} Too few to fit main effects."


def _triples(design: Design) -> list[Setting]:
    return [frozenset(one) for one in itertools.combinations(design.factors, 3)]


def _column(there: Sequence[Setting], term: Setting) -> NDArray[np.float64]:
    """Product of the +1 (made) and -1 (not made) of a term's changes, by setting."""
    return np.array([math.prod(1.0 if one in setting else -1.0 for one in term) for setting in there])


def _mixed(design: Design, there: Sequence[Setting], solved: NDArray[np.float64], left_out: Sequence[Setting]) -> str:
    """The alias list of a fit: which effects that were left out enter which main effect, and how strongly."""
    parts = []
    for name, row in zip(design.factors, solved, strict=True):
        shares = [(term, float(row @ _column(there, term))) for term in left_out]
        inside = [f"{share:+.2g} {_product(design, term)}" for term, share in shares if abs(share) > 0.005]
        if inside:
            parts.append(f"{name} {' '.join(inside)}")
    return "; ".join(parts) or "none of them reaches a main effect"


def _product(design: Design, term: Setting) -> str:
    return "\u00d7".join(one for one in design.factors if one in term)
