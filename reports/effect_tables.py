"""Tables of what was found on the primary metric: the main result, each task, other statistics."""

import math

from reports.contrasts import TaskNumbers
from reports.notation import NONE, decimals, fixed, interval, p_value, plural
from reports.scores import ScoreTable
from reports.sentences import sentence
from reports.stats import Interval, Scores, holm
from reports.tables import Kind, Table, Value, columns_of
from reports.verdicts import STEADY, Conclusion, Contrast, verdict_text

_CONTRARY = " (!)"


def main_table(conclusion: Conclusion) -> Table:
    """One row per contrast: counts, means, effect, adjusted p, probability, verdict."""
    rows, study = conclusion.ranked, conclusion.table.manifest
    percent, level = conclusion.in_percent, f"{1 - conclusion.alpha:.0%}"
    spec: list[tuple[str, Kind]] = [
        ("change", "name"), ("n", "right"), ("baseline", "decimal"), ("changed", "decimal"),
        ("effect, %" if percent else "effect", "decimal"), (f"[{level} interval]", "left"), ("p (Holm)", "right"),
        ("P(base better)", "right"), ("expected", "left"), ("verdict", "left"),
    ]  # fmt: skip
    columns = columns_of(spec, [_main_cells(conclusion, row) for row in rows])
    if len(study.tasks) > 1:  # means over tasks of different units say nothing
        columns = (*columns[:2], *columns[4:])
    unit = "% of the baseline above its floor" if any(conclusion.table.floors) else "% of the baseline"
    caption = (
        f"Effect of every change on {study.primary.name}. n is training runs, changed / baseline. "
        f"Effects are {unit if percent else 'differences'}; negative means that the change hurts. Intervals are "
        f"{level} for one contrast ({_method(len(study.tasks), percent)}); p is Welch's, adjusted by Holm over "
        f"{plural(conclusion.family, 'ablation variant')}. P(base better): probability that a baseline run beats a "
        "changed run."
    )
    if any(row.role == "control" for row in rows):
        caption += " Rows below the rule are controls, outside the correction: their p in parentheses is unadjusted."
    rule = (len(conclusion.ablations),) if 0 < len(conclusion.ablations) < len(rows) else ()
    return Table("contrasts", caption, columns, [_record(conclusion, row) for row in rows], rule, marks(conclusion))


def marks(conclusion: Conclusion) -> tuple[str, ...]:
    """What the marks behind expectations and verdicts mean; only those that occur."""
    rows = conclusion.contrasts
    said = {
        "(!) The finding is contrary to what was expected before running.": any(
            row.expected == "contrary" for row in rows
        ),
        "\u2020 Another statistic answers otherwise; the table of other statistics says which.": any(
            row.flips(conclusion.alpha) for row in rows
        ),
        "(provisional) The spreads of the arms differ threefold, or runs of one fall into two groups, and there are "
        f"fewer than {STEADY} runs: a rare failure could hide.": any(row.provisional for row in rows),
    }
    return tuple(sentence for sentence, occurs in said.items() if occurs)


def marked_verdict(conclusion: Conclusion, row: Contrast) -> str:
    """The verdict with a dagger where another statistic answers otherwise."""
    dagger = " \u2020" if row.flips(conclusion.alpha) else ""
    return verdict_text(row, conclusion.table.manifest.primary.margin) + dagger


def _main_cells(conclusion: Conclusion, row: Contrast) -> list[str]:
    found, first = row.numbers, row.numbers.tasks[0]
    return [
        row.variant.name, _pair(found.n, found.n_base),
        mean_text(first.base, conclusion.table), mean_text(first.scores, conclusion.table),
        *effect_text(row, conclusion.in_percent), p_text(row), _superiority(row),
        (row.variant.expect or NONE) + (_CONTRARY if row.expected == "contrary" else ""),
        marked_verdict(conclusion, row),
    ]  # fmt: skip


def _method(tasks: int, percent: bool) -> str:
    if not percent:
        return "Welch"
    return "Fieller" if tasks == 1 else "Welch-Satterthwaite over the tasks"


def _pair(n: int, base: int) -> str:
    return f"{n} / {base}"


