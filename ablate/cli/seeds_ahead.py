"""What ``ablate plan`` says of adaptive seeds: cells at the first look, at most, to be expected, and what they show."""

from collections.abc import Mapping, Sequence
from typing import Any

from ablate.adaptive import ending
from ablate.cli.output import columns
from ablate.plan import Plan
from ablate.variants import BASELINE

_STATED = {"worse": 2.0, "better": -2.0, "none": 0.0, None: 1.0}
"""What ``expect`` is taken for, in SD of one run's score, where an effect is lost by the change."""
_UNIFORM = (0.0, 0.5, 1.0, 2.0, 3.0)


def adaptive_lines(plan: Plan) -> list[str]:
    """The plan of the looks as text; nothing with a fixed number of seeds."""
    study, looked = plan.study, plan.adaptive
    if looked is None:
        return []
    course = looked.course
    arms, tasks = len(study.variants), len(study.tasks)
    first, most = (n * arms * tasks for n in (course.plan.looks[0], course.plan.most))
    listed = ", ".join(map(str, course.plan.looks))
    rows = [
        f"Seeds  adaptive: looks at {listed} seeds per arm, {course.plan.spending} spending, "
        f"Holm over {course.family}.",
        f"       {first} cells at the first look, at most {most}; undecided arms and the baseline get more seeds.",
    ]
    if course.looked:
        rows += [f"       {line}" for line in standing_lines(looked.arms(), course.looked, course.plan.looks)]
    return [*rows, *_ahead(plan)] if not looked.complete else rows


def standing_lines(arms: Sequence[Mapping[str, Any]], looked: int, looks: Sequence[int]) -> list[str]:
    """How far the looks are: how many were taken, what they decided, what is open."""
    if not looked:
        return [f"No look taken; the first waits for {looks[0]} ended seeds of every arm."]
    decided = ", ".join(
        f"{one['variant']} ({one['why']}, {one['seeds']} seeds)" for one in arms if one["why"] != "open"
    )
    undecided = ", ".join(one["variant"] for one in arms if one["why"] == "open")
    said = f"Look {looked} of {len(looks)} taken ({looks[looked - 1]} seeds per arm)"
    said += f"; decided: {decided}" if decided else "; nothing decided"
    return [f"{said}{f'; open: {undecided}' if undecided else ''}."]


def _ahead(plan: Plan) -> list[str]:
    found = expectations(plan)
    margin = found["margin_sd"]
    known = (
        f"The margin is {margin:.2g} SD of a run's score (from the baseline's finished runs)."
        if found["margin_known"]
        else "The margin is taken for 1 SD of a run's score until three runs of the baseline are done."
    )
    rows = [
        (
            row["effects"],
            f"{row['cells']:.0f} cells ({row['saved']:.0%} saved)",
            f"{row['seeds']:.1f} seeds",
            f"separated {row['separated']:.0%}",
            f"no change {row['no_change']:.0%}",
        )
        for row in found["rows"]
    ]
    table = columns([("true effects", "expected", "per arm", "", ""), *rows], indent=" " * 9)
    note = []
    if margin < 0.6 and len(plan.study.tasks) == 1:
        note = ["       With so small a margin an arm without an effect is hardly ever closed before the last look."]
    return [f"       {known} Simulated with normal scores:", *table, *note]


def expectations(plan: Plan) -> dict[str, Any]:
    """Expected cells under uniform effects and under those the study file states, as plain data."""
    from reports.expected_runs import expected_runs

    study, looked = plan.study, plan.adaptive
    assert looked is not None
    course = looked.course
    pilot = looked.margin_sd
    others = [one for one in study.variants if one.name != BASELINE]
    controls = sum(one.role == "control" for one in others)
    stated = [_STATED[one.expect] for one in sorted(others, key=lambda one: one.role == "control")]
    cases = [(f"{size:g} SD in every arm", [size] * len(others)) for size in _UNIFORM]
    if any(one.expect for one in others):
        cases.append(("as stated (worse, better 2 SD; none 0; else 1)", stated))
    most = course.plan.most * len(study.variants) * len(study.tasks)
    rows = []
    for words, effects in cases:
        found = expected_runs(
            course.plan,
            effects,
            alpha=course.alpha,
            margin=1.0 if pilot is None else pilot,
            tasks=len(study.tasks),
            controls=controls,
        )
        mean = {key: sum(getattr(found, key)) / len(effects) for key in ("seeds", "separated", "no_change")}
        rows.append({"effects": words, "cells": found.cells, "saved": 1 - found.cells / most, **mean})
    return {"margin_sd": 1.0 if pilot is None else pilot, "margin_known": pilot is not None, "rows": rows}


def adaptive_data(plan: Plan) -> dict[str, Any]:
    """The same as plain data for ``--json``."""
    looked = plan.adaptive
    if looked is None:
        return {}
    course = looked.course
    return {
        "adaptive": {
            "looks": list(course.plan.looks),
            "spending": course.plan.spending,
            "looked": course.looked,
            "complete": looked.complete,
            "most_cells": course.plan.most * len(plan.study.variants) * len(plan.study.tasks),
            "arms": [{**one, "verdict": ending(path)} for one, path in zip(looked.arms(), course.paths, strict=True)],
            "expected": expectations(plan),
        }
    }
