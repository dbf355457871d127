"""Writes studies in the real file format: a manifest and cells whose curves are known."""

import json
from dataclasses import dataclass, field

import numpy as np

COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#44AA99", "#999933"]
FIVE = {
    "NoAggregate": ("off-policy data of the followers", "aggregation", "REMOVE", "worse", 0.45),
    "SymmetricAggregate": ("leader-follower scheme", "aggregation", "REPLACE", "worse", 0.8),
    "NoLatents": ("learned local parameters phi_j", "conditioning", "REMOVE", None, 0.95),
    "NoEntropy": ("entropy regularisation of followers", "entropy", "REMOVE", "none", 1.0),
    "VaryM[2]": ("number of policies M", "num_policies", "REPLACE", None, 0.7),
}


@dataclass
class Arm:
    """How a variant behaves: mean final score per task (in units of the baseline's 1.0), seeds' SD, failures."""

    name: str
    level: float = 1.0
    sd: float = 0.08
    role: str = "ablation"
    failed: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    violated: tuple[int, ...] = ()
    part: str | None = None
    component: str | None = None
    action: str | None = "REMOVE"
    expect: str | None = None
    label: str | None = None
    describe: dict = field(default_factory=dict)


def five_arms():
    """The baseline and variants shaped like the SAPG study."""
    arms = [Arm("baseline", role="baseline", action=None)]
    for name, (part, component, action, expect, level) in FIVE.items():
        label = f"{component}: paper's choice -> {name}"
        arms.append(Arm(name, level, part=part, component=component, action=action, expect=expect, label=label))
    return arms


def write_study(home, arms, *, seeds=8, tasks=1, points=20, extra_rows=0, probes=True, score_range=(0.0, 2.0), **over):
    """Write cells and manifest under ``home``; returns the manifest as a dict.

    Args:
        home: Store.
        arms: Baseline and variants.
        seeds: Count, or a list.
        tasks: Count.
        points: Evaluations per run.
        extra_rows: Training rows per run beside the evaluations.
        probes: Write ``probe/*`` and ``check/*`` columns.
        score_range: Of every task; None to declare none.
        over: Replaces manifest keys; keys of ``primary`` are merged.
    """
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    budget = 1_000_000
    cells = []
    for a, arm in enumerate(arms):
        for task in range(tasks):
            for seed in seeds:
                digest = f"{a:04x}{task:04x}{seed:08x}"
                cells.append({"hash": digest, "variant": arm.name, "task": task, "seed": seed})
                if seed not in arm.missing:
                    rng = np.random.default_rng([a, task, seed])
                    _write_cell(home / "cells" / digest, arm, a, task, seed, rng, budget, points, extra_rows, probes)
    primary = {"name": "eval/return", "summary": "final", "goal": "max", "margin": 0.1} | over.pop("primary", {})
    manifest = {
        "schema": "ablate-manifest/v1",
        "study": "sapg_ablations",
        "question": "Which parts of SAPG carry its performance?",
        "home": str(home),
        "profile": None,
        "primary": primary,
        "secondary": ["auc", "time_to_threshold"],
        "alpha": 0.05,
        "tasks": [
            {"id": "maze/deceptive", "label": f"maze/deceptive-{t}" if tasks > 1 else "maze/deceptive",
             "score_range": list(score_range) if score_range else None, "num_envs": 1536}
            for t in range(tasks)
        ],
        "variants": [
            {"name": arm.name, "role": arm.role, "ablation": arm.name.split("[")[0], "part": arm.part,
             "component": arm.component, "action": arm.action, "expect": arm.expect, "label": arm.label or arm.name,
             "color": "#333333" if arm.role == "baseline" else COLORS[a % len(COLORS)]}
            for a, arm in enumerate(arms)
        ],
        "budget": {"env_steps": budget},
        "seeds": seeds,
        "cells": cells,
        "study_yaml": "schema: ablate/v1\nstudy: sapg_ablations\nbaseline: {algorithm: sapg}\n",
        "created": "2026-11-20T12:00:00+00:00",
    }  # fmt: skip
    manifest.update(over)
    home.mkdir(parents=True, exist_ok=True)
    (home / "manifest.json").write_text(json.dumps(manifest))
    return manifest