def p_text(row: Contrast) -> str:
    """Adjusted p; of a control the unadjusted one in parentheses."""
    return f"({p_value(row.p)})" if row.role == "control" else p_value(row.p_holm)


def mean_text(scores: Scores, table: ScoreTable) -> str:
    """Mean of one arm in the metric's own sign, to the digits its standard error supports."""
    if len(scores) == 0:
        return NONE
    value = float(scores.mean()) * (-1 if table.flipped else 1)
    if len(scores) < 2:
        return fixed(value, decimals(abs(value) / 20))
    error = float(scores.std(ddof=1)) / math.sqrt(len(scores))
    return fixed(value, decimals(error, most=4))


def effect_text(row: Contrast, percent: bool) -> tuple[str, str]:
    """Effect and its interval, in percent of the baseline or in the metric's unit."""
    found = row.numbers
    if row.effect is None or found.difference is None or found.difference_interval is None:
        return NONE, ""
    if percent and found.percent:
        places = decimals(100 * found.percent.se, most=1)
        return fixed(100 * found.percent.value, places), interval(found.percent.interval, places, 100)
    places = decimals(found.difference.se)
    return fixed(found.difference.value, places), interval(found.difference_interval, places)


def _superiority(row: Contrast) -> str:
    ends = row.numbers.superiority_interval
    return f"{row.numbers.superiority:.2f} {interval(ends, 2)}" if ends else NONE


def ends_of(name: str, ends: Interval | None, factor: float = 1.0) -> dict[str, Value]:
    """An interval as two fields of a record."""
    return {f"{name}_low": factor * ends.low if ends else None, f"{name}_high": factor * ends.high if ends else None}


def _record(conclusion: Conclusion, row: Contrast) -> dict[str, Value]:
    found, sign = row.numbers, -1 if conclusion.table.flipped else 1
    percent, difference = found.percent, found.difference
    return {
        "variant": row.variant.name, "role": row.role, "component": row.variant.component,
        "action": row.variant.action, "label": row.variant.label, "n": found.n, "n_base": found.n_base,
        "failed": row.failures, "missing": row.missing, "invalid": row.invalid,
        "baseline_mean": sign * found.base_mean, "variant_mean": sign * found.mean,
        "difference": difference.value if difference else None, "difference_unit": found.unit,
        **ends_of("difference", found.difference_interval), **ends_of("difference_bonferroni", found.difference_wide),
        "percent": 100 * percent.value if percent else None,
        **ends_of("percent", percent.interval if percent else None, 100),
        **ends_of("percent_bonferroni", percent.wide if percent else None, 100),
        "p": row.p, "p_holm": row.p_holm, "p_margin": percent.p_margin if percent else None,
        "rank": row.rank.place if row.rank else None, "rank_low": row.rank.low if row.rank else None,
        "rank_high": row.rank.high if row.rank else None, "flips": ", ".join(row.flips(conclusion.alpha)),
        "p_permutation": found.p_permutation, "hedges_g": found.hedges,
        "p_base_better": found.superiority, **ends_of("p_base_better", found.superiority_interval),
        "rho": found.rho, "sd_ratio": found.sd_ratio, "g": found.g, "verdict": row.verdict,
        "provisional": int(row.provisional), "expected": row.variant.expect, "found": row.expected,
        "guards": "; ".join(row.guards), "sentence": sentence(conclusion, row),
    }  # fmt: skip


