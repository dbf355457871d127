"""Profiles: what a model shows at each time step of a sequence, before training and after it.

An evaluation row holds a profile as columns ``profile/<name>@<x>``, one per time step x, and that of the untrained
model as ``profile/untrained_<name>@<x>``. Trained means as last measured in a run that finished; a run whose
manipulation check failed is left out of both.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.journal import Column
from reports.manifest import Variant
from reports.notation import MINUS, NONE, fixed
from reports.scores import Curve, ScoreTable
from reports.tables import Kind, Table, Value, columns_of

UNTRAINED = "untrained_"
_SHOWN = 4
"""Time steps that a row of the table can show; the CSV has all."""


@dataclass(frozen=True, slots=True)
class Line:
    """One profile of one variant on one task, before or after training.

    Attributes:
        x: Time steps at which any run has a finite value, rising, shape ``(points,)``.
        runs: Finite points of each run.
        mean: Over the runs that have a value there, shape ``(points,)``.
        low: Smallest of them.
        high: Largest of them.
    """

    x: Column
    runs: tuple[Curve, ...]
    mean: Column
    low: Column
    high: Column


def profile_names(table: ScoreTable, task: int | None = None) -> list[str]:
    """Profiles of which any run (of a task) holds something to draw."""
    tasks = range(len(table.manifest.tasks)) if task is None else (task,)
    names = {name.removeprefix(UNTRAINED) for run in table.runs if run.cell.task in tasks for name in run.profiles}
    return sorted(name for name in names if any(both_lines(table, one, name) for one in tasks))


def both_lines(table: ScoreTable, task: int, name: str) -> list[tuple[Variant, Line | None, Line | None]]:
    """Untrained and trained line of every variant that has one of them."""
    found = [
        (one, profile_line(table, one, task, name, trained=False), profile_line(table, one, task, name, trained=True))
        for one in table.manifest.variants
    ]
    return [(variant, before, after) for variant, before, after in found if before is not None or after is not None]


def profile_line(table: ScoreTable, variant: Variant, task: int, name: str, *, trained: bool) -> Line | None:
    """One line; None where no run has a finite point of it."""
    key, states = (name, ("done",)) if trained else (UNTRAINED + name, ("done", "failed", "missing"))
    held = [run.profiles[key] for run in table.arm(variant.name, task) if run.state in states and key in run.profiles]
    runs = [(x[np.isfinite(values)], values[np.isfinite(values)]) for x, values in held]
    runs = [curve for curve in runs if len(curve[0])]
    if not runs:
        return None
    union = np.unique(np.concatenate([x for x, _ in runs]))
    grid = np.full((len(runs), len(union)), np.nan)
    for row, (x, values) in zip(grid, runs, strict=True):
        row[np.searchsorted(union, x)] = values
    return Line(union, tuple(runs), np.nanmean(grid, 0), np.nanmin(grid, 0), np.nanmax(grid, 0))


def profile_table(table: ScoreTable) -> Table:
    """Every number of the figure as data; as shown, the means of each variant at a few time steps."""
    several = len(table.manifest.tasks) > 1
    shown = _shown_steps(table)
    cells: list[list[str]] = []
    records: list[dict[str, Value]] = []
    rules = []
    for task, place in enumerate(table.manifest.tasks):
        for name in profile_names(table, task):
            rules.append(len(cells))
            for variant, before, after in both_lines(table, task, name):
                cells.append(
                    [name, *([place.label] if several else []), variant.name]
                    + [f"{_at(before, x)} / {_at(after, x)}" for x in shown]
                )
                records += _records(place.label, variant, name, before, after)
    caption = (
        "Profiles at a few time steps: mean over runs, untrained / trained. All time steps, with the smallest and the "
        "largest run, stand in profiles.csv."
    )
    spec: list[tuple[str, Kind]] = [("profile", "name"), ("variant", "name")]
    if several:
        spec.insert(1, ("task", "name"))
    spec += [(f"step {x:.0f}", "right") for x in shown]
    return Table("profiles", caption, columns_of(spec, cells), records, tuple(rules))


def profile_caption(table: ScoreTable) -> str:
    """What the figure shows, with the number of runs behind its lines."""
    lines = [
        (before, after)
        for task in range(len(table.manifest.tasks))
        for name in profile_names(table, task)
        for _, before, after in both_lines(table, task, name)
    ]
    before, after = ([len(line.runs) for line in side if line is not None] for side in zip(*lines, strict=True))
    said = [f"{_span(counts)} {what}" for counts, what in ((after, "trained"), (before, "untrained")) if counts]
    return (
        "Profiles over the time steps of a sequence, one panel each. Solid: models after training (last evaluation of "
        "each finished run); dashed: the same models before it. Thick lines are means over runs (black: baseline), "
        f"thin lines runs; runs per variant: {' and '.join(said)}. The scale is logarithmic where nothing is "
        "negative and values span a factor of 100; exact zeros then lie on the line marked 0. Every number is in "
        "tables/profiles.csv. Profiles describe the mechanism; they are not tested."
    )


def _span(counts: list[int]) -> str:
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _shown_steps(table: ScoreTable) -> list[float]:
    """About evenly chosen time steps at which something was measured, first and last among them."""
    measured = sorted({float(x) for run in table.runs for steps, _ in run.profiles.values() for x in steps})
    picked = np.linspace(0, len(measured) - 1, min(_SHOWN, len(measured))).round().astype(int)
    return [measured[i] for i in picked]


def _at(line: Line | None, x: float) -> str:
    if line is None:
        return NONE
    place: NDArray[np.intp] = np.flatnonzero(line.x == x)
    return _short(float(line.mean[place[0]])) if len(place) else NONE


def _short(value: float) -> str:
    """Two significant digits, with an exponent outside 0.01 to 10,000."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if -2 <= exponent < 4:
        return fixed(value, max(0, 1 - exponent))
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", MINUS)


def _records(
    task: str, variant: Variant, name: str, before: Line | None, after: Line | None
) -> Iterator[dict[str, Value]]:
    for x in sorted({float(x) for line in (before, after) if line is not None for x in line.x}):
        record: dict[str, Value] = {"task": task, "variant": variant.name, "profile": name, "x": int(x)}
        for when, line in (("untrained", before), ("trained", after)):
            place = np.flatnonzero(line.x == x) if line is not None else np.empty(0, dtype=np.intp)
            if line is not None and len(place):
                i = int(place[0])
                record |= {
                    f"{when}_runs": sum(x in steps for steps, _ in line.runs),
                    f"{when}_mean": float(line.mean[i]),
                    f"{when}_min": float(line.low[i]),
                    f"{when}_max": float(line.high[i]),
                }
            else:
                record |= {f"{when}_runs": 0, f"{when}_mean": None, f"{when}_min": None, f"{when}_max": None}
        yield record
