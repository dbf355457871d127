"""Selectors of cells: ``--select ablation:No* --select seed:0-3 --select state:failed``.

Selectors of one key add up, selectors of different keys narrow each other down:
``variant:baseline variant:NoEntropy seed:0`` is seed 0 of both.
"""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablate.errors import UsageError
from ablate.problems import hint

if TYPE_CHECKING:
    from ablate.plan import PlannedCell
    from ablate.study import Study

KEYS = ("ablation", "variant", "task", "seed", "state", "stage", "cell")
STATES = ("new", "cached", "stale", "failed", "interrupted", "running")
STAGES = ("main", "tune", "retuned")
_SAME_STATE = {"done": "cached", "missing": "new"}


@dataclass(frozen=True, slots=True)
class Selector:
    """One ``key:pattern``."""

    key: str
    pattern: str

    def __str__(self) -> str:
        return f"{self.key}:{self.pattern}"


def parsed(text: str) -> Selector:
    """Parse one selector.

    Raises:
        UsageError: Unknown key, or a pattern the key cannot have.
    """
    key, colon, pattern = text.partition(":")
    if not colon or not pattern:
        raise UsageError(f"`{text}` is no selector; write key:pattern with a key of {', '.join(KEYS)}.")
    if key not in KEYS:
        raise UsageError(f"no selector key `{key}`.{hint(key, KEYS)} Keys: {', '.join(KEYS)}.")
    if key == "seed":
        _seeds(pattern)
    if key == "state":
        for word in pattern.split(","):
            if _state(word) not in STATES:
                raise UsageError(f"no state `{word}`.{hint(word, STATES)} States: {', '.join(STATES)}.")
    if key == "stage":
        for word in pattern.split(","):
            if word.strip() not in STAGES:
                raise UsageError(f"no stage `{word}`.{hint(word, STAGES)} Stages: {', '.join(STAGES)}.")
    return Selector(key, pattern)


def chosen(cells: "Sequence[PlannedCell]", selectors: Sequence[str], study: "Study") -> "list[PlannedCell]":
    """The cells that every key's selectors allow; all of them without selectors.

    Raises:
        UsageError: A selector is malformed, or matches no cell of the study.
    """
    wanted = [parsed(text) for text in selectors]
    for one in wanted:
        # Which retuned cells there are shows when tuning has ended, as a state does.
        if one.key not in ("state", "stage") and not any(_matches(one, cell, study) for cell in cells):
            raise UsageError(f"`{one}` matches no cell of {study.study}.{_known(one, cells, study)}")
    keys = {one.key for one in wanted}
    return [
        cell
        for cell in cells
        if all(any(_matches(one, cell, study) for one in wanted if one.key == key) for key in keys)
    ]


def _matches(selector: Selector, planned: "PlannedCell", study: "Study") -> bool:
    cell, pattern = planned.cell, selector.pattern
    if selector.key == "seed":
        return any(low <= cell.seed <= high for low, high in _seeds(pattern))
    if selector.key == "state":
        return planned.state in [_state(word) for word in pattern.split(",")]
    if selector.key == "stage":
        return cell.stage in [word.strip() for word in pattern.split(",")]
    if selector.key == "cell":
        return cell.hash.startswith(pattern)
    if selector.key == "task":
        task = study.tasks[cell.task]
        return _like(task.env, pattern) or _like(task.label, pattern)
    variant = study.variant(cell.variant)
    if selector.key == "variant":
        return _like(variant.name, pattern)
    return variant.ablation is not None and _like(variant.ablation, pattern)


def _known(selector: Selector, cells: "Sequence[PlannedCell]", study: "Study") -> str:
    names = {
        "ablation": list(study.ablations),
        "variant": [one.name for one in study.variants],
        "task": [one.label for one in study.tasks],
        "seed": [str(seed) for seed in (*study.seeds, *(study.tune.seeds if study.tune else ()))],
        "cell": [],
    }[selector.key]
    return f"{hint(selector.pattern, names)} Known: {', '.join(names)}." if names else ""


def _like(name: str, pattern: str) -> bool:
    """Shell wildcards ``*`` and ``?``; brackets are literal because variants carry them (``VaryM[2]``)."""
    return name == pattern or fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _state(word: str) -> str:
    lowered = word.strip().lower()
    return _SAME_STATE.get(lowered, lowered)


def _seeds(pattern: str) -> list[tuple[int, int]]:
    ranges = []
    for part in pattern.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if found is None:
            raise UsageError(f"`seed:{pattern}`: write seeds as 3, 0-3 or 0-3,7.")
        ranges.append((int(found[1]), int(found[2] or found[1])))
    return ranges
