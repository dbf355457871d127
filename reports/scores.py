"""The score table: one row per training run, read from the cells' files and nothing else.

Conventions, all decided here once:

* Higher is better. A lower-is-better metric is negated at load; ``ScoreTable.flipped`` says so.
* ``final`` is the mean of the primary metric over the evaluations in the last tenth of the budget (the last one at
  least); ``auc`` is the trapezoid over environment steps divided by their range.
* A failed or diverged run is a result: it scores the floor of its task (the worst finished score where the environment
  declares no range) and is counted. A run whose manipulation check failed measured something else: it is kept out.
* An unfinished run has no score; it is listed as missing.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from reports.identities import verify
from reports.journal import PROFILE, Column, Journal, read_journal, read_status
from reports.manifest import CellRef, Manifest, ReportError, parse
from reports.stats import Scores

State = Literal["done", "failed", "invalid", "missing"]
Curve = tuple[Column, Column]
"""Environment steps and values, both of shape ``(points,)``."""

LAST_SHARE = 0.1
"""Share of the budget, counted from its end, over which ``final`` averages."""
SHORT = 0.9
"""A run that says DONE before this share of the budget is not the run the study asked for."""
KEPT = ("probe/", "check/")
"""Families of columns kept beside the primary metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training run.

    Attributes:
        cell: Variant, task, seed and hash.
        state: ``done`` and ``failed`` have scores; ``invalid`` (manipulation check) and ``missing`` have none.
        reason: One sentence why it is not ``done``.
        final: Primary metric at the end, higher is better; NaN without a score.
        auc: Mean of the primary metric along the run; NaN without a score.
        curve: The primary metric along the run, as far as it got.
        extras: ``probe/*`` and ``check/*`` columns.
        profiles: Curves over time steps as last measured, by name; see ``reports.profiles``.
        checks: Violated manipulation checks, as sentences.
        describe: What the trainer says of itself (parameters, rows, optimiser steps ...).
        pack: Id of the pack: the program that trained it together with other seeds of its variant.
        wall_s: This run's share of the seconds the pack took; the shares of a pack sum to its wall time.
        env_steps: Transitions seen.
        ended: It is done or failed for good: nothing about it will change.
    """

    cell: CellRef
    state: State
    reason: str = ""
    final: float = np.nan
    auc: float = np.nan
    curve: Curve = field(default_factory=lambda: (np.empty(0), np.empty(0)))
    extras: Mapping[str, Curve] = field(default_factory=dict)
    profiles: Mapping[str, Curve] = field(default_factory=dict)
    checks: tuple[str, ...] = ()
    describe: Mapping[str, float] = field(default_factory=dict)
    pack: str = ""
    wall_s: float = np.nan
    env_steps: int = 0
    ended: bool = False

    @property
    def scored(self) -> bool:
        """Does it enter the statistics?"""
        return self.state in ("done", "failed")


@dataclass(frozen=True)
class ScoreTable:
    """All runs of a study.

    Attributes:
        manifest: The study.
        runs: One per cell of the manifest, in its order.
        flipped: Scores and curves are negated because the goal is ``min``.
        floors: Declared floor per task, higher-is-better; None where the environment declares none.
        fill: What a failed run scores, per task: ``(final, auc)``.
        twins: Runs that computed exactly what the baseline's run of the same seed computed.
        comparisons: Memory of ``curves.compare_curves``: bands are drawn and tabled from one computation.
    """

    manifest: Manifest
    runs: tuple[Run, ...]
    flipped: bool
    floors: tuple[float | None, ...]
    fill: tuple[tuple[float, float], ...]
    twins: tuple[CellRef, ...] = ()
    comparisons: dict[tuple[str, int, float], object] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _by_arm(self) -> dict[tuple[str, int], list[Run]]:
        arms: dict[tuple[str, int], list[Run]] = defaultdict(list)
        for run in self.runs:
            arms[run.cell.variant, run.cell.task].append(run)
        for arm in arms.values():
            arm.sort(key=lambda run: run.cell.seed)
        return arms

    def arm(self, variant: str, task: int) -> list[Run]:
        """Every run of one variant on one task, by seed, scored or not."""
        return self._by_arm.get((variant, task), [])

    def scores(self, variant: str, task: int, summary: str | None = None) -> Scores:
        """Scores of one arm, by seed, shape ``(n,)``; ``summary`` is the primary's own unless given."""
        name = summary or self.manifest.primary.summary
        runs = [run for run in self.arm(variant, task) if run.scored]
        return np.array([run.auc if name == "auc" else run.final for run in runs], dtype=np.float64)

    def of_state(self, state: State, variant: str | None = None) -> list[Run]:
        """Runs in one state, of one variant or of all."""
        return [run for run in self.runs if run.state == state and variant in (None, run.cell.variant)]

    def restricted(self, seeds: Mapping[str, Collection[int]]) -> "ScoreTable":
        """The same study as if only some of its runs were there; failed ones get the floor that these alone give.

        Args:
            seeds: Variant -> the seeds to keep of it; a variant that is not named keeps none.
        """
        kept = [run for run in self.runs if run.cell.seed in seeds.get(run.cell.variant, ())]
        kept = [replace(run, final=np.nan, auc=np.nan) if run.state == "failed" else run for run in kept]
        fill = tuple(_fill(kept, task, floor) for task, floor in enumerate(self.floors))
        runs = tuple(_with_floor(run, *fill[run.cell.task]) for run in kept)
        left = {run.cell for run in runs}
        cells = tuple(cell for cell in self.manifest.cells if cell in left)
        twins = tuple(cell for cell in self.twins if cell in left)
        return replace(self, manifest=replace(self.manifest, cells=cells), runs=runs, fill=fill, twins=twins)

    def ceiling(self, task: int) -> float | None:
        """Declared ceiling of a task, higher-is-better."""
        declared = _declared_range(self.manifest, task)
        return declared[1] if declared else None


def area_under_curve(steps: Column, values: Column) -> float:
    """Trapezoid over environment steps divided by their range; the value itself for a single point."""
    if len(steps) < 2:
        return float(values[-1])
    return float(np.trapezoid(values, steps) / (steps[-1] - steps[0]))


def final_score(steps: Column, values: Column, budget: int) -> float:
    """Mean over the points in the last tenth of the budget, the last point at least."""
    late = steps >= (1 - LAST_SHARE) * budget
    late[-1] = True
    return float(values[late].mean())


def load(manifest: Mapping[str, Any]) -> ScoreTable:
    """Read every cell a manifest names.

    Args:
        manifest: ``manifest.json`` as read.

    Raises:
        ReportError: A malformed manifest; two rows of one (variant, task, seed); two seeds whose runs are copies of
            each other; a primary metric that no finished run holds; arms that differ in more than their component.
    """
    study = parse(manifest)
    verify(study)
    prints = _Fingerprints(study)
    runs, columns = [], set[str]()
    for cell in study.cells:
        run, found = _read_run(study, cell, prints)
        runs.append(run)
        columns |= found
    trained = any(run.env_steps >= SHORT * study.budget for run in runs)
    if trained and study.primary.name not in columns:
        known = ", ".join(sorted(columns)) or "none"
        raise ReportError(f"no finished run holds the primary metric {study.primary.name!r}; columns found: {known}")
    ranges = [_declared_range(study, task) for task in range(len(study.tasks))]
    floors = tuple(declared[0] if declared else None for declared in ranges)
    fill = tuple(_fill(runs, task, floor) for task, floor in enumerate(floors))
    scored = tuple(_with_floor(run, *fill[run.cell.task]) for run in runs)
    return ScoreTable(study, scored, study.primary.goal == "min", floors, fill, prints.twins())


class _Fingerprints:
    """Digests of what every run computed: copies within an arm are refused, copies of the baseline remembered."""

    def __init__(self, study: Manifest) -> None:
        self._study = study
        self._seen: dict[tuple[str, int], dict[str, CellRef]] = defaultdict(dict)

    def add(self, cell: CellRef, journal: Journal) -> None:
        """Note one run.

        Raises:
            ReportError: Another seed of the same arm computed the same.
        """
        _, values = journal.curve(self._study.primary.name)
        if len(values) < 2 or np.ptp(values) == 0:
            return  # a saturated, constant curve says nothing about who computed it
        other = self._seen[cell.variant, cell.task].setdefault(journal.fingerprint(), cell)
        if other is not cell:
            raise ReportError(
                f"seeds {other.seed} and {cell.seed} of variant {cell.variant!r}, task "
                f"{self._study.tasks[cell.task].label!r} have identical curves: one run must not count twice"
            )

    def twins(self) -> tuple[CellRef, ...]:
        """Runs of variants that computed what a run of the baseline computed."""
        base = self._study.baseline.name
        return tuple(
            cell
            for (variant, task), own in self._seen.items()
            if variant != base
            for digest, cell in own.items()
            if digest in self._seen.get((base, task), {})
        )


def _read_run(study: Manifest, cell: CellRef, prints: _Fingerprints) -> tuple[Run, set[str]]:
    """One cell's files as a run without its floor score, and the names of the columns it holds."""
    sign = -1.0 if study.primary.goal == "min" else 1.0
    place = study.home / "cells" / cell.hash
    try:
        status = read_status(place)
        journal = read_journal(place) if status else None
    except (OSError, ValueError) as error:
        return Run(cell=cell, state="missing", reason=f"unreadable: {error}"), set()
    if status is None or journal is None:
        return Run(cell=cell, state="missing", reason="never started"), set()
    prints.add(cell, journal)
    steps, values = journal.curve(study.primary.name)
    finite = np.isfinite(values)
    curve = (steps[finite], sign * values[finite])
    state, reason = _judge(study, status, steps, values)
    done = state == "done"
    return Run(
        cell=cell,
        state=state,
        reason=reason,
        final=final_score(*curve, study.budget) if done else np.nan,
        auc=area_under_curve(*curve) if done else np.nan,
        curve=curve,
        extras={name: journal.curve(name) for name in sorted(journal.columns) if name.startswith(KEPT)},
        profiles=journal.profiles(),
        checks=tuple(status.get("checks") or ()),
        describe=status.get("describe") or {},
        pack=str(status.get("pack") or cell.hash),
        wall_s=float(status.get("wall_s") or np.nan),
        env_steps=int(status.get("env_steps") or (steps[-1] if len(steps) else 0)),
        ended=status["state"] in ("DONE", "FAILED"),
    ), {name for name in journal.columns if not name.startswith(PROFILE)}


def _judge(study: Manifest, status: Mapping[str, Any], steps: Column, values: Column) -> tuple[State, str]:
    """State of a run, and why it is not ``done``."""
    checks = list(status.get("checks") or ())
    state = status["state"]
    if checks:
        return "invalid", f"manipulation check: {checks[0]}"
    if state == "FAILED":
        return "failed", str(status.get("error") or "failed without a message").strip().splitlines()[-1]
    if state != "DONE":
        return "missing", state.lower()
    if len(values) == 0 or not np.isfinite(values[-1]):
        return "failed", f"finished without a finite {study.primary.name}"
    if steps[-1] < SHORT * study.budget:
        return "missing", f"says DONE at {steps[-1]:,.0f} of {study.budget:,} steps"
    return "done", ""


def _declared_range(study: Manifest, task: int) -> tuple[float, float] | None:
    """(floor, ceiling) of the primary metric, higher-is-better: environments declare it for the return only."""
    declared = study.tasks[task].score_range
    if declared is None or not study.primary.name.endswith("/return"):
        return None
    low, high = declared
    return (-high, -low) if study.primary.goal == "min" else (low, high)


def _fill(runs: list[Run], task: int, floor: float | None) -> tuple[float, float]:
    """``(final, auc)`` of a failed run on one task."""
    if floor is not None:
        return floor, floor
    done = [run for run in runs if run.state == "done" and run.cell.task == task]
    return min((run.final for run in done), default=np.nan), min((run.auc for run in done), default=np.nan)


def _with_floor(run: Run, final: float, auc: float) -> Run:
    """A failed run with the floor as its scores; with no floor to give (nothing finished) it stays without."""
    if run.state != "failed":
        return run
    if np.isnan(final):
        return replace(run, state="missing", reason=f"failed, and no run of its task finished: {run.reason}")
    return replace(run, final=final, auc=auc)
