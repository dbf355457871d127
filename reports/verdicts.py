"""From numbers to words: Holm over the ablations, one verdict and one sentence per contrast, and the guards.

Verdicts: ``hurts``, ``helps``, ``no change`` (larger than the margin), ``inconclusive``, ``not estimable``. They follow
the Holm-adjusted p value and the margin declared in the study file; "not significant" never becomes "does not matter".
Controls get the same numbers but stand outside the family.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from reports.clusters import two_clusters
from reports.contrasts import FEWEST, REFUSED, WEAK, Numbers, compare, score_ranges
from reports.manifest import Variant
from reports.notation import decimals, fixed
from reports.ranks import Rank, rank_intervals
from reports.robustness import Direction, agreement
from reports.scores import ScoreTable
from reports.stats import Estimate, clopper_pearson, holm

if TYPE_CHECKING:
    from reports.adaptive import Course

Verdict = Literal["hurts", "helps", "no change", "inconclusive", "not estimable"]

FEW = 5
"""Runs per arm below which magnitudes are overstated and "no change" is never said."""
STEADY = 10
"""Runs per arm from which a large ratio of spreads no longer fools the test of means."""
SD_RATIO = 3.0
"""Ratio of between-seed SDs above which a verdict stays provisional below ``STEADY`` runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One variant against the baseline on the primary metric.

    Attributes:
        numbers: Effects, intervals, p values, counts.
        role: ``ablation`` (in the Holm family) or ``control`` (outside, p unadjusted).
        p: Welch p; NaN when not estimable.
        p_holm: Adjusted over the family; NaN for a control.
        failures: Runs of the variant that failed and scored the floor.
        missing: Runs of the variant without a score yet.
        invalid: Runs of the variant whose manipulation check failed.
        verdict: One of five words.
        provisional: A guard caps the verdict.
        guards: What a reader must know before believing it, as sentences.
        rank: Place among the estimable ablations with its simultaneous interval; None for a control.
        answers: What other statistics say about the direction; see ``reports.robustness``.
    """

    numbers: Numbers
    role: Literal["ablation", "control"]
    p: float
    p_holm: float
    failures: int
    missing: int
    invalid: int
    verdict: Verdict
    provisional: bool = False
    guards: tuple[str, ...] = ()
    rank: Rank | None = None
    answers: Mapping[str, Direction] = field(default_factory=dict)

    @property
    def variant(self) -> Variant:
        """The variant."""
        return self.numbers.variant

    @property
    def decisive_p(self) -> float:
        """The p value the verdict follows."""
        return self.p if self.role == "control" else self.p_holm

    def direction(self, alpha: float) -> int:
        """What p says: -1 worse, 1 better, 0 not told apart."""
        if self.numbers.difference is None or not self.decisive_p < alpha:
            return 0
        return -1 if self.numbers.difference.value < 0 else 1

    def flips(self, alpha: float) -> tuple[str, ...]:
        """Other statistics that answer otherwise."""
        own = self.direction(alpha)
        return tuple(name for name, answer in self.answers.items() if answer is not None and answer != own)

    @property
    def effect(self) -> float | None:
        """Relative change, or the difference where percentages are refused; None when not estimable."""
        if self.verdict == "not estimable" or self.numbers.difference is None:
            return None
        return self.numbers.percent.value if self.numbers.percent else self.numbers.difference.value

    @property
    def expected(self) -> Literal["as expected", "contrary", "open", ""]:
        """What was expected before running, against what was found."""
        wanted = {"worse": "hurts", "better": "helps", "none": "no change"}.get(self.variant.expect or "")
        if wanted is None:
            return ""
        if self.verdict in ("inconclusive", "not estimable"):
            return "open"
        return "as expected" if self.verdict == wanted else "contrary"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """All contrasts of a study.

    Attributes:
        table: The scores they came from.
        alpha: Two-sided level, family-wise over the ablations.
        contrasts: Ablations in the order of the study file, then controls.
        course: How the looks went; None for a study with a fixed number of seeds.
        post_hoc: What was declared otherwise when the scores were first looked at, as sentences.
    """

    table: ScoreTable
    alpha: float
    contrasts: tuple[Contrast, ...]
    course: "Course | None" = None
    post_hoc: tuple[str, ...] = ()

    @property
    def family(self) -> int:
        """K: ablation variants corrected for."""
        return len(self.table.manifest.ablations)

    @property
    def ablations(self) -> tuple[Contrast, ...]:
        """The contrasts of the Holm family."""
        return tuple(contrast for contrast in self.contrasts if contrast.role == "ablation")

    @property
    def ranked(self) -> tuple[Contrast, ...]:
        """Ablations from the most harmful change to the most helpful, then controls; rows without an effect last."""
        return tuple(sorted(self.contrasts, key=lambda one: (one.role, one.effect is None, one.effect or 0.0)))

    @property
    def in_percent(self) -> bool:
        """Are all estimable effects relative? One figure never mixes percentages and differences."""
        shown = [contrast.numbers for contrast in self.contrasts if contrast.effect is not None]
        return bool(shown) and all(one.percent for one in shown)

    @property
    def runs_per_arm(self) -> tuple[int, int]:
        """Fewest and most scored runs of any arm and task."""
        study = self.table.manifest
        counts = [len(self.table.scores(v.name, task)) for v in study.variants for task in range(len(study.tasks))]
        return min(counts), max(counts)


def conclude(table: ScoreTable, alpha: float | None = None) -> Conclusion:
    """Test every variant against the baseline and say what follows.

    Args:
        table: Scores of a study.
        alpha: Two-sided family-wise level; the manifest's unless given.
    """
    study = table.manifest
    level = study.alpha if alpha is None else alpha
    if study.looks is not None:
        from reports.adaptive import conclude_adaptively  # builds on this module

        return conclude_adaptively(table, level)
    family = max(1, len(study.ablations))
    found = [compare(table, variant, level, family) for variant in (*study.ablations, *study.controls)]
    reasons = [not_estimable(table, one) for one in found]
    p = np.array(
        [
            math.nan if reason or not one.difference else one.difference.p
            for one, reason in zip(found, reasons, strict=True)
        ]
    )
    adjusted = np.full_like(p, math.nan)
    tested = np.flatnonzero(np.isfinite(p[: len(study.ablations)]))
    adjusted[tested] = holm(p[tested], family)
    contrasts = [decide(table, one, float(p[i]), float(adjusted[i]), reasons[i], level) for i, one in enumerate(found)]
    answers = agreement(table, [row.numbers for row in contrasts if row.effect is not None], level, family)
    contrasts = [replace(row, answers=answers.get(row.variant.name, {})) for row in contrasts]
    return Conclusion(table, level, _with_ranks(table, contrasts, level))


def _with_ranks(table: ScoreTable, contrasts: list[Contrast], alpha: float) -> tuple[Contrast, ...]:
    """Rank the ablations that have an effect; place 1 is the most harmful."""
    ranked = [row for row in contrasts if row.role == "ablation" and row.effect is not None]
    if len(ranked) < 2:
        return tuple(contrasts)
    arms = [[task.scores for task in row.numbers.tasks] for row in ranked]
    intervals = rank_intervals(arms, rank_scales(table, ranked), 1 - alpha)
    places = dict(zip((row.variant.name for row in ranked), intervals, strict=True))
    return tuple(replace(row, rank=places.get(row.variant.name)) for row in contrasts)


def rank_scales(table: ScoreTable, ranked: Sequence[Contrast]) -> list[float]:
    """What one unit of each task is worth where changes are compared with each other."""
    bases = [task.base for task in ranked[0].numbers.tasks]
    if len(bases) == 1:
        return [1.0]
    if all(row.numbers.percent for row in ranked):
        return [abs(float(base.mean()) - (floor or 0)) for base, floor in zip(bases, table.floors, strict=True)]
    return score_ranges(table) or [float(base.std(ddof=1)) or 1.0 for base in bases]


def verdict_text(contrast: Contrast, margin: float) -> str:
    """The verdict as a table shows it."""
    text = f"no change > {margin:.0%}" if contrast.verdict == "no change" else str(contrast.verdict)
    return f"{text} (provisional)" if contrast.provisional else text


def not_estimable(table: ScoreTable, found: Numbers) -> str:
    """Why there is no test, as a clause; empty when there is one."""
    study, name = table.manifest, found.variant.name
    invalid = len(table.of_state("invalid", name)), len(table.of_state("invalid", study.baseline.name))
    if any(invalid):
        whose = name if invalid[0] else "the baseline"
        return f"the manipulation check failed in {max(invalid)} runs of {whose}: the arm is not what it is called"
    for task in found.tasks:
        label = f" on {study.tasks[task.task].label}" if len(found.tasks) > 1 else ""
        for arm, runs in ((name, task.scores), (study.baseline.name, task.base)):
            if len(runs) < FEWEST:
                return f"{len(runs)} finished {'run' if len(runs) == 1 else 'runs'} of {arm}{label}, {FEWEST} needed"
            if all(run.state != "done" for run in table.arm(arm, task.task)):
                return f"every run of {arm}{label} failed"
    if found.difference is None:
        if found.mean == found.base_mean:
            return "all runs of both arms score the same on all seeds"
        places = decimals(abs(found.mean - found.base_mean) / 10)
        return (
            f"no arm varies between seeds ({fixed(found.base_mean, places)} and {fixed(found.mean, places)} "
            "on all seeds), so chance cannot be judged"
        )
    return ""


def decide(
    table: ScoreTable,
    found: Numbers,
    p: float,
    p_holm: float,
    reason: str,
    alpha: float,
    verdict: Verdict | None = None,
) -> Contrast:
    """Put one contrast into words.

    Args:
        table: Its scores.
        found: Its numbers.
        p: Unadjusted.
        p_holm: Adjusted over the family.
        reason: Why it is not estimable; empty when it is.
        alpha: Family-wise level.
        verdict: What a sequential procedure decided; None reads it from p and the margin.
    """
    study, name = table.manifest, found.variant.name
    bare = Contrast(
        numbers=found,
        role="control" if found.variant.role == "control" else "ablation",
        p=p,
        p_holm=p_holm,
        failures=len([run for run in table.of_state("failed", name) if run.scored]),
        missing=len(table.of_state("missing", name)),
        invalid=len(table.of_state("invalid", name)),
        verdict="not estimable",
    )
    if reason:  # means and counts stay, tests of an arm that must not be judged go
        bare = replace(bare, numbers=Numbers(variant=found.variant, tasks=found.tasks))
        return replace(bare, guards=(reason, *_guards(table, bare, alpha)))
    verdict = verdict or _verdict(bare, study.primary.margin, alpha)
    decided = replace(bare, verdict=verdict, provisional=fooled(table, found))
    return replace(decided, guards=_guards(table, decided, alpha))


def _verdict(contrast: Contrast, margin: float, alpha: float) -> Verdict:
    found = contrast.numbers
    few = min(found.n, found.n_base) < FEW
    effect = found.percent
    assert isinstance(found.difference, Estimate)
    if contrast.decisive_p < alpha and (not few or (effect is not None and abs(effect.value) > margin)):
        return "hurts" if found.difference.value < 0 else "helps"
    if effect is not None and not few and effect.narrow.within(-margin, margin):
        return "no change"
    return "inconclusive"


def _guards(table: ScoreTable, contrast: Contrast, alpha: float) -> tuple[str, ...]:
    """What a reader must know before believing the row."""
    study, found = table.manifest, contrast.numbers
    said = []
    fewest = min(found.n, found.n_base)
    if FEWEST <= fewest < FEW:
        said.append(f"few seeds (n = {fewest}): the magnitude is likely overstated, and an absence cannot be shown")
    if contrast.provisional:
        said.append(_provisional(table, contrast))
    if found.g >= REFUSED:
        said.append("the baseline is not reliably above its floor: no percentages, differences only")
    elif found.g >= WEAK:
        said.append(f"the baseline's own mean is uncertain (g = {found.g:.2f}): read the percentage with care")
    if saturated := _saturated(table, contrast):
        said.append(saturated)
    if contrast.role == "ablation" and _disagree(contrast, alpha):
        said.append("the interval is for one contrast, p is adjusted for all: here they disagree, and p decides")
    seeds = [cell.seed for cell in table.twins if cell.variant == found.variant.name]
    if seeds:
        listed = ", ".join(str(seed) for seed in sorted(set(seeds)))
        said.append(f"identical to the baseline on seed {listed}: the change changed nothing there")
    if contrast.missing:
        total = len([cell for cell in study.cells if cell.variant == found.variant.name])
        said.append(f"{contrast.missing} of {total} runs have no score yet")
    return tuple(said)


def fooled(table: ScoreTable, found: Numbers) -> bool:
    """May a rare failure hide in runs this few: do the arms' spreads differ, or fall their runs into two groups?"""
    doubtful = found.sd_ratio > SD_RATIO or len(_clustered(table, found)) > len(found.tasks) / 3
    return doubtful and min(found.n, found.n_base) < STEADY


