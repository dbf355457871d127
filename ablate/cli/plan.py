"""``ablate plan STUDY``: what would run, what it can show, how long it takes."""

import dataclasses
from typing import Any

import click

from ablate.cli.inputs import as_json, selects, takes_store, takes_study
from ablate.cli.output import columns, duration, print_json
from ablate.cli.seeds_ahead import adaptive_data, adaptive_lines
from ablate.decisions import chosen_text
from ablate.designs import design_data, design_lines
from ablate.plan import CONFOUNDS, Plan, PlannedCell, make_plan
from ablate.select import chosen
from ablate.store import Store
from ablate.study import Study
from ablate.variants import BASELINE

_MARKS = {
    "new": "+ {} new",
    "cached": "= {} cached",
    "stale": "~ {} stale (code changed)",
    "running": "> {} running",
    "interrupted": "^ {} interrupted (will resume)",
    "failed": "! {} failed (ablate retry)",
    "orphaned": "- {} orphaned",
}


@click.command()
@takes_study
@takes_store
@selects
@click.option("--no-probe", is_flag=True, help="Measure nothing; answers at once.")
@as_json
def command(study: Study, store: Store, select: tuple[str, ...], no_probe: bool, as_json: bool) -> int:
    """Show what would run: cells, diffs, confounds, power, time. Starts nothing.

    OVERRIDES follow Hydra's grammar: key=value, +key=value, ++key=value, ~key.
    """
    plan = make_plan(study, store, probe=not no_probe, progress=_progress)
    picked = chosen(plan.cells, select, study)
    if as_json:
        print_json(as_data(plan, picked))
        return 0
    for line in lines(plan, picked, store):
        click.echo(line)
    return 0


def _progress(what: str) -> None:
    click.echo(what, err=True)


def lines(plan: Plan, picked: list[PlannedCell], store: Store) -> list[str]:
    """The plan as text."""
    study = plan.study
    chosen_profile = f"  profile {study.profile}" if study.profile else ""
    head = [f"{study.study}{chosen_profile}: {study.question}".rstrip(": "), ""]
    names = {one.cell.variant for one in picked}
    return [
        *head,
        *_variants(plan, names),
        *_confounds(plan, names),
        "",
        f"Cells  {summary(plan)}",
        *design_lines(study),
        *tuning_lines(plan),
        *adaptive_lines(plan),
        *_picked(plan, picked),
        f"Time   {_time(plan)}",
        *([] if plan.adaptive else _power(plan)),
        *(f"Warning: {one}" for one in plan.warnings),
        f"Store  {store.home}",
    ]


def summary(plan: Plan) -> str:
    """Terraform's line: ``+ 12 new  = 40 cached  ~ 3 stale (code changed)  - 5 orphaned``."""
    counts = plan.counts()
    always = ("new", "cached")
    return "  ".join(mark.format(counts[key]) for key, mark in _MARKS.items() if counts[key] or key in always)


def _variants(plan: Plan, names: set[str]) -> list[str]:
    rows = []
    for one in plan.study.variants:
        if one.name in names:
            mine = [cell.state for cell in plan.main if cell.cell.variant == one.name]
            done = f"{mine.count('cached')}/{len(mine)} done"
            what = f"{plan.study.baseline.algorithm}, the reference" if one.role == BASELINE else one.label
            rows.append((one.name, one.action or one.role, done, what))
    return columns(rows)


def _confounds(plan: Plan, names: set[str]) -> list[str]:
    """What moves beside the ablated part, as factors of the baseline's figures."""
    study = plan.study
    found = []
    for index, task in enumerate(study.tasks):
        base = plan.figures.get((BASELINE, index))
        if base is None:
            continue
        rows = []
        for one in study.variants:
            moved = plan.confounds(one.name, index)
            if one.name in names and one.role != BASELINE:
                known = (one.name, index) in plan.figures
                what = ", ".join(f"{CONFOUNDS[key]} {_factor(*pair)}" for key, pair in moved.items())
                rows.append((one.name, what or ("nothing" if known else "not measured yet")))
        figures = ", ".join(f"{words} {base[key]:,.0f}" for key, words in CONFOUNDS.items() if key in base)
        found += ["", f"What else moves on {task.label}, against the baseline's {figures} (per iteration):"]
        found += columns(rows)
    if not found:
        return ["", "What else moves: not measured yet (plan without --no-probe)."]
    return found


def _factor(base: float, own: float) -> str:
    return f"x{own / base:.3g}" if base else f"{base:g} → {own:g}"


