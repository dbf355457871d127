"""Machine-written sentences, one per contrast, each with the precondition it needs.

Words that a leave-one-out design cannot support ("contributes", "explains", "most important") do not occur, and neither
does "significant" without its correction.
"""

import math

from reports.contrasts import WEAK, Numbers, Percent
from reports.manifest import Manifest, Variant
from reports.notation import decimals, fixed, interval, p_equation
from reports.power import sd_range, seeds_needed
from reports.stats import clopper_pearson
from reports.verdicts import FEW, Conclusion, Contrast

MOST_SEEDS = 200
"""More seeds per arm than anyone runs: beyond, a row counts as not resolvable."""


def sentence(conclusion: Conclusion, contrast: Contrast) -> str:
    """What the data say about one contrast, ready to print."""
    study = conclusion.table.manifest
    subject = subject_of(contrast.variant)
    if contrast.verdict == "not estimable":
        return f"{subject}: not estimable, {contrast.guards[0]}."
    if contrast.verdict in ("hurts", "helps"):
        text = _changed(conclusion, contrast, subject)
    elif contrast.verdict == "no change":
        text = _negligible(study, contrast, subject, conclusion.alpha)
    else:
        text = _inconclusive(conclusion, contrast, subject)
    if min(contrast.numbers.n, contrast.numbers.n_base) < FEW:
        text += " Few seeds: the magnitude is likely overstated."
    if contrast.failures:
        text += " " + failures(contrast)
    return text


def subject_of(variant: Variant) -> str:
    """``Removing <part> (Name)``, ``Replacing <part> (Name; component: old → new)`` ..."""
    delta = variant.label.replace("->", "\u2192")
    if variant.role == "control":
        return f"Using {variant.name} instead of the baseline"
    verb = {"REMOVE": "Removing", "ADD": "Adding"}.get(variant.action or "", "Replacing")
    part = variant.part or variant.component or variant.name
    named = [] if part == variant.name else [variant.name]
    if verb == "Replacing" and delta != variant.name:
        named.append(delta)
    return f"{verb} {part}" + (f" ({'; '.join(named)})" if named else "")


def failures(contrast: Contrast) -> str:
    """S9: how many runs failed, and the rate that is compatible with it."""
    n = sum(len(task.scores) for task in contrast.numbers.tasks)
    if n < FEW:
        return f"{contrast.failures} of {n} runs failed and score the floor."
    rate = clopper_pearson(contrast.failures, n)
    share = contrast.failures / n
    return (
        f"{contrast.failures} of {n} runs failed and score the floor "
        f"(rate {share:.0%} [{100 * rate.low:.1f}, {100 * rate.high:.0f}])."
    )


def _evidence(study: Manifest, contrast: Contrast, alpha: float) -> str:
    found = contrast.numbers
    p = p_equation("p" if contrast.role == "control" else "p_holm", contrast.decisive_p)
    runs = f"n = {found.n}" if found.n == found.n_base else f"n = {found.n} against {found.n_base}"
    tasks = f", {len(study.tasks)} tasks" if len(study.tasks) > 1 else ""
    outside = ", a control outside the correction" if contrast.role == "control" else ""
    return f"({p}, {runs} runs per arm{tasks}{outside})"


def _baseline(conclusion: Conclusion) -> str:
    floored = any(floor for floor in conclusion.table.floors)
    return "of the baseline above its floor" if floored else "of the baseline"


def _verb(study: Manifest, worse: bool) -> str:
    """A lower-is-better metric gets worse by rising."""
    return "lowers" if worse == (study.primary.goal == "max") else "raises"


def _changed(conclusion: Conclusion, contrast: Contrast, subject: str) -> str:
    """S1 (hurts), S3 (a real but small loss) and S10 (helps)."""
    study, found = conclusion.table.manifest, contrast.numbers
    worse = contrast.verdict == "hurts"
    opening = f"{subject} {_verb(study, worse)} {study.primary.name}"
    evidence = _evidence(study, contrast, conclusion.alpha)
    if found.percent is None:
        return f"{opening} by {_absolute(found)} {evidence}; percentages are refused, the baseline is too weak."
    size, margin = _size(found.percent), study.primary.margin
    text = f"{opening} by {size} {_baseline(conclusion)} {evidence}"
    ends = found.percent.interval
    if ends.within(-margin, margin):
        return f"{text}: a real but small {'loss' if worse else 'gain'}, within the {margin:.0%} margin."
    beyond = ends.high < -margin if worse else ends.low > margin
    text += f", and the {'loss' if worse else 'gain'} is larger than the {margin:.0%} margin." if beyond else "."
    return text + (" The baseline's own mean is uncertain." if found.g >= WEAK else "")


