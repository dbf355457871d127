"""``ablate list WHAT``: what there is to write into a study, and what the store holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ablate.cli.inputs import as_json, selects, takes_store
from ablate.cli.output import columns, print_json
from ablate.errors import UsageError
from ablate.plan import make_plan
from ablate.select import chosen
from ablate.store import Store
from ablate.study import check, load
from ablate.tuning import num_cells
from algorithms import registry as algorithm_registry
from algorithms.component import components
from envs import registry as env_registry

Rows = list[dict[str, Any]]


@click.command()
@click.argument("what", type=click.Choice(["studies", "algorithms", "envs", "components", "cells"]))
@click.argument("study", required=False)
@click.option("--algorithm", help="Components of this algorithm only.")
@click.option("--profile", "-p", help="A profile of the study file (cells).")
@selects
@takes_store
@as_json
def command(
    what: str,
    study: str | None,
    algorithm: str | None,
    profile: str | None,
    select: tuple[str, ...],
    store: Store,
    as_json: bool,
) -> int:
    """List studies, algorithms, envs, components or cells.

    STUDY is a directory for `studies` (default: studies) and a study file for `cells` (default: the whole store).
    """
    if algorithm is not None and algorithm not in algorithm_registry.algorithms():
        try:
            algorithm_registry.find(algorithm)
        except algorithm_registry.UnknownAlgorithmError as error:
            raise UsageError(str(error)) from None
    listings: dict[str, Callable[[], Rows]] = {
        "studies": lambda: _studies(Path(study or "studies")),
        "algorithms": _algorithms,
        "envs": _envs,
        "components": lambda: _components(algorithm),
        "cells": lambda: _cells_of(study, profile, select, store) if study else _cells(select, store),
    }
    rows = listings[what]()
    if as_json:
        print_json(rows)
        return 0
    if not rows:
        click.echo(f"No {what}.")
        return 0
    header = list(rows[0])
    for line in columns([[_text(row[key]) for key in header] for row in rows], header, indent=""):
        click.echo(line)
    return 0


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _studies(directory: Path) -> Rows:
    if not directory.is_dir():
        raise UsageError(f"no directory {directory}.")
    rows = []
    for file in sorted(directory.rglob("*.yaml")):
        study, problems = check(file)
        rows.append(
            {
                "file": str(file),
                "study": study.study if study else "(invalid)",
                "cells": num_cells(study) if study else 0,
                "profiles": list(study.profiles) if study else [],
                "question": study.question if study else f"{len(problems)} problems; ablate validate {file}",
            }
        )
    return rows


def _algorithms() -> Rows:
    return [
        {
            "algorithm": one.name,
            "presets": list(one.presets),
            "components": list(components(one.config)),
            "summary": one.summary,
        }
        for _, one in sorted(algorithm_registry.algorithms().items())
    ]


def _envs() -> Rows:
    return [
        {
            "env": f"{one.id}ID" if one.id.endswith(":") else one.id,
            "version": one.version,
            "metrics": ["return", "length", *one.metrics],
            "summary": one.summary,
        }
        for _, one in sorted(env_registry.specs().items())
    ]


def _components(algorithm: str | None) -> Rows:
    return [
        {
            "algorithm": name,
            "component": field.name,
            "kinds": list(field.kinds) or ["a number"],
            "REMOVE": field.marker.neutral,
            "about": field.marker.about,
        }
        for name, one in sorted(algorithm_registry.algorithms().items())
        if algorithm in (None, name)
        for field in components(one.config).values()
    ]


def _cells(select: tuple[str, ...], store: Store) -> Rows:
    if select:
        raise UsageError("--select needs a study file: ablate list cells STUDY --select ...")
    rows = []
    for cell in store.cells:
        identity = cell.identity() or {}
        rows.append(
            {
                "cell": cell.hash,
                "state": cell.state(),
                "algorithm": identity.get("algorithm", {}).get("name", "?"),
                "task": identity.get("task", {}).get("env", "?"),
                "seed": identity.get("seed", "?"),
                "env_steps": identity.get("budget", {}).get("env_steps", "?"),
            }
        )
    return rows


def _cells_of(file: str, profile: str | None, select: tuple[str, ...], store: Store) -> Rows:
    study = load(file, profile)
    plan = make_plan(study, store, probe=False)
    return [
        {
            "cell": one.cell.hash,
            "state": one.state,
            "variant": one.cell.variant,
            **({"stage": one.cell.stage, "value": one.cell.value or ""} if study.tune else {}),
            "task": study.tasks[one.cell.task].label,
            "seed": one.cell.seed,
        }
        for one in chosen(plan.cells, select, study)
    ]