def tuning_lines(plan: Plan) -> list[str]:
    """How far tuning is and what it decided, as text; nothing without a ``tune:`` block."""
    tune, tuning = plan.study.tune, plan.tuning
    if tune is None or tuning is None:
        return []
    states = [one.state for one in plan.cells if one.cell.stage == "tune"]
    done = sum(state in ("cached", "failed") for state in states)
    rows = [chosen_text(arm, plan.study).partition(": ")[::2] for arm in tuning.arms]
    found = [
        f"Tune   {tune.field} of {', '.join(tune.texts)} on seeds {', '.join(map(str, tune.seeds))}, "
        f"{tune.env_steps:,} steps each: {done} of {len(states)} tuning cells have ended.",
        *columns(rows, indent=" " * 9),
    ]
    if not tuning.complete:
        known = {one.cell.hash for one in plan.cells if one.cell.stage != "tune"}
        found.append(
            f"       After tuning: {len(known)} cells are known now ({len(plan.main)} as is), at most "
            f"{len(known) + tuning.at_most} with what is not chosen yet."
        )
    return found


def _picked(plan: Plan, picked: list[PlannedCell]) -> list[str]:
    if len(picked) == len(plan.cells):
        return []
    rows = [
        (one.cell.hash, one.cell.arm, plan.study.tasks[one.cell.task].label, f"seed {one.cell.seed}", one.state)
        for one in picked
    ]
    return [f"Selected {len(picked)} of {len(plan.cells)} cells:", *columns(rows)]


def _time(plan: Plan) -> str:
    if not plan.missing():
        return "nothing to train."
    found = plan.estimate
    more = " Retuned arms that are not known yet come on top." if plan.tuning and not plan.tuning.complete else ""
    more = " Seeds of later looks come on top." if plan.adaptive and not plan.adaptive.complete else more
    if found is None:
        return "not estimated (a variant was never probed on this machine)."
    return (
        f"about {duration(found.seconds)}: {found.packs} pack{'s' if found.packs != 1 else ''} on {found.workers} "
        f"worker{'s' if found.workers != 1 else ''}, {duration(found.pack_seconds)} of work in all.{more}"
    )


def _power(plan: Plan) -> list[str]:
    found = plan.power
    tasks = f", {found.tasks} tasks" if found.tasks > 1 else ""
    contrasts = f"{found.contrasts} contrast{'s' if found.contrasts != 1 else ''}, alpha {found.alpha:g}"
    rows = [
        *(f"{'Power  ' if not index else '       '}{part}." for index, part in enumerate(_sentences(found.sentence))),
        f"       ({contrasts}{tasks}; smallest permutation p {found.smallest_p:.2g}; SD of one run's score)",
    ]
    for task, spread in plan.spread.items():
        if found.detectable is not None and found.detectable_holm is not None:
            rows.append(
                f"       On {plan.study.tasks[task].label} the baseline's SD is {spread:.3g}: that is "
                f"{found.detectable * spread:.3g} ({found.detectable_holm * spread:.3g} after Holm) "
                f"in units of {plan.study.metrics.primary.name}."
            )
    return rows


def _sentences(text: str) -> list[str]:
    return text.removesuffix(".").split(". ")


def as_data(plan: Plan, picked: list[PlannedCell]) -> dict[str, Any]:
    """The plan as plain data for ``--json``."""
    study = plan.study
    return {
        "study": study.study,
        "profile": study.profile,
        "counts": plan.counts(),
        "variants": [
            {
                "name": one.name,
                "role": one.role,
                "action": one.action,
                "component": one.component,
                "label": one.label,
                "delta": {key: list(pair) for key, pair in one.delta.items()},
                "confounds": {
                    task.label: {key: list(pair) for key, pair in plan.confounds(one.name, index).items()}
                    for index, task in enumerate(study.tasks)
                    if (one.name, index) in plan.figures
                },
            }
            for one in study.variants
        ],
        "cells": [
            {
                "hash": one.cell.hash,
                "variant": one.cell.variant,
                "task": study.tasks[one.cell.task].label,
                "seed": one.cell.seed,
                "state": one.state,
                **({"stage": one.cell.stage, "value": one.cell.value} if study.tune else {}),
            }
            for one in picked
        ],
        "orphaned": list(plan.orphaned),
        "estimate": dataclasses.asdict(plan.estimate) if plan.estimate else None,
        "power": dataclasses.asdict(plan.power),
        "spread": {study.tasks[task].label: value for task, value in plan.spread.items()},
        "warnings": list(plan.warnings),
        **_tune_data(plan),
        **design_data(study),
        **adaptive_data(plan),
    }


def _tune_data(plan: Plan) -> dict[str, Any]:
    tune, tuning = plan.study.tune, plan.tuning
    if tune is None or tuning is None:
        return {}
    return {
        "tune": {
            "field": tune.field,
            "values": list(tune.values),
            "seeds": list(tune.seeds),
            "env_steps": tune.env_steps,
            "summary": tune.summary,
            "complete": tuning.complete,
            "at_most_more": tuning.at_most,
            "arms": [
                {
                    **dataclasses.asdict(arm),
                    "own": tune.own[arm.variant],
                    "chosen": None if arm.chosen is None else tune.values[arm.chosen],
                }
                for arm in tuning.arms
            ],
        }
    }
