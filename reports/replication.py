"""Two studies side by side: does what one found hold in the other?

A contrast of study A meets the contrast of B that has its name, or else the one that makes the same change of the
configuration. The difference of their effects, B - A, is Welch's: the errors of two independent studies add,

    SE^2 = SE_a^2 + SE_b^2,   df = SE^4 / (SE_a^4/df_a + SE_b^4/df_b)

so there is none where the two rest on the same runs. A study with adaptive seeds comes with its repeated interval: its
SE is widened until a single interval is as long as that one. "Both are significant" is no agreement of sizes, and
"only one is" no disagreement: the verdicts and the difference are said apart.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from reports.effect_tables import effect_text
from reports.manifest import Manifest
from reports.notation import NONE, decimals, fixed, interval, p_value, plural
from reports.stats import Estimate, Interval, holm
from reports.tables import Value
from reports.verdicts import Conclusion, Contrast, verdict_text

Agreement = Literal["agree", "disagree", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One change in both studies.

    Attributes:
        a: In the first study.
        b: In the second.
        same_change: Both change the configuration in the same way.
        shared: Runs that both contrasts count.
        percent: The effects are shares of the baseline; in the metric's own unit otherwise.
        difference: B - A; None where it cannot be said.
        interval: Of the difference.
        p_holm: Of "the effects are equal", adjusted over all pairs of ablations; NaN for controls and without a p.
        reason: Why there is no difference.
        agreement: Of the verdicts; ``open`` while either is inconclusive or not estimable.
    """

    a: Contrast
    b: Contrast
    same_change: bool
    shared: int
    percent: bool
    difference: Estimate | None = None
    interval: Interval | None = None
    p_holm: float = math.nan
    reason: str = ""

    @property
    def name(self) -> str:
        """What the change is called: both names where they differ."""
        ours, theirs = self.a.variant.name, self.b.variant.name
        return ours if ours == theirs else f"{ours} / {theirs}"

    @property
    def agreement(self) -> Agreement:
        """Do the verdicts agree?"""
        verdicts = {self.a.verdict, self.b.verdict}
        if verdicts & {"inconclusive", "not estimable"}:
            return "open"
        return "agree" if len(verdicts) == 1 else "disagree"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """Two studies side by side.

    Attributes:
        a: What the first found.
        b: What the second found.
        level: Of the intervals of differences.
        pairs: In the order of A.
        only_a: Changes that only A makes.
        only_b: Changes that only B makes.
        notes: What differs between the studies themselves, as sentences.
    """

    a: Conclusion
    b: Conclusion
    level: float
    pairs: tuple[Pair, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """How the verdicts agree, in one sentence."""
        groups = {word: [one.name for one in self.pairs if one.agreement == word] for word in ("agree", "disagree")}
        parts = [f"{len(groups['agree'])} of {plural(len(self.pairs), 'verdict')} agree"]
        if groups["disagree"]:
            parts.append(f"{len(groups['disagree'])} disagree ({', '.join(groups['disagree'])})")
        if undecided := sum(one.agreement == "open" for one in self.pairs):
            parts.append(f"{undecided} cannot be told because a study left it open")
        differing = [one.name for one in self.pairs if one.p_holm < 1 - self.level]
        told = f"; after Holm the sizes differ in {', '.join(differing)}" if differing else ""
        return ", ".join(parts) + told + "."


def unlike(a: Conclusion, b: Conclusion) -> str:
    """Why two studies cannot be compared at all, as a sentence; empty when they can."""
    ours, theirs = a.table.manifest.primary, b.table.manifest.primary
    for what in ("name", "summary", "goal"):
        own, other = getattr(ours, what), getattr(theirs, what)
        if own != other:
            return f"their primary metrics differ ({what} {own} against {other}): effects on them say different things."
    return ""


def replication(a: Conclusion, b: Conclusion) -> Replication:
    """Compare what two studies found.

    Raises:
        ValueError: Their primary metrics differ.
    """
    if reason := unlike(a, b):
        raise ValueError(reason)
    matched, only_a, only_b = _matched(a, b)
    level = 1 - max(a.alpha, b.alpha)
    pairs = [_pair(a, b, ours, theirs, level) for ours, theirs in matched]
    tested = [
        i
        for i, one in enumerate(pairs)
        if one.difference is not None and {one.a.role, one.b.role} == {"ablation"} and one.difference.se > 0
    ]
    adjusted = holm(np.array([_p(pairs[i]) for i in tested]), len(tested)) if tested else ()
    for i, p in zip(tested, adjusted, strict=True):
        pairs[i] = replace(pairs[i], p_holm=float(p))
    return Replication(
        a=a, b=b, level=level, pairs=tuple(pairs), only_a=only_a, only_b=only_b, notes=tuple(_notes(a, b))
    )


def _p(pair: Pair) -> float:
    assert pair.difference is not None
    return pair.difference.p


def _matched(a: Conclusion, b: Conclusion) -> tuple[list[tuple[Contrast, Contrast]], tuple[str, ...], tuple[str, ...]]:
    """Contrasts that belong together, and the names of those that are alone."""
    theirs = {one.variant.name: one for one in b.contrasts}
    ours = {one.variant.name for one in a.contrasts}
    labels: dict[str, list[Contrast]] = {}
    for one in b.contrasts:
        if one.variant.name not in ours:
            labels.setdefault(one.variant.label, []).append(one)
    pairs, alone = [], []
    for one in a.contrasts:
        same = labels.get(one.variant.label, [])
        other = theirs.get(one.variant.name) or (same[0] if len(same) == 1 else None)
        if other is None:
            alone.append(one.variant.name)
        else:
            pairs.append((one, other))
    taken = {other.variant.name for _, other in pairs}
    return pairs, tuple(alone), tuple(name for name in theirs if name not in taken)


def _pair(a: Conclusion, b: Conclusion, ours: Contrast, theirs: Contrast, level: float) -> Pair:
    shared = len(_runs(a, ours) & _runs(b, theirs))
    bare = Pair(
        a=ours,
        b=theirs,
        same_change=ours.variant.label == theirs.variant.label,
        shared=shared,
        percent=ours.numbers.percent is not None and theirs.numbers.percent is not None,
    )
    if ours.effect is None or theirs.effect is None:
        return replace(bare, reason="an arm is not estimable")
    if shared:
        return replace(bare, reason=f"{plural(shared, 'run')} in both")
    pair = _effects(bare, a, b)
    if pair is None:
        return replace(bare, reason="no percentages, and no common unit")
    own, other = pair
    difference = independent_difference(own, other)
    return replace(bare, difference=difference, interval=difference.interval(level))


def independent_difference(own: Estimate, other: Estimate) -> Estimate:
    """``other - own`` of two estimates that share no run."""
    se, spread = math.hypot(own.se, other.se), own.se**4 / own.df + other.se**4 / other.df
    return Estimate(other.value - own.value, se, se**4 / spread if spread > 0 else own.df + other.df)


def _runs(conclusion: Conclusion, contrast: Contrast) -> set[str]:
    """The cells that a contrast rests on."""
    names = (contrast.variant.name, conclusion.table.manifest.baseline.name)
    return {run.cell.hash for run in conclusion.table.runs if run.cell.variant in names and run.scored}


def _effects(pair: Pair, a: Conclusion, b: Conclusion) -> tuple[Estimate, Estimate] | None:
    """Both effects in one unit."""
    own, other = pair.a.numbers, pair.b.numbers
    if own.percent is not None and other.percent is not None:
        first, second = (
            _carried(study, Estimate(one.value, one.se, one.df), one.interval)
            for study, one in ((a, own.percent), (b, other.percent))
        )
        return first, second
    if own.difference is None or other.difference is None:
        return None
    if own.unit != other.unit or not len(own.tasks) == len(other.tasks) == 1:
        return None
    return _carried(a, own.difference, own.difference_interval), _carried(
        b, other.difference, other.difference_interval
    )


def _carried(study: Conclusion, effect: Estimate, ends: Interval | None) -> Estimate:
    """An estimate with the error that its study claims: of adaptive seeds that of the repeated interval."""
    if study.course is None or ends is None or not effect.se > 0:
        return effect
    plain = effect.interval(1 - study.alpha)
    wider = max(1.0, (ends.high - ends.low) / (plain.high - plain.low))
    return replace(effect, se=effect.se * wider)


def _notes(a: Conclusion, b: Conclusion) -> list[str]:
    """What differs between the studies beside their results."""
    ours, theirs = a.table.manifest, b.table.manifest
    notes = []
    sides: list[tuple[str, str, str]] = [
        ("tasks", _listed(ours, "label"), _listed(theirs, "label")),
        ("copies per seed", _listed(ours, "num_envs"), _listed(theirs, "num_envs")),
        ("budgets", f"{ours.budget:,} steps", f"{theirs.budget:,} steps"),
        ("margins", f"{ours.primary.margin:.0%}", f"{theirs.primary.margin:.0%}"),
        ("levels", f"alpha {ours.alpha:g}", f"alpha {theirs.alpha:g}"),
    ]
    notes += [f"The {what} differ: {own} against {other}." for what, own, other in sides if own != other]
    looked = [one.table.manifest.study for one in (a, b) if one.course is not None]
    if looked:
        notes.append(
            f"{' and '.join(looked)} added seeds while looking: the intervals shown are repeated confidence intervals, "
            "and B - A and its p carry their width. After an early stop an effect is overstated on average, so a "
            "smaller one in the other study is to be expected."
        )
    common = set(ours.seeds) & set(theirs.seeds)
    if common:
        notes.append(
            f"{plural(len(common), 'seed')} in both: equal seeds draw the same random numbers, so runs of equal "
            "configurations are no independent replication."
        )
    return notes


def _listed(study: Manifest, attribute: str) -> str:
    return ", ".join(str(getattr(task, attribute)) for task in study.tasks)


def rows(found: Replication) -> list[dict[str, str]]:
    """The comparison as a terminal shows it: one dict of strings per change, keys in the order of columns."""
    return [
        {
            "change": one.name + ("" if one.same_change else " *"),
            "A: effect": " ".join(_effect(one.a, one.percent)),
            "A: verdict": verdict_text(one.a, found.a.table.manifest.primary.margin),
            "B: effect": " ".join(_effect(one.b, one.percent)),
            "B: verdict": verdict_text(one.b, found.b.table.manifest.primary.margin),
            "B - A": _difference(one),
            "p (Holm)": p_value(one.p_holm),
            "verdicts": one.agreement,
        }
        for one in found.pairs
    ]


def _effect(contrast: Contrast, percent: bool) -> tuple[str, ...]:
    value, ends = effect_text(contrast, percent)
    return (value + (" %" if percent and value != NONE else ""), ends)


def _difference(pair: Pair) -> str:
    if pair.difference is None or pair.interval is None:
        return f"{NONE} ({pair.reason})"
    factor = 100.0 if pair.percent else 1.0
    places = decimals(factor * pair.difference.se, most=1 if pair.percent else 6)
    value = fixed(factor * pair.difference.value, places, plus=True)
    return f"{value}{' pt' if pair.percent else ''} {interval(pair.interval, places, factor)}"


def records(found: Replication) -> list[dict[str, Value]]:
    """The comparison as data: effects as fractions of the baseline, or in the metric's unit where ``unit`` says so."""
    return [_record(one, found.a.table.manifest.primary.name) for one in found.pairs]


def _record(one: Pair, metric: str) -> dict[str, Value]:
    record: dict[str, Value] = {
        "change": one.name,
        "role": one.a.role,
        "same_change": one.same_change,
        "unit": "of the baseline" if one.percent else metric,
        "shared_runs": one.shared,
    }
    for side, row in (("a", one.a), ("b", one.b)):
        numbers = row.numbers
        ends = numbers.percent.interval if one.percent and numbers.percent else numbers.difference_interval
        value = numbers.percent.value if one.percent and numbers.percent else getattr(numbers.difference, "value", None)
        record |= {
            f"{side}_label": row.variant.label,
            f"{side}_effect": value,
            f"{side}_low": ends.low if ends else None,
            f"{side}_high": ends.high if ends else None,
            f"{side}_n": numbers.n,
            f"{side}_n_base": numbers.n_base,
            f"{side}_verdict": row.verdict,
        }
    difference, ends = one.difference, one.interval
    return record | {
        "difference": difference.value if difference else None,
        "difference_low": ends.low if ends else None,
        "difference_high": ends.high if ends else None,
        "difference_p": difference.p if difference else None,
        "difference_p_holm": None if math.isnan(one.p_holm) else one.p_holm,
        "reason": one.reason or None,
        "verdicts": one.agreement,
    }
