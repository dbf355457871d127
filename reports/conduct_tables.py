"""Tables of how the study was conducted: what else moved, cost, manipulation checks, failures, power, raw scores."""

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from reports.manifest import Variant
from reports.notation import NONE, compact, duration, fixed, p_value
from reports.permutation import smallest_p
from reports.power import detectable_effect
from reports.scores import Run, ScoreTable
from reports.stats import clopper_pearson
from reports.tables import Kind, Table, Value, columns_of
from reports.verdicts import FEW, Conclusion

CONFOUNDS = {
    "parameters": "parameters",
    "rows_per_iteration": "rows / iter.",
    "minibatches": "minibatches",
    "optimizer_steps_per_iteration": "opt. steps / iter.",
    "optimizer_steps": "opt. steps",
    "flops_per_env_step": "FLOPs / env step",
}
"""Figures of ``describe`` in the order shown; ``optimizer_steps`` over the whole budget is derived."""
MOVED = 0.01
"""Relative change from which a figure counts as moved."""


def confound_table(table: ScoreTable) -> Table:
    """What moved beside the component: the figures of ``describe``, with their ratio to the baseline's if not 1."""
    study = table.manifest
    base = described(table, study.baseline)
    cells: list[list[str]] = []
    records: list[dict[str, Value]] = []
    for variant in study.variants:
        own = described(table, variant)
        cells.append([variant.name] + [_against(own.get(key), base.get(key)) for key in CONFOUNDS])
        records.append({"variant": variant.name, **own})
    spec: list[tuple[str, Kind]] = [("variant", "name"), *((title, "right") for title in CONFOUNDS.values())]
    caption = (
        "What else moves with each change, measured from the built trainers (first task); in parentheses the ratio to "
        "the baseline where it differs by 1% or more. A difference here is a second candidate for an effect's cause."
    )
    return Table("confounds", caption, columns_of(spec, cells), records, (1,))


def described(table: ScoreTable, variant: Variant) -> dict[str, float]:
    """What a variant's trainer said of itself on the first task that has it, with total optimiser steps."""
    for task in range(len(table.manifest.tasks)):
        for run in table.arm(variant.name, task):
            if run.describe:
                found = {key: float(value) for key, value in run.describe.items() if isinstance(value, int | float)}
                steps, rollout = found.get("optimizer_steps_per_iteration"), found.get("env_steps_per_iteration")
                if steps and rollout:
                    found["optimizer_steps"] = steps * math.ceil(table.manifest.budget / rollout)
                return found
    return {}


def moved(table: ScoreTable, variant: Variant) -> list[str]:
    """Confounding figures in which a variant differs from the baseline, as ``parameters x0.98``."""
    base, own = described(table, table.manifest.baseline), described(table, variant)
    return [
        f"{title} \u00d7{_ratio(own[key] / base[key])}"
        for key, title in CONFOUNDS.items()
        if base.get(key) and key in own and abs(own[key] / base[key] - 1) >= MOVED
    ]


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _against(own: float | None, base: float | None) -> str:
    if own is None:
        return NONE
    if not base or abs(own / base - 1) < MOVED:
        return compact(own)
    return f"{compact(own)} (\u00d7{_ratio(own / base)})"


def cost_table(table: ScoreTable) -> Table:
    """Wall time and throughput of each variant, by the packs that trained it."""
    cells: list[list[str]] = []
    records: list[dict[str, Value]] = []
    base_rate = math.nan
    for variant in table.manifest.variants:
        runs = [run for run in table.runs if run.cell.variant == variant.name and math.isfinite(run.wall_s)]
        packs = {run.pack for run in runs}
        wall, steps = sum(run.wall_s for run in runs), sum(run.env_steps for run in runs)
        rate = steps / wall if wall > 0 else math.nan
        if variant.role == "baseline":
            base_rate = rate
        cells.append(
            [variant.name, str(len(runs)), str(len(packs)), duration(wall if packs else math.nan),
             compact(steps), compact(rate), fixed(rate / base_rate, 2)]
        )  # fmt: skip
        records.append(
            {"variant": variant.name, "runs": len(runs), "packs": len(packs), "wall_s": wall,
             "env_steps": steps, "env_steps_per_s": rate, "throughput_ratio": rate / base_rate}
        )  # fmt: skip
    titles = ("runs", "packs", "wall time", "env steps", "env steps / s", "\u00d7 baseline")
    spec: list[tuple[str, Kind]] = [("variant", "name"), *((title, "right") for title in titles)]
    caption = (
        "Cost. The seeds of a variant train together in packs; wall time is that of the packs, each counted once, and "
        "other work on the same machine slows it down. Throughput counts the environment steps of all runs."
    )
    return Table("cost", caption, columns_of(spec, cells), records, (1,))


