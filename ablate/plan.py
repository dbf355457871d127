"""The plan: every cell of a study compared with the store, what the ablations move besides, and what it will cost.

Nothing starts here. What is missing may be probed for a moment (``ablate.probe``) to predict the time and to show the
confounds; figures of finished cells and earlier probes are reused.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ablate.adaptive import Looked, check_frozen, follow
from ablate.cells import Cell, cells, without_code
from ablate.costs import Estimate, Pair, estimate_of, packs_of, probes_of
from ablate.decisions import Decisions, decide
from ablate.errors import StoreError
from ablate.manifest import every_cell
from ablate.manifest import write_manifest as write_manifest
from ablate.power import Power, power_of
from ablate.store import State, Store
from ablate.study import Study
from ablate.tuning import tuning_cells
from ablate.variants import BASELINE

PlanState = Literal["new", "cached", "stale", "failed", "interrupted", "running"]
_STATES: dict[str, PlanState] = {
    "MISSING": "new",
    "DONE": "cached",
    "FAILED": "failed",
    "INTERRUPTED": "interrupted",
    "RUNNING": "running",
}

_TO_TRAIN = ("new", "stale", "interrupted")

CONFOUNDS = {
    "rows_per_iteration": "rows",
    "minibatches": "minibatches",
    "optimizer_steps_per_iteration": "optimiser steps",
    "parameters": "parameters",
    "flops_per_env_step": "FLOPs per env step",
}
"""Figures of ``describe()`` that an ablation should leave alone -> what to call them."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """A cell and what the store says about it.

    Attributes:
        cell: The cell.
        state: ``new`` never ran; ``cached`` done; ``stale`` ran with other code; ``failed`` for good; ``interrupted``
            resumes; ``running`` right now, elsewhere.
    """

    cell: Cell
    state: PlanState


@dataclass(frozen=True, slots=True)
class Plan:
    """What a study asks for and what of it there is.

    Attributes:
        study: The study.
        cells: All its cells, each once: the main ones in the order variants x tasks x seeds, those of tuning, and of
            the retuned ones those that are known by now and are no main cells.
        orphaned: Hashes that the study's last run asked for and this study does not.
        figures: (variant, task index) -> ``describe()`` of its trainer, where known.
        estimate: Time of the missing cells; None when something of it was never probed.
        power: What the seeds can show.
        spread: SD over seeds of the baseline's final score per task, where three or more baseline cells are done.
        warnings: What a person should know.
        tuning: What is decided and what that asks for; None without a ``tune:`` block.
        adaptive: How the looks went and what they ask for; None with a fixed number of seeds.
    """

    study: Study
    cells: tuple[PlannedCell, ...]
    orphaned: tuple[str, ...]
    figures: dict[tuple[str, int], dict[str, float]]
    estimate: Estimate | None
    power: Power
    spread: dict[int, float]
    warnings: tuple[str, ...]
    tuning: Decisions | None = None
    adaptive: Looked | None = None

    @property
    def main(self) -> tuple[PlannedCell, ...]:
        """The cells of the arms as they are."""
        return tuple(one for one in self.cells if one.cell.stage == "main")

    def counts(self) -> dict[str, int]:
        """Cells per state, and the orphans."""
        found = Counter(one.state for one in self.cells)
        states: Sequence[PlanState] = ("new", "cached", "stale", "failed", "interrupted", "running")
        return {**{state: found[state] for state in states}, "orphaned": len(self.orphaned)}

    def missing(self) -> list[PlannedCell]:
        """What a run would train: new, stale and interrupted cells. Failed ones stay failed until ``ablate retry``."""
        return [one for one in self.cells if one.state in _TO_TRAIN]

    def confounds(self, variant: str, task: int) -> dict[str, tuple[float, float]]:
        """Figure -> (baseline, variant), where they differ; empty as long as either is unknown."""
        base, own = self.figures.get((BASELINE, task)), self.figures.get((variant, task))
        if base is None or own is None:
            return {}
        return {
            name: (base[name], own[name])
            for name in CONFOUNDS
            if name in base and name in own and base[name] != own[name]
        }


def make_plan(study: Study, store: Store, probe: bool = True, progress: Callable[[str], None] | None = None) -> Plan:
    """Compare a study with the store.

    Args:
        study: The study.
        store: Where finished cells lie.
        probe: Measure what was never measured on this machine; imports torch.
        progress: Told what is being probed.
    """
    _check_readable(store)
    check_frozen(study, store)
    listed, tuning, adaptive, states = _listed(study, store)
    possible = (*(tuning.possible if tuning else ()), *(adaptive.possible if adaptive else ()))
    planned = [PlannedCell(one, _STATES[states[one.hash]]) for one in listed]
    planned, orphaned = _reconciled(planned, possible, study, store)
    packs, shares = packs_of([one.cell for one in planned if one.state in _TO_TRAIN], study, store)
    every = [one.cell for one in planned]
    probes, warnings = probes_of(every, packs, study, store, shares, progress, measure=probe)
    figures = {pair: one.describe for pair, one in probes.items()}
    for pair in {(one.cell.variant, one.cell.task) for one in planned} - figures.keys():
        known = _figures_of_finished(planned, pair, store)
        if known is not None:
            figures[pair] = known
    contrasts = sum(one.role == "ablation" for one in study.variants)
    return Plan(
        study=study,
        cells=tuple(planned),
        orphaned=tuple(orphaned),
        figures=figures,
        estimate=estimate_of(packs, shares.workers, probes, study),
        power=power_of(len(study.seeds), len(study.tasks), contrasts, study.alpha),
        spread=_spread(planned, study, store),
        warnings=tuple(warnings),
        tuning=tuning,
        adaptive=adaptive,
    )


def _listed(study: Study, store: Store) -> tuple[list[Cell], Decisions | None, Looked | None, dict[str, State]]:
    """Every cell that is known to be wanted, each once; what tuning and looks decided; every cell's state."""
    main, tune = cells(study, study.variants), tuning_cells(study)
    states = {one.hash: store.cell(one.hash).state() for one in (*main, *tune)}
    if study.adaptive is not None:
        looked = follow(study, study.adaptive, main, states, store)
        return list(looked.wanted), None, looked, states
    if study.tune is None:
        return main, None, None, states
    tuning = decide(study, tune, main, states, store)
    retuned = [one for one in tuning.retuned if one.hash not in states]
    states |= {one.hash: store.cell(one.hash).state() for one in retuned}
    return [*main, *tune, *retuned], tuning, None, states