def _clustered(table: ScoreTable, found: Numbers) -> list[str]:
    """Arms whose runs fall into two clusters, as ``A on task``.

    A third of the tasks may show them: over several tasks the mean forgives one (all six: 5 % false findings).
    """
    tasks, several = table.manifest.tasks, len(found.tasks) > 1
    return [
        name + (f" on {tasks[task.task].label}" if several else "")
        for task in found.tasks
        for name, scores in ((found.variant.name, task.scores), (table.manifest.baseline.name, task.base))
        if two_clusters(scores)
    ]


def _provisional(table: ScoreTable, contrast: Contrast) -> str:
    """Why a verdict is capped, and the failure rate that this few runs still allow."""
    found, reasons = contrast.numbers, []
    if found.sd_ratio > SD_RATIO:
        ratio = "one arm does not vary" if math.isinf(found.sd_ratio) else f"ratio {found.sd_ratio:.1f}"
        reasons.append(f"the arms' spreads differ ({ratio})")
    clustered = _clustered(table, found)
    if len(clustered) > len(found.tasks) / 3:
        reasons.append(f"the runs of {', '.join(clustered)} fall into two groups")
    runs = sum(len(task.scores) for task in found.tasks)
    rate = clopper_pearson(contrast.failures, runs)
    possible = f": rates of {rate.low:.0%} to {rate.high:.0%} are possible" if runs >= FEW else ""
    return (
        f"{' and '.join(reasons)}: provisional below n = {STEADY}, a rare failure could hide "
        f"({contrast.failures} of {runs} runs failed{possible})"
    )


def _disagree(contrast: Contrast, alpha: float) -> bool:
    """Does the interval exclude 0 where the adjusted p does not, or the other way round?"""
    found = contrast.numbers
    ends = found.percent.interval if found.percent else found.difference_interval
    return ends is not None and (ends.low > 0 or ends.high < 0) != (contrast.p_holm < alpha)


def _saturated(table: ScoreTable, contrast: Contrast) -> str:
    """Do all runs of both arms sit at the ceiling of every task?"""
    tasks = contrast.numbers.tasks
    for task in tasks:
        ceiling, floor = table.ceiling(task.task), table.floors[task.task]
        if ceiling is None or floor is None or not len(task.scores) or not len(task.base):
            return ""
        if min(task.scores.min(), task.base.min()) < ceiling - 0.005 * (ceiling - floor):
            return ""
    return "saturated: every run of both arms sits at the ceiling, so the task cannot separate them"