def _size(percent: Percent) -> str:
    """``38% [33, 43]``: magnitude with its interval turned to the same sign."""
    places = decimals(100 * percent.se, most=1)
    low, high = sorted(math.copysign(1.0, percent.value) * end for end in (percent.interval.low, percent.interval.high))
    return f"{fixed(100 * abs(percent.value), places)}% [{fixed(100 * low, places)}, {fixed(100 * high, places)}]"


def _absolute(found: Numbers) -> str:
    assert found.difference is not None
    assert found.difference_interval is not None
    places = decimals(found.difference.se)
    sign = math.copysign(1.0, found.difference.value)
    ends = sorted((sign * found.difference_interval.low, sign * found.difference_interval.high))
    unit = "" if len(found.tasks) == 1 else f" ({found.unit})"
    return f"{fixed(abs(found.difference.value), places)} [{fixed(ends[0], places)}, {fixed(ends[1], places)}]{unit}"


def _negligible(study: Manifest, contrast: Contrast, subject: str, alpha: float) -> str:
    """S2: the interval of the equivalence test lies inside the margin."""
    percent = contrast.numbers.percent
    assert percent is not None
    places = decimals(100 * percent.se, most=1)
    ends = interval(percent.narrow, places, 100)
    follows = {"REMOVE": "it can be dropped", "ADD": "it adds nothing"}.get(
        contrast.variant.action or "", "the two are interchangeable"
    )
    return (
        f"{subject} changes {study.primary.name} by less than {study.primary.margin:.0%} "
        f"({1 - 2 * alpha:.0%} interval {ends} %); {follows} at these settings."
    )


def _inconclusive(conclusion: Conclusion, contrast: Contrast, subject: str) -> str:
    """S4: what the data allow and what would settle it; the seeds needed come from the margin, never the effect."""
    study, found = conclusion.table.manifest, contrast.numbers
    if found.percent is None:
        assert found.difference_interval is not None
        assert found.difference is not None
        ends = interval(found.difference_interval, decimals(found.difference.se))
        return f"{subject}: inconclusive. The data allow differences {ends} in {found.unit}; percentages are refused."
    low, high = found.percent.interval.low, found.percent.interval.high
    places = decimals(100 * found.percent.se, most=1)
    text = f"{subject}: inconclusive. The data allow anything from {_end(low, places)} to {_end(high, places)}."
    if contrast.role == "ablation" and contrast.p < conclusion.alpha <= contrast.p_holm:
        text += f" Before the correction over {conclusion.family} ablations {p_equation('p', contrast.p)}."
    return text + " " + more_seeds(study, contrast, conclusion.alpha / max(1, conclusion.family))


def _end(end: float, places: int) -> str:
    return f"a {'loss' if end < 0 else 'gain'} of {fixed(100 * abs(end), places)}%"


def more_seeds(study: Manifest, contrast: Contrast, alpha: float) -> str:
    """How many more seeds would show a change of the margin with 80 % power, with the range the SD's error leaves."""
    found, margin = contrast.numbers, study.primary.margin
    assert found.percent is not None
    n = 2 / (1 / found.n + 1 / found.n_base)
    sd = found.percent.se * math.sqrt(n / 2)
    ends = sd_range(sd, found.percent.df)
    needs = [seeds_needed(margin / one, alpha, tasks=len(found.tasks)) for one in (sd, ends.low, ends.high)]
    middle, low, high = (MOST_SEEDS + 1 if need is None else need for need in needs)
    have = min(found.n, found.n_base)
    if low > MOST_SEEDS:
        return f"A {margin:.0%} change is not resolvable with {MOST_SEEDS} seeds per arm."
    if middle <= have:
        return f"{have} seeds per arm have 80% power for a {margin:.0%} change; the effect lies near the margin."
    upper = f"{high - have}" if high <= MOST_SEEDS else f"more than {MOST_SEEDS - have}"
    about = f"About {middle - have}" if middle <= MOST_SEEDS else f"More than {MOST_SEEDS - have}"
    return (
        f"{about} more seeds per arm (range {max(0, low - have)} to {upper}) would give 80% power "
        f"for a {margin:.0%} change."
    )
