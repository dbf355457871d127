"""The study as the report sees it: ``manifest.json`` (schema ``ablate-manifest/v1``) as frozen types.

Everything else the report needs stands in the cells' own files. Unknown keys are ignored, so an older report still
reads the manifest of a newer version.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from reports.factorial import Design, parse_design
from reports.looks import Looks, parse_looks
from reports.tune import Tune, parse_tune

SCHEMA = "ablate-manifest/v1"


class ReportError(ValueError):
    """The report cannot be made from this input; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Primary:
    """The metric that decides, as declared before anything ran.

    Attributes:
        name: Column of the rows, e.g. ``eval/return``.
        summary: ``final`` (mean over the last tenth of the budget) or ``auc``.
        goal: ``max``, or ``min`` for lower-is-better; scores are negated once, at load.
        margin: Smallest change that matters, as a fraction of the baseline.
    """

    name: str
    summary: Literal["final", "auc"]
    goal: Literal["max", "min"]
    margin: float


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its label and, where the environment declares one, the (floor, ceiling) of its episode return."""

    label: str
    score_range: tuple[float, float] | None
    num_envs: int | None


@dataclass(frozen=True, slots=True)
class Variant:
    """Baseline, ablation variant, control, or an arm of a design that makes several ablations at once."""

    name: str
    role: Literal["baseline", "ablation", "control", "design"]
    label: str
    part: str | None
    component: str | None
    action: str | None
    expect: str | None
    color: str


@dataclass(frozen=True, slots=True)
class CellRef:
    """One cell the study asks for: variant x task x seed, and where its files lie."""

    hash: str
    variant: str
    task: int
    seed: int


@dataclass(frozen=True)
class Manifest:
    """A whole study: question, primary metric, tasks, variants (baseline first), cells."""

    study: str
    question: str
    profile: str | None
    file: str
    overrides: tuple[str, ...]
    home: Path
    primary: Primary
    secondary: tuple[str, ...]
    alpha: float
    tasks: tuple[Task, ...]
    variants: tuple[Variant, ...]
    budget: int
    seeds: tuple[int, ...]
    cells: tuple[CellRef, ...]
    study_yaml: str
    created: str
    tune: Tune | None = None
    design: Design | None = None
    looks: Looks | None = None

    @cached_property
    def baseline(self) -> Variant:
        """The arm every contrast is against."""
        return next(variant for variant in self.variants if variant.role == "baseline")

    @cached_property
    def ablations(self) -> tuple[Variant, ...]:
        """The variants whose contrasts form the Holm family."""
        return tuple(variant for variant in self.variants if variant.role == "ablation")

    @cached_property
    def controls(self) -> tuple[Variant, ...]:
        """Other algorithms for comparison, outside the family."""
        return tuple(variant for variant in self.variants if variant.role == "control")

    def variant(self, name: str) -> Variant:
        """Look a variant up by name."""
        return next(variant for variant in self.variants if variant.name == name)


def read(path: Path) -> dict[str, Any]:
    """Read a manifest file.

    Raises:
        ReportError: It is missing or no JSON object.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise ReportError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(raw, dict):
        raise ReportError(f"{path}: holds a {type(raw).__name__}, expected a manifest")
    return raw


def parse(raw: Mapping[str, Any]) -> Manifest:
    """Turn a manifest as read into frozen types.

    Raises:
        ReportError: Another schema, a missing key, no baseline or two, or two cells of one (variant, task, seed).
    """
    if raw.get("schema") != SCHEMA:
        raise ReportError(f"manifest schema is {raw.get('schema')!r}, expected {SCHEMA!r}")
    try:
        manifest = _manifest(raw)
    except (KeyError, TypeError, IndexError) as error:
        raise ReportError(f"manifest: {type(error).__name__} at {error}") from error
    _check(manifest)
    return manifest


def _manifest(raw: Mapping[str, Any]) -> Manifest:
    primary = raw["primary"]
    return Manifest(
        study=raw["study"],
        question=raw.get("question") or "",
        profile=raw.get("profile"),
        file=Path(raw.get("study_path") or f"{raw['study']}.yaml").name,
        overrides=tuple(raw.get("overrides") or ()),
        home=Path(raw["home"]),
        primary=Primary(
            primary["name"], primary.get("summary", "final"), primary.get("goal", "max"), primary.get("margin", 0.1)
        ),
        secondary=tuple(raw.get("secondary") or ()),
        alpha=raw.get("alpha", 0.05),
        tasks=tuple(
            Task(
                label=task.get("label") or task["id"],
                score_range=tuple(task["score_range"]) if task.get("score_range") else None,
                num_envs=task.get("num_envs"),
            )
            for task in raw["tasks"]
        ),
        variants=tuple(_variant(variant) for variant in raw["variants"]),
        budget=int(raw["budget"]["env_steps"]),
        seeds=tuple(raw.get("seeds") or ()),
        cells=tuple(CellRef(cell["hash"], cell["variant"], cell["task"], cell["seed"]) for cell in raw["cells"]),
        study_yaml=raw.get("study_yaml") or "",
        created=raw.get("created") or "",
        tune=parse_tune(raw.get("tune")),
        design=parse_design(raw.get("design")),
        looks=parse_looks(raw.get("adaptive")),
    )


def _variant(raw: Mapping[str, Any]) -> Variant:
    optional = {key: raw.get(key) for key in ("part", "component", "action", "expect")}
    return Variant(
        name=raw["name"],
        role=raw["role"],
        label=raw.get("label") or raw["name"],
        color=raw.get("color") or "#444444",
        **optional,
    )


def _check(manifest: Manifest) -> None:
    baselines = [variant.name for variant in manifest.variants if variant.role == "baseline"]
    if len(baselines) != 1:
        raise ReportError(f"manifest names {len(baselines)} baselines, expected one: {', '.join(baselines) or 'none'}")
    known = {variant.name for variant in manifest.variants}
    seen: set[tuple[str, int, int]] = set()
    for cell in manifest.cells:
        key = (cell.variant, cell.task, cell.seed)
        if cell.variant not in known or not 0 <= cell.task < len(manifest.tasks):
            raise ReportError(f"cell {cell.hash} belongs to variant {cell.variant!r}, task {cell.task}: unknown")
        if key in seen:
            raise ReportError(f"two rows share variant {cell.variant!r}, task {cell.task}, seed {cell.seed}: n is runs")
        seen.add(key)
