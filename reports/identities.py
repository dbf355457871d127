"""What the cells themselves say they are: a contrast is refused when more than its component differs.

Every cell's ``cell.yaml`` holds the resolved configuration, code digests, budget and evaluation its hash was taken of.
Comparing runs of different code, budgets or tasks, or arms that differ in more than the named component, would measure
something else than the study says. Cells without the file (never started) are left alone.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from reports.manifest import CellRef, Manifest, ReportError, Variant

Identity = Mapping[str, Any]
_SEED = re.compile(rb"^seed: .*$", re.MULTILINE)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_SHOWN = 5


def verify(study: Manifest) -> None:
    """Check the identities of all cells of a study.

    Raises:
        ReportError: Budgets, evaluations, tasks or code digests differ between arms, or an ablation differs from the
            baseline in more than the component it names.
    """
    found = _identities(study)
    bases = {cell.task: (cell, own) for cell, own in found if cell.variant == study.baseline.name}
    for cell, own in found:
        if own["budget"]["env_steps"] != study.budget:
            raise ReportError(
                f"{_run(study, cell)} has a budget of {own['budget']['env_steps']:,} steps, "
                f"the study one of {study.budget:,}: budgets must be equal"
            )
        if cell.task in bases:
            _against(study, cell, own, *bases[cell.task])


def _identities(study: Manifest) -> list[tuple[CellRef, Identity]]:
    """One cell per distinct identity but for the seed, so that a thousand cells cost a few dozen parses."""
    seen: set[tuple[str, int, bytes]] = set()
    found = []
    for cell in study.cells:
        try:
            text = (study.home / "cells" / cell.hash / "cell.yaml").read_bytes()
        except OSError:
            continue
        key = cell.variant, cell.task, hashlib.sha256(_SEED.sub(b"", text)).digest()
        if key in seen:
            continue
        seen.add(key)
        try:
            own = yaml.load(text, Loader=_LOADER)  # a safe loader, the fast one where it was built
            own["budget"]["env_steps"], own["algorithm"]["config"], own["task"]["code"], own["evaluation"]
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise ReportError(f"cell {cell.hash}: cell.yaml is damaged ({type(error).__name__})") from error
        found.append((cell, own))
    return found


def _against(study: Manifest, cell: CellRef, own: Identity, base_cell: CellRef, base: Identity) -> None:
    """Compare one cell with the baseline's on the same task."""
    both = f"{_run(study, cell)} and {_run(study, base_cell)}"
    for part in ("evaluation", "task"):
        if differing := _differences(own[part], base[part]):
            raise ReportError(f"{both} differ in {part} ({_listed(differing)}): they cannot be compared")
    algorithm, other = own["algorithm"], base["algorithm"]
    variant = study.variant(cell.variant)
    if algorithm["name"] != other["name"]:
        if variant.role == "control":
            return
        raise ReportError(f"{both} run different algorithms ({algorithm['name']}, {other['name']})")
    if algorithm["code"] != other["code"]:
        raise ReportError(f"{both} ran with different code of {algorithm['name']}: run the older ones again")
    if variant.role != "control":
        _one_component(study, variant, _differences(algorithm["config"], other["config"]))


def _one_component(study: Manifest, variant: Variant, differing: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse an arm that differs in more than its component; the tuned field may differ, compound arms may differ."""
    allowed = {variant.component, study.tune.field if study.tune else None}
    beyond = {key: pair for key, pair in differing.items() if not _below(key, allowed)}
    if variant.role == "baseline" and beyond:
        raise ReportError(f"runs of the baseline differ from each other: {_listed(beyond)}")
    if variant.component is not None and beyond:
        raise ReportError(
            f"variant {variant.name!r} differs from the baseline in more than {variant.component!r}: {_listed(beyond)}"
        )


def _below(key: str, allowed: set[str | None]) -> bool:
    return any(one is not None and (key == one or key.startswith(one + ".")) for one in allowed)


def _differences(own: Any, base: Any) -> dict[str, tuple[Any, Any]]:
    """Dotted key -> (here, in the baseline), where they differ."""
    here, there = dict(_leaves(own)), dict(_leaves(base))
    keys = dict.fromkeys([*there, *here])
    absent = "absent"
    return {
        key: (here.get(key, absent), there.get(key, absent))
        for key in keys
        if here.get(key, absent) != there.get(key, absent)
    }


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _leaves(one, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def _listed(differing: Mapping[str, tuple[Any, Any]]) -> str:
    shown = [f"{key}: {base} \u2192 {own}" for key, (own, base) in list(differing.items())[:_MOST_SHOWN]]
    more = len(differing) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _run(study: Manifest, cell: CellRef) -> str:
    task = f" on {study.tasks[cell.task].label}" if len(study.tasks) > 1 else ""
    return f"{cell.variant!r}{task}, seed {cell.seed}"