def check_table(table: ScoreTable) -> Table:
    """Manipulation checks: did each change do what it says, measured while training."""
    study = table.manifest
    measured = sorted({name for run in table.runs for name in run.extras if name.startswith("check/")})
    cells: list[list[str]] = []
    records: list[dict[str, Value]] = []
    for variant in study.variants:
        runs = [run for run in table.runs if run.cell.variant == variant.name and run.state != "missing"]
        values = {name: _run_means(runs, name) for name in measured}
        violated = sum(bool(run.checks) for run in runs)
        cells.append(
            [variant.name, variant.component or NONE, str(len(runs)), str(violated)]
            + [_range(values[name]) for name in measured]
        )
        means: dict[str, Value] = {name: float(np.mean(own)) if own else None for name, own in values.items()}
        records.append(
            {"variant": variant.name, "component": variant.component, "action": variant.action, "runs": len(runs),
             "violations": violated, **means}
        )  # fmt: skip
    spec: list[tuple[str, Kind]] = [
        ("variant", "name"),
        ("component", "left"),
        ("runs", "right"),
        ("violated", "right"),
    ]
    spec += [(name.removeprefix("check/").replace("_", " "), "right") for name in measured]
    caption = (
        "Manipulation checks, measured in every logged iteration: smallest and largest mean of a run. A run that "
        "contradicts its own configuration counts as violated and enters no statistic."
    )
    return Table("checks", caption, columns_of(spec, cells), records, (1,))


def _run_means(runs: Sequence[Run], name: str) -> list[float]:
    found = [run.extras[name][1] for run in runs if name in run.extras]
    return [float(values[np.isfinite(values)].mean()) for values in found if np.isfinite(values).any()]


def _range(values: Sequence[float]) -> str:
    if not values:
        return NONE
    low, high = compact(min(values)), compact(max(values))
    return low if low == high else f"{low} to {high}"


def exclusion_table(table: ScoreTable) -> Table:
    """Every run that is not simply done, grouped by reason."""
    groups: dict[tuple[str, int, str, str], list[Run]] = defaultdict(list)
    for run in table.runs:
        if run.state != "done":
            groups[run.cell.variant, run.cell.task, run.state, run.reason].append(run)
    spec: list[tuple[str, Kind]] = [
        ("variant", "name"), ("task", "left"), ("seeds", "left"), ("state", "left"), ("reason", "name")
    ]  # fmt: skip
    cells = [
        [variant, table.manifest.tasks[task].label, _seeds(runs), state, reason]
        for (variant, task, state, reason), runs in groups.items()
    ]
    records: list[dict[str, Value]] = [
        {"variant": run.cell.variant, "task": table.manifest.tasks[run.cell.task].label, "seed": run.cell.seed,
         "state": run.state, "reason": run.reason, "cell": run.cell.hash}
        for runs in groups.values() for run in runs
    ]  # fmt: skip
    caption = (
        "Runs that failed (they score the floor and count), runs whose manipulation check failed (kept out), and runs "
        "that have no score yet (missing)."
    )
    return Table("exclusions", caption, columns_of(spec, cells), records)


def _seeds(runs: Sequence[Run]) -> str:
    """``0-3, 7``."""
    spans: list[list[int]] = []
    for seed in sorted(run.cell.seed for run in runs):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ", ".join(str(a) if a == b else f"{a}\u2013{b}" for a, b in spans)