def task_table(conclusion: Conclusion) -> Table:
    """One row per contrast and task: spread of both arms, difference, relative change."""
    tasks = conclusion.table.manifest.tasks
    pairs = [(row, task) for row in conclusion.ranked for task in row.numbers.tasks]
    level = f"[{1 - conclusion.alpha:.0%}]"
    spec: list[tuple[str, Kind]] = [
        ("change", "name"), ("task", "name"), ("n", "right"), ("baseline (SD)", "right"), ("changed (SD)", "right"),
        ("difference", "decimal"), (level, "left"), ("%", "decimal"), (level, "left"), ("p (gated)", "right"),
        ("failed", "right"),
    ]  # fmt: skip
    gated = {row.variant.name: gated_p(conclusion, row) for row in conclusion.ranked}
    cells = [_task_cells(conclusion, row, task, gated[row.variant.name][task.task]) for row, task in pairs]
    for line, (_, task) in zip(cells, pairs, strict=True):
        line[0] = "" if task.task else line[0]
    columns = columns_of(spec, cells)
    columns = columns[:-1] if len(tasks) > 1 else (columns[0], *columns[2:9], columns[10])
    caption = (
        "Mean and between-seed standard deviation of both arms, task by task; difference with Welch's interval, "
        "relative change with Fieller's. Intervals are descriptions, without correction for the number of rows. "
    )
    caption += (
        "p is given only where the change passed the test over all tasks (p (Holm) below alpha), and is adjusted by "
        "Holm over the tasks of the row."
        if len(tasks) > 1
        else ""
    )
    rules = tuple(range(0, len(pairs), len(tasks))) if len(tasks) > 1 else ()
    records = [_task_record(conclusion, row, task, gated[row.variant.name][task.task]) for row, task in pairs]
    return Table("tasks", caption, columns, records, rules)


def gated_p(conclusion: Conclusion, row: Contrast) -> list[float]:
    """Holm-adjusted p of each task, NaN unless the contrast over all tasks passed its own corrected test."""
    raw = [task.difference.p if task.difference else math.nan for task in row.numbers.tasks]
    passed = row.effect is not None and row.decisive_p < conclusion.alpha
    if not passed or len(raw) < 2:
        return [math.nan] * len(raw)
    tested = [i for i, p in enumerate(raw) if math.isfinite(p)]
    adjusted = dict(zip(tested, holm([raw[i] for i in tested], len(raw)), strict=True))
    return [float(adjusted.get(i, math.nan)) for i in range(len(raw))]


def _task_cells(conclusion: Conclusion, row: Contrast, task: TaskNumbers, p: float) -> list[str]:
    sign = -1 if conclusion.table.flipped else 1
    label = conclusion.table.manifest.tasks[task.task].label
    cells = [row.variant.name, label, _pair(len(task.scores), len(task.base))]
    cells += [_spread(task.base, sign), _spread(task.scores, sign), NONE, "", NONE, "", p_value(p), str(task.failed)]
    if task.difference:
        places = decimals(task.difference.se)
        cells[5] = fixed(task.difference.value, places)
        cells[6] = interval(task.difference.interval(1 - conclusion.alpha), places)
    if task.percent:
        places = decimals(100 * task.percent.se, most=1)
        cells[7], cells[8] = fixed(100 * task.percent.value, places), interval(task.percent.interval, places, 100)
    return cells


def _task_record(conclusion: Conclusion, row: Contrast, task: TaskNumbers, p: float) -> dict[str, Value]:
    sign = -1 if conclusion.table.flipped else 1
    difference, percent = task.difference, task.percent
    return {
        "variant": row.variant.name, "task": conclusion.table.manifest.tasks[task.task].label,
        "n": len(task.scores), "n_base": len(task.base), "failed": task.failed,
        "baseline_mean": sign * moment(task.base, 0), "baseline_sd": moment(task.base, 1),
        "variant_mean": sign * moment(task.scores, 0), "variant_sd": moment(task.scores, 1),
        "difference": difference.value if difference else None,
        **ends_of("difference", difference.interval(1 - conclusion.alpha) if difference else None),
        "percent": 100 * percent.value if percent else None,
        **ends_of("percent", percent.interval if percent else None, 100), "p_gated": p,
    }  # fmt: skip


def moment(scores: Scores, which: int) -> float:
    """Mean (0) or standard deviation (1) of one arm, NaN when there are too few runs."""
    if len(scores) <= which:
        return math.nan
    return float(scores.std(ddof=1)) if which else float(scores.mean())


def _spread(scores: Scores, sign: int) -> str:
    if len(scores) < 2:
        return fixed(sign * float(scores[0]), decimals(abs(float(scores[0])) / 20)) if len(scores) else NONE
    sd = float(scores.std(ddof=1))
    places = decimals(sd / math.sqrt(len(scores)), most=4)
    return f"{fixed(sign * float(scores.mean()), places)} ({fixed(sd, places)})"
