"""Tidy tables for other people's tools: one row per run, or one row per evaluation, in the metric's own sign."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from reports.curves import compare_curves, thresholds, times_to_threshold
from reports.journal import read_journal
from reports.manifest import CellRef, Manifest
from reports.scores import Run, ScoreTable

Cell = str | int | float | bool | None
Record = dict[str, Cell]

RUN_COLUMNS: Mapping[str, type] = {
    "study": str, "profile": str, "stage": str, "value": str, "variant": str, "role": str, "ablation": str,
    "component": str, "action": str, "label": str, "task": str, "seed": int, "cell": str, "state": str, "reason": str,
    "metric": str, "summary": str, "score": float, "final": float, "auc": float, "time_to_threshold": float,
    "reached_threshold": bool, "env_steps": int, "wall_s": float, "delta": str,
}  # fmt: skip
"""Column -> type, in the order of the table."""
POINT_COLUMNS: Mapping[str, type] = {
    "study": str, "profile": str, "stage": str, "value": str, "variant": str, "role": str, "task": str, "seed": int,
    "cell": str, "state": str, "env_steps": int,
}  # fmt: skip
"""Columns that name an evaluation; one per ``eval/*`` metric follows."""
_EVALUATED = "eval/"


def run_records(
    table: ScoreTable, deltas: Mapping[str, str], stage: str = "main", tuned: Mapping[str, str] = MappingProxyType({})
) -> list[Record]:
    """One record per cell of the study, scored or not.

    Args:
        table: Scores.
        deltas: Variant -> its config's difference from the baseline's, as text.
        stage: What the cells are for. Tuning runs have no time to a threshold: their baseline is tuned like the rest.
        tuned: Cell -> the value of the tuned field.
    """
    times = {} if stage == "tune" else _times(table)
    records = [_run_record(table, run, deltas.get(run.cell.variant, ""), stage, times) for run in table.runs]
    return [record | {"value": tuned.get(str(record["cell"]))} for record in records]


def _run_record(
    table: ScoreTable, run: Run, delta: str, stage: str, times: Mapping[CellRef, tuple[float, bool]]
) -> Record:
    study = table.manifest
    variant, sign = study.variant(run.cell.variant), -1.0 if table.flipped else 1.0
    time, reached = times.get(run.cell, (np.nan, None))
    score = run.auc if study.primary.summary == "auc" else run.final
    return {
        **_name(study, run, stage),
        "ablation": variant.name.partition("[")[0] if variant.role == "ablation" else None,
        "component": variant.component,
        "action": variant.action,
        "label": variant.label,
        "reason": run.reason or None,
        "metric": study.primary.name,
        "summary": study.primary.summary,
        "score": _number(sign * score),
        "final": _number(sign * run.final),
        "auc": _number(sign * run.auc),
        "time_to_threshold": _number(time),
        "reached_threshold": reached,
        "env_steps": run.env_steps,
        "wall_s": _number(run.wall_s),
        "delta": delta or None,
    }


def _name(study: Manifest, run: Run, stage: str) -> Record:
    """What says which run a row is of."""
    cell = run.cell
    return {
        "study": study.study.partition("@")[0],
        "profile": study.profile,
        "stage": stage,
        "value": None,
        "variant": cell.variant,
        "role": study.variant(cell.variant).role,
        "task": study.tasks[cell.task].label,
        "seed": cell.seed,
        "cell": cell.hash,
        "state": run.state,
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _times(table: ScoreTable) -> dict[CellRef, tuple[float, bool]]:
    """Steps to the threshold of every scored run, and whether it got there; the budget where it did not."""
    study, budget = table.manifest, table.manifest.budget
    found = {}
    for task, threshold in enumerate(thresholds(table)):
        if not np.isfinite(threshold):
            continue
        for variant in study.variants:
            scored = [run for run in table.arm(variant.name, task) if run.scored]
            times, _ = times_to_threshold(table, variant.name, task, threshold)
            for run, time in zip(scored, times, strict=True):
                found[run.cell] = (float(time), bool(time < budget))
    return found


def point_records(
    table: ScoreTable, stage: str = "main", tuned: Mapping[str, str] = MappingProxyType({})
) -> list[Record]:
    """One record per evaluation of every cell that began, with all ``eval/*`` columns; a written null is None."""
    records = []
    for run in table.runs:
        name = {key: value for key, value in _name(table.manifest, run, stage).items() if key in POINT_COLUMNS}
        name["value"] = tuned.get(run.cell.hash)
        try:
            journal = read_journal(table.manifest.home / "cells" / run.cell.hash)
        except (OSError, ValueError):
            continue  # the table of runs says that it is unreadable
        curves = {column: journal.columns[column] for column in journal.columns if column.startswith(_EVALUATED)}
        rows: dict[int, Record] = {}
        for column, (index, values) in curves.items():
            for row, value in zip(index.tolist(), values.tolist(), strict=True):
                rows.setdefault(row, {})[column] = _number(value)
        records += [{**name, "env_steps": int(journal.steps[row]), **rows[row]} for row in sorted(rows)]
    return records


def columns_of(records: Sequence[Record], names: Mapping[str, type]) -> dict[str, type]:
    """Every column of a table with its type: the named ones, then the metrics in the order of the alphabet."""
    more = sorted({key for record in records for key in record} - names.keys())
    return {**names, **dict.fromkeys(more, float)}


def band_records(table: ScoreTable, level: float) -> list[Record]:
    """Both mean curves, their difference (negative: worse) and its simultaneous band: one record per point drawn."""
    study, sign = table.manifest, -1.0 if table.flipped else 1.0
    records: list[Record] = []
    for variant in (*study.ablations, *study.controls):
        for task, entry in enumerate(study.tasks):
            both = compare_curves(table, variant.name, task, level)
            if both is None:
                continue
            own, base = both.variant.mean(axis=0), both.base.mean(axis=0)
            empty = np.full(len(own), np.nan)
            low, high = (empty, empty) if both.band is None else (both.band.low, both.band.high)
            columns = (both.steps, sign * base, sign * own, own - base, low, high)
            records += [
                {"variant": variant.name, "task": entry.label} | dict(zip(_BAND, map(_number, row), strict=True))
                for row in np.column_stack(columns).tolist()
            ]
    return records


_BAND = ("env_steps", "base_mean", "mean", "difference", "low", "high")
