"""The prose a machine may write: cover, methods, limits, reproduction. Each sentence holds for the data at hand."""

import math
import shlex

from reports.notation import compact, duration, plural
from reports.stats import clopper_pearson
from reports.stopping import adaptive_method
from reports.style import missing_glyphs
from reports.tables import Column, Table
from reports.verdicts import FEW, STEADY, Conclusion

_MOST_NAMES = 6
"""Names that one line of the cover lists."""


def counts(conclusion: Conclusion) -> str:
    """``Of 6 changes: 2 hurt, 1 changes nothing > 10%, 3 are inconclusive.``: verdicts of the ablations."""
    changes = len(conclusion.ablations)
    if not changes:
        return "The study names no ablation."
    margin = conclusion.table.manifest.primary.margin
    words = {
        "hurts": ("hurts", "hurt"),
        "helps": ("helps", "help"),
        "no change": (f"changes nothing > {margin:.0%}", f"change nothing > {margin:.0%}"),
        "inconclusive": ("is inconclusive", "are inconclusive"),
        "not estimable": ("is not estimable", "are not estimable"),
    }
    found = []
    for verdict, (one, many) in words.items():
        n = sum(row.verdict == verdict for row in conclusion.ablations)
        if n:
            found.append(f"{n} {one if n == 1 else many}")
    return f"Of {changes} {'change' if changes == 1 else 'changes'}: {', '.join(found)}."


def design(conclusion: Conclusion) -> list[tuple[str, str]]:
    """Key figures of the design, as name and value."""
    table, study = conclusion.table, conclusion.table.manifest
    low, high = conclusion.runs_per_arm
    packs = {run.pack for run in table.runs if math.isfinite(run.wall_s)}
    wall = sum(run.wall_s for run in table.runs if math.isfinite(run.wall_s))
    steps = sum(run.env_steps for run in table.runs)
    summary = "mean over the last 10% of steps" if study.primary.summary == "final" else "mean along the run (AUC)"
    better, looks = "lower" if table.flipped else "higher", study.looks
    tasks = ", ".join(task.label for task in study.tasks)
    found = [
        ("primary endpoint", f"{study.primary.name}, {summary}, {better} is better"),
        ("tasks", tasks if len(study.tasks) == 1 else f"{len(study.tasks)}: {tasks}"),
        ("runs per arm", f"{low}" if low == high else f"{low} to {high}, {'unequal' if looks is None else 'adaptive'}"),
        *(
            [("looks", f"after {', '.join(map(str, looks.looks))} seeds per arm, frozen before the first")]
            if looks
            else []
        ),
        (
            "arms",
            f"baseline, {plural(len(study.ablations), 'ablation variant')}, {plural(len(study.controls), 'control')}",
        ),
        ("level", f"alpha = {conclusion.alpha:g} over all ablations (Holm)"),
        ("margin", f"{study.primary.margin:.0%} of the baseline: the smallest change that matters"),
        ("budget", f"{compact(study.budget)} environment steps per run, {compact(steps)} in all"),
        ("compute", f"{duration(wall)} of training in {plural(len(packs), 'pack')}"),
    ]
    if study.tune is not None:
        tried = f"{plural(len(study.tune.values), 'value')} \u00d7 {plural(len(study.tune.seeds), 'further seed')}"
        found.append(("tuning", f"{study.tune.field} per arm, {tried}, {compact(study.tune.budget)} steps each"))
    if study.design is not None:
        more = sum(variant.role == "design" for variant in study.variants)
        title = study.design.kind.replace("add_one_in", "add-one-in").replace("_", " ")
        changes = plural(len(study.design.factors), "change")
        found.append(("several at once", f"{title} design of {changes}, {plural(more, 'further arm')}"))
    return [("profile", study.profile), *found] if study.profile else found


def design_table(conclusion: Conclusion) -> Table:
    """The design as a table: what stands on the cover, for CSV and LaTeX."""
    pairs = design(conclusion)
    columns = (Column("design", [name for name, _ in pairs], "left"), Column("", [value for _, value in pairs], "left"))
    return Table("design", "Design of the study.", columns, [{"design": name, "value": value} for name, value in pairs])


def banners(conclusion: Conclusion) -> list[str]:
    """What a reader must know before any number: study-level guards."""
    table, study = conclusion.table, conclusion.table.manifest
    found = list(conclusion.post_hoc)
    missing, invalid = table.of_state("missing"), table.of_state("invalid")
    if missing:
        found.append(f"Partial study: {len(missing)} of {len(table.runs)} runs have no score yet; verdicts may change.")
    if invalid:
        arms = ", ".join(sorted({run.cell.variant for run in invalid}))
        found.append(f"Manipulation checks failed in {len(invalid)} runs ({arms}): these arms are not judged.")
    found += _doubts(conclusion)
    contrary = [row.variant.name for row in conclusion.contrasts if row.expected == "contrary"]
    if contrary:
        found.append(f"Contrary to what was expected before running, marked (!): {_listed(contrary)}.")
    flipped = [row.variant.name for row in conclusion.contrasts if row.flips(conclusion.alpha)]
    if flipped:
        found.append(f"Another analysis would answer otherwise, marked \u2020: {_listed(flipped)}.")
    twins = sorted({cell.variant for cell in table.twins})
    if twins:
        found.append(f"Identical to the baseline in some runs: {', '.join(twins)}; the change changed nothing there.")
    lacking = missing_glyphs("".join([study.study, study.question, *(v.name + v.label for v in study.variants)]))
    if lacking:
        found.append(
            f"{len(lacking)} {'character has' if len(lacking) == 1 else 'characters have'} no glyph in the report's "
            "fonts and print as a mark; names in the CSV and LaTeX files are complete."
        )
    return found


