"""What was declared before anyone looked: a changed endpoint or margin is stamped post hoc.

The first report that shows scores leaves ``declared.json`` beside the manifest, with the primary metric, its summary,
goal and margin, the level and the tasks. Every later report compares with it; the file itself is never overwritten.
"""

import json
from pathlib import Path
from typing import Any

from reports.manifest import Manifest
from reports.notation import fixed
from reports.scores import ScoreTable

NAME = "declared.json"


def declaration(study: Manifest) -> dict[str, Any]:
    """Everything a reader could choose after looking."""
    primary = study.primary
    return {
        "primary": primary.name, "summary": primary.summary, "goal": primary.goal, "margin": primary.margin,
        "alpha": study.alpha, "tasks": [task.label for task in study.tasks],
    }  # fmt: skip


def post_hoc(table: ScoreTable, folder: Path) -> list[str]:
    """Compare with the first look, and note this one if it is the first.

    Args:
        table: Scores; a table without any is no look.
        folder: Where the manifest lies.

    Returns:
        One sentence per change made after the first look.
    """
    path, now = folder / NAME, declaration(table.manifest)
    try:
        first = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if any(run.scored for run in table.runs):
            record = {"first_look": table.manifest.created, **now}
            path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return []
    return [
        f"Post hoc: {key} was {_shown(first[key])} when the scores were first looked at ({first['first_look'][:10]}) "
        f"and is {_shown(value)} now."
        for key, value in now.items()
        if key in first and first[key] != value
    ]


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return fixed(value, 3).rstrip("0") if isinstance(value, float) else str(value)
