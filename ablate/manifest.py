"""The manifest: all that ``reports`` needs beside the cells, written by a run into the study's directory."""

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.store import Store
from envs import registry as env_registry

if TYPE_CHECKING:
    from ablate.plan import Plan

SCHEMA = "ablate-manifest/v1"


def manifest_of(plan: "Plan", store: Store) -> dict[str, Any]:
    """The manifest as plain data."""
    study = plan.study
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
                "score_range": list(score_range) if (score_range := _score_range(task.env, primary.name)) else None,
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
        "cells": [
            {"hash": one.cell.hash, "variant": one.cell.variant, "task": one.cell.task, "seed": one.cell.seed}
            for one in plan.cells
        ],
        "study_path": str(study.path),
        "study_yaml": study.text,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _score_range(env: str, metric: str) -> tuple[float, float] | None:
    """Floor and ceiling of the return; they say nothing about other metrics."""
    return env_registry.find(env).score_range if metric == "eval/return" else None


def write_manifest(plan: "Plan", store: Store) -> Path:
    """Write the manifest atomically.

    From then on ``plan`` compares with it: what it no longer asks for is orphaned, what ran with other code is stale.

    Returns:
        Its path.
    """
    directory = store.study(plan.study.record)
    directory.write_manifest(manifest_of(plan, store))
    return directory.manifest_path
