"""The manifest: all that ``reports`` needs beside the cells, written by a run into the study's directory."""

import datetime
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.designs import record
from ablate.store import Json, Store
from envs import registry as env_registry

if TYPE_CHECKING:
    from ablate.cells import Cell
    from ablate.plan import Plan
    from ablate.study import Study, Task

SCHEMA = "ablate-manifest/v1"


def manifest_of(plan: "Plan", store: Store) -> dict[str, Any]:
    """The manifest as plain data."""
    study = plan.study
    return {
        **science(study, store),
        "cells": entries(one.cell for one in plan.main),
        **_tune(plan, store),
        **({"design": record(study.design)} if study.design else {}),
        **({"adaptive": plan.adaptive.record(store)} if plan.adaptive else {}),
        "study_path": str(study.path),
        "study_yaml": study.text,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def science(study: "Study", store: Store) -> dict[str, Any]:
    """What a manifest says before any cell is named."""
    primary = study.metrics.primary
    return {
        "schema": SCHEMA,
        "study": study.record,
        "question": study.question,
        "home": str(store.home),
        "profile": study.profile,
        "overrides": list(study.overrides),
        "primary": primary.model_dump(),
        "secondary": list(study.metrics.secondary),
        "alpha": study.alpha,
        "tasks": [
            {
                "id": task.env,
                "label": task.label,
                "score_range": list(found) if (found := score_range(task, primary.name)) else None,
                "num_envs": task.num_envs,
            }
            for task in study.tasks
        ],
        "variants": [
            {
                "name": one.name,
                "role": one.role,
                "ablation": one.ablation,
                "part": one.part,
                "component": one.component,
                "action": one.action,
                "expect": one.expect,
                "label": one.label,
                "color": one.color,
            }
            for one in study.variants
        ],
        "budget": {"env_steps": study.budget.env_steps},
        "evaluation": {"points": study.evaluation.points, "episodes": study.evaluation.episodes},
        "seeds": list(study.seeds),
    }


def entries(cells: "Iterable[Cell]") -> list[Json]:
    """Cells as a manifest names them."""
    return [{"hash": one.hash, "variant": one.variant, "task": one.task, "seed": one.seed} for one in cells]


def _tune(plan: "Plan", store: Store) -> Json:
    """What was tuned, what was decided, and the cells of both; nothing without a ``tune:`` block.

    ``held`` are finished retuned cells of arms that are undecided right now (a failed tuning cell is tried again):
    ``gc`` leaves them alone until it is known whether they are wanted.
    """
    tune, tuning = plan.study.tune, plan.tuning
    if tune is None or tuning is None:
        return {}
    found: Json = {
        "field": tune.field,
        "values": list(tune.texts),
        "seeds": list(tune.seeds),
        "budget": {"env_steps": tune.env_steps},
        "summary": tune.summary,
        "arms": [
            {
                "variant": arm.variant,
                "own": arm.own,
                "chosen": arm.chosen,
                "edge": arm.edge,
                "scores": [list(row) for row in arm.scores],
                "failed": list(arm.failed),
                "runs": arm.runs,
            }
            for arm in tuning.arms
        ],
    }
    for stage, cells in (
        ("tune", [one.cell for one in plan.cells if one.cell.stage == "tune"]),
        ("retuned", tuning.retuned),
    ):
        pairs = zip(entries(cells), cells, strict=True)
        found[stage] = [{**entry, "stage": stage, "value": cell.value} for entry, cell in pairs]
    found["held"] = sorted(one.hash for one in tuning.possible if store.cell(one.hash).path.exists())
    return {"tune": found}


def every_cell(manifest: Mapping[str, Any]) -> list[Json]:
    """Every cell that a manifest names, each once, with its variant, task and seed; stage and value if not main."""
    tune = manifest.get("tune") or {}
    found: dict[str, Json] = {}
    for entry in (*manifest.get("cells", ()), *tune.get("tune", ()), *tune.get("retuned", ())):
        found.setdefault(entry["hash"], entry)
    return list(found.values())


def wanted(manifest: Mapping[str, Any]) -> set[str]:
    """The hashes that a study needs, or may come to need."""
    held = [one for key in ("tune", "adaptive") for one in (manifest.get(key) or {}).get("held", ())]
    return {entry["hash"] for entry in every_cell(manifest)} | set(held)


def arm_of(entry: Json) -> str:
    """A cell's variant, and what it was given to try: ``baseline``, ``baseline (tune 0.003)``."""
    stage = entry.get("stage", "main")
    return str(entry["variant"]) if stage == "main" else f"{entry['variant']} ({stage} {entry['value']})"


def score_range(task: "Task", metric: str) -> tuple[float, float] | None:
    """Floor and ceiling of the return; they say nothing about other metrics."""
    return env_registry.find(task.env).returns(task.options) if metric == "eval/return" else None


def write_manifest(plan: "Plan", store: Store) -> Path:
    """Write the manifest atomically.

    From then on ``plan`` compares with it: what it no longer asks for is orphaned, what ran with other code is stale.

    Returns:
        Its path.
    """
    directory = store.study(plan.study.record)
    directory.write_manifest(manifest_of(plan, store))
    return directory.manifest_path