def failure_table(table: ScoreTable) -> Table:
    """Failed runs of every arm with the exact interval of their rate; none failed is not never fails."""
    cells: list[list[str]] = []
    records: list[dict[str, Value]] = []
    for variant in table.manifest.variants:
        runs = [run for run in table.runs if run.cell.variant == variant.name and run.scored]
        failed = sum(run.state == "failed" for run in runs)
        rate = clopper_pearson(failed, len(runs)) if len(runs) >= FEW else None
        cells.append(
            [variant.name, str(failed), str(len(runs)), f"{100 * failed / len(runs):.0f}" if rate else NONE,
             f"[{100 * rate.low:.1f}, {100 * rate.high:.0f}]" if rate else ""]
        )  # fmt: skip
        records.append(
            {"variant": variant.name, "failed": failed, "runs": len(runs),
             "rate_low": rate.low if rate else None, "rate_high": rate.high if rate else None}
        )  # fmt: skip
    spec: list[tuple[str, Kind]] = [
        ("arm", "name"), ("failed", "right"), ("of", "right"), ("rate, %", "right"), ("[95%]", "left")
    ]  # fmt: skip
    caption = (
        "Failure rates with Clopper-Pearson intervals over all runs of an arm. Rates below about 3/n are invisible: no "
        f"failure seen is no proof of none, and below {FEW} runs no rate is claimed."
    )
    return Table("failures", caption, columns_of(spec, cells), records, (1,))


def power_table(conclusion: Conclusion) -> Table:
    """What a number of seeds can show with 80 % power: in SD units, and for this study's spread in per cent."""
    table, study = conclusion.table, conclusion.table.manifest
    tasks, family = len(study.tasks), max(1, conclusion.family)
    cv = _relative_sd(table) if conclusion.in_percent else math.nan
    relative = math.isfinite(cv)
    used = conclusion.runs_per_arm[1]
    counts = sorted({3, 4, 5, 8, 10, 15, 20, 30} | ({used} if used >= 2 else set()))
    rows = []
    for n in counts:
        df = tasks * 2 * (n - 1)
        single, corrected = (
            detectable_effect(n, level, df=df) for level in (conclusion.alpha, conclusion.alpha / family)
        )
        rows.append((n, single, corrected, single * cv * 100, corrected * cv * 100, smallest_p(n, n, tasks)))
    records: list[dict[str, Value]] = [
        {"n": n, "detectable_sd": a, "detectable_sd_corrected": b, "detectable_percent": c,
         "detectable_percent_corrected": d, "smallest_permutation_p": p}
        for n, a, b, c, d, p in rows
    ]  # fmt: skip
    spec: list[tuple[str, Kind]] = [
        ("runs per arm", "left"), ("one contrast, SD", "decimal"), (f"corrected over {family}, SD", "decimal"),
        ("one contrast, %", "decimal"), (f"corrected over {family}, %", "decimal"), ("smallest permutation p", "right"),
    ]  # fmt: skip
    cells = [
        [f"{n} (this study)" if n == used else str(n), fixed(a, 2), fixed(b, 2), fixed(c, 0), fixed(d, 0), p_value(p)]
        for n, a, b, c, d, p in rows
    ]
    caption = (
        "Smallest effect that a number of runs per arm finds with 80% power, in between-seed standard deviations"
        + (" of the mean over tasks" if tasks > 1 else "")
        + (" and, with the baseline's own spread, in per cent of the baseline." if relative else ".")
    )
    columns = columns_of(spec, cells)
    keep = [
        0,
        1,
        *([2] if family > 1 else []),
        *([3] if relative else []),
        *([4] if relative and family > 1 else []),
        5,
    ]
    return Table("power", caption, tuple(columns[i] for i in keep), records)


def _relative_sd(table: ScoreTable) -> float:
    """Between-seed SD of one run's mean over tasks, relative to the baseline above its floor; NaN where undefined."""
    found = []
    for task, floor in enumerate(table.floors):
        scores = table.scores(table.manifest.baseline.name, task)
        above = abs(float(scores.mean()) - (floor or 0.0)) if len(scores) > 1 else 0.0
        if above == 0:
            return math.nan
        found.append(float(scores.std(ddof=1)) / above)
    return math.sqrt(sum(sd**2 for sd in found)) / len(found)


def score_records(table: ScoreTable) -> list[dict[str, Value]]:
    """Every run as one record, in the metric's own sign: the raw data behind every number."""
    sign = -1 if table.flipped else 1
    return [
        {"variant": run.cell.variant, "task": table.manifest.tasks[run.cell.task].label, "seed": run.cell.seed,
         "state": run.state, "final": sign * run.final, "auc": sign * run.auc, "env_steps": run.env_steps,
         "wall_s": run.wall_s, "cell": run.cell.hash}
        for run in table.runs
    ]  # fmt: skip