def _listed(names: list[str]) -> str:
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _doubts(conclusion: Conclusion) -> list[str]:
    """Guards on the strength of the evidence."""
    estimable = [row for row in conclusion.contrasts if row.effect is not None]
    found = []
    fewest = min((min(row.numbers.n, row.numbers.n_base) for row in estimable), default=0)
    if 0 < fewest < FEW:
        found.append(f"Few seeds (n = {fewest}): magnitudes are likely overstated, and absence cannot be shown.")
    provisional = sum(row.provisional for row in conclusion.contrasts)
    if provisional:
        verb = "verdict is" if provisional == 1 else "verdicts are"
        found.append(
            f"{provisional} {verb} provisional: the arms' spreads differ more than threefold, or runs of one arm fall "
            f"into two groups, with fewer than {STEADY} runs per arm; a rare failure could hide."
        )
    if estimable and not conclusion.in_percent:
        found.append("The baseline is not reliably above its floor: effects are differences, percentages are refused.")
    return found


def methods(conclusion: Conclusion) -> list[str]:
    """Methods, as paragraphs generated from the design."""
    return [_scoring(conclusion), _inference(conclusion), *adaptive_method(conclusion), _rules(conclusion)]


def _scoring(conclusion: Conclusion) -> str:
    table, study = conclusion.table, conclusion.table.manifest
    score = (
        "A run's score is the mean of its evaluations over the last 10% of the budget. "
        if study.primary.summary == "final"
        else "A run's score is the trapezoid of its evaluations over environment steps, divided by their range. "
    )
    declared = all(floor is not None for floor in table.floors)
    floor = "declared by the environment" if declared else "the worst finished score of the task"
    flipped = " The metric is lower-is-better and was negated before any computation." if table.flipped else ""
    return (
        "One training run (seed) is the unit of analysis; evaluations and checkpoints are nested in it. "
        f"{score}A failed or diverged run scores the floor of its task ({floor}).{flipped}"
    )


def _inference(conclusion: Conclusion) -> str:
    tasks, level = len(conclusion.table.manifest.tasks), f"{1 - conclusion.alpha:.0%}"
    above = " above the floor" if any(conclusion.table.floors) else ""
    if not conclusion.in_percent:
        interval = f"Effects are differences of means with Welch's {level} interval. "
    elif tasks == 1:
        interval = (
            f"Relative changes are of the baseline's mean{above}, with Fieller's {level} interval, so the baseline's "
            "own uncertainty is inside. "
        )
    else:
        interval = (
            f"Effects are means over the {tasks} tasks of the change relative to the baseline's mean{above}, with "
            f"Welch-Satterthwaite {level} intervals stratified by task, so the baseline's own uncertainty is inside; "
            "they speak about these tasks only. "
        )
    family = plural(conclusion.family, "ablation variant")
    return (
        f"{interval}Each ablation is compared with the baseline by Welch's t test; p values are adjusted by Holm over "
        f"{family}. Thin bars of Figure 1 are Bonferroni intervals. Runs count as "
        "unpaired: equal seeds share random streams, but trajectories part after the first different action. P(base "
        "better) has Newcombe's interval (method 5). Bands of difference curves are simultaneous (sup-t, whole curves "
        "resampled); pointwise claims are not made."
    )


def _rules(conclusion: Conclusion) -> str:
    return (
        "\u201cHurts\u201d and \u201chelps\u201d need adjusted p < alpha, and below five runs an estimate beyond the "
        f"margin; \u201cno change\u201d needs the {1 - 2 * conclusion.alpha:.0%} interval inside the margin and five "
        "runs; everything else is inconclusive. Effects are negative where the change hurts."
    )


def limits(conclusion: Conclusion) -> list[str]:
    """What this design cannot say."""
    low, _ = conclusion.runs_per_arm
    unseen = f"{clopper_pearson(0, low).high:.0%}" if low else ""
    rate = f"; with {low} runs per arm, no failure seen still allows a rate of {unseen}" if low else ""
    return [
        "Each change is made to the full method, one at a time. That answers whether a part is needed given all "
        "others, not how much of the performance it makes: two redundant parts would each show no loss.",
        "Hyper-parameters were chosen for the full method; a variant that was not tuned again measures the change at "
        f"these settings.{_tuned_limit(conclusion)}",
        "Claims are causal for these tasks, settings and budget, and for the population of seeds only.",
        f"Rare failures are invisible to few runs{rate}.",
    ]


def _tuned_limit(conclusion: Conclusion) -> str:
    tune = conclusion.table.manifest.tune
    if tune is None:
        return ""
    return f" The retuned arms have a {tune.field} of their own; everything else is as it was for the full method."


def reproduction(conclusion: Conclusion, digest: str) -> list[tuple[str, str]]:
    """How to get the same numbers again."""
    study = conclusion.table.manifest
    seeds = ", ".join(str(seed) for seed in study.seeds[:40]) + (", ..." if len(study.seeds) > 40 else "")
    words = [study.file, *(["--profile", study.profile] if study.profile else []), *study.overrides]
    return [
        ("run", f"ablate run {shlex.join(words)}"),
        ("report only", f"ablate report {shlex.quote(study.study)}"),
        ("seeds", seeds),
        ("cells", f"{len(study.cells)}, addressed by hash of configuration, code, task, seed and budget (scores.csv)"),
        ("digest of the scores", digest),
        ("planned", study.created),
    ]