def _check_readable(store: Store) -> None:
    """A store that is there but cannot be looked into is no empty store."""
    if store.home.exists() and not (store.home.is_dir() and os.access(store.home, os.R_OK | os.X_OK)):
        raise StoreError(f"cannot read the store {store.home}. Check it, or choose another with ABLATE_HOME.")


def _reconciled(
    planned: list[PlannedCell], possible: Sequence[Cell], study: Study, store: Store
) -> tuple[list[PlannedCell], list[str]]:
    """Tell stale cells from new ones, and find orphans, by the manifest of the study's last run.

    Args:
        planned: What the study asks for.
        possible: What it may come to ask for: no orphans.
        study: The study.
        store: Where its manifest and cells lie.
    """
    manifest = store.study(study.record).manifest()
    if manifest is None:
        return planned, []
    wanted = {one.cell.hash for one in planned} | {one.hash for one in possible}
    gone = [entry["hash"] for entry in every_cell(manifest) if entry["hash"] not in wanted]
    identities = {one: store.cell(one).identity() for one in gone}
    there = {one: without_code(found) for one, found in identities.items() if found is not None}
    # With other code nothing is decided yet, so what was retuned before is neither stale nor orphaned.
    open_ones = [without_code(one.identity) for one in possible]
    there = {one: identity for one, identity in there.items() if identity not in open_ones}
    stale: set[str] = set()
    found = []
    for one in planned:
        if one.state == "new":
            bare = without_code(one.cell.identity)
            old = next((name for name, identity in there.items() if identity == bare), None)
            if old is not None:
                stale.add(old)
                found.append(replace(one, state="stale"))
                continue
        found.append(one)
    return found, [one for one in there if one not in stale]


def _figures_of_finished(planned: Sequence[PlannedCell], pair: Pair, store: Store) -> dict[str, float] | None:
    for one in planned:
        if (one.cell.variant, one.cell.task) == pair and one.state == "cached":
            figures = (store.cell(one.cell.hash).status() or {}).get("describe")
            if figures:
                return dict(figures)
    return None


def _spread(planned: Sequence[PlannedCell], study: Study, store: Store) -> dict[int, float]:
    """SD of the baseline's final score over seeds, per task with three or more finished cells."""
    import statistics

    found: dict[int, float] = {}
    metric = study.metrics.primary.name
    if study.metrics.primary.summary != "final":
        return found
    for task in range(len(study.tasks)):
        scores = []
        for one in planned:
            mine = one.cell.stage == "main" and one.cell.variant == BASELINE and one.cell.task == task
            if mine and one.state == "cached":
                rows = store.cell(one.cell.hash).rows()
                values = [row[metric] for row in rows if row.get(metric) is not None]
                last = values[-max(1, len(values) // 10) :]
                if last:
                    scores.append(statistics.fmean(last))
        if len(scores) >= 3:
            found[task] = statistics.stdev(scores)
    return found