def _write_cell(place, arm, a, task, seed, rng, budget, points, extra_rows, probes):
    place.mkdir(parents=True)
    failed, violated = seed in arm.failed, seed in arm.violated
    final = arm.level * (1 + 0.2 * task) + arm.sd * rng.normal()
    pace = np.exp(0.2 * rng.normal())
    steps = np.arange(1, points + 1) * (budget // points)
    rows = []
    for step in steps[: points // 2] if failed else steps:
        share = step / budget
        value = final * (1 - np.exp(-4 * pace * share)) / (1 - np.exp(-4 * pace)) + 0.02 * rng.normal()
        row = {"env_steps": int(step), "ts": 1.7e9 + step, "attempt": 1, "eval/return": float(value)}
        rows.append(row | {"eval/length": 100.0})
    for step in np.linspace(0, budget, extra_rows + 2)[1:-1]:
        row = {"env_steps": int(step), "ts": 1.7e9 + step, "attempt": 1, "loss/policy": float(rng.normal()),
               "time/env_steps_per_second": 5e4}  # fmt: skip
        rows.append(row)
    if probes:
        for row in rows:
            share = row["env_steps"] / budget
            row["probe/ess"] = float((0.9 - 0.4 * share) * (0.5 if a % 3 == 1 else 1) + 0.02 * rng.normal())
            row["probe/clipped_share"] = float(0.1 + 0.1 * share + 0.01 * rng.normal())
            row["probe/kl_to_leader"] = float(0.02 * a * share + 0.002 * rng.normal())
            row["probe/pca_error"] = float(1 - 0.6 * share + 0.03 * rng.normal())
            row["check/off_policy_rows"] = 0.0 if arm.component == "aggregation" else 12288.0
            row["check/phi_gradient"] = 0.0 if arm.component == "conditioning" else 0.01
    rows.sort(key=lambda row: row["env_steps"])
    (place / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    describe = {"parameters": 123_456.0 - 1000 * (a % 2), "env_steps_per_iteration": 12_288.0,
                "rows_per_iteration": 24_576.0 if arm.component != "aggregation" else 12_288.0, "minibatches": 4.0,
                "optimizer_steps_per_iteration": 20.0, "flops_per_env_step": 1.5e6} | arm.describe  # fmt: skip
    error = "RuntimeError: the worker died" if failed else "manipulation check" if violated else None
    checks = ["aggregation `on_policy_only`: 0 policies should learn from others"] if violated else []
    status = {"state": "FAILED" if failed or violated else "DONE", "pack": f"{arm.name}-{task}", "attempt": 1,
              "error": error, "env_steps": rows[-1]["env_steps"], "started": 1.7e9, "ended": 1.7e9 + 100,
              "describe": describe, "wall_s": 10.0 + a, "checks": checks}  # fmt: skip
    (place / "status.json").write_text(json.dumps(status))


def add_profiles(home, manifest, value, steps=(0, 10, 50, 99), names=("input_gradient",)):
    """Give evaluation rows profiles: ``value(name, variant, seed, x, share)``, share 0 for the untrained model.

    None leaves a point out; ``share`` is the share of the budget at the evaluation.
    """
    for cell in manifest["cells"]:
        file = home / "cells" / cell["hash"] / "metrics.jsonl"
        if not file.exists():
            continue
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            if "eval/return" in row:
                for prefix, share in (("untrained_", 0.0), ("", row["env_steps"] / manifest["budget"]["env_steps"])):
                    for name in names:
                        found = {x: value(name, cell["variant"], cell["seed"], x, share) for x in steps}
                        row |= {f"profile/{prefix}{name}@{x}": y for x, y in found.items() if y is not None}
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
