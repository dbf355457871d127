"""What one cell wrote: ``metrics.jsonl`` and ``status.json``, read leniently where a killed writer explains it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
"""One metric along a run, shape ``(points,)``."""

PROFILE = "profile/"
"""Family of columns that hold one point each of a curve over time steps."""
_WRITER = ("ts", "attempt", "time/", "health/")
"""Columns (or families of them) that tell of the process, not of the run's result."""


@dataclass(frozen=True, slots=True)
class Journal:
    """The rows of one cell as columns.

    Attributes:
        rows: Rows kept: one per ``env_steps``, the last attempt's.
        steps: ``env_steps`` of each row, rising, shape ``(rows,)``.
        columns: Column name -> ``(indices of the rows that hold it, values)``; a written null is NaN.
    """

    rows: int
    steps: Column
    columns: Mapping[str, tuple[NDArray[np.intp], Column]]

    def curve(self, name: str) -> tuple[Column, Column]:
        """Steps and values of one column; empty when it was never written."""
        if name not in self.columns:
            return np.empty(0), np.empty(0)
        index, values = self.columns[name]
        return self.steps[index], values

    def profiles(self) -> dict[str, tuple[Column, Column]]:
        """Profiles as last measured: name -> x and values, from columns ``profile/<name>@<x>``, by rising x."""
        found: dict[str, list[tuple[int, int, float]]] = {}
        for column, (index, values) in self.columns.items():
            name, at, x = column.removeprefix(PROFILE).rpartition("@")
            if column.startswith(PROFILE) and at and x.isdecimal():
                found.setdefault(name, []).append((int(index[-1]), int(x), float(values[-1])))
        curves = {}
        for name, points in found.items():
            last = max(row for row, _, _ in points)
            kept = np.array(sorted((x, value) for row, x, value in points if row == last), dtype=np.float64)
            curves[name] = (kept[:, 0], kept[:, 1])
        return curves

    def fingerprint(self) -> str:
        """Digest of everything a run computed, the same for two copies of one run whoever wrote them when."""
        digest = hashlib.sha256(self.steps.tobytes())
        for name in sorted(self.columns):
            if not name.startswith(_WRITER):
                index, values = self.columns[name]
                digest.update(name.encode())
                digest.update(index.tobytes())
                digest.update(values.tobytes())
        return digest.hexdigest()


def read_status(cell: Path) -> dict[str, Any] | None:
    """``status.json`` of a cell, None when it was never started."""
    try:
        text = (cell / "status.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    status = json.loads(text)
    if not isinstance(status, dict) or not isinstance(status.get("state"), str):
        raise ValueError("status.json holds no state")
    return status


def read_journal(cell: Path) -> Journal:
    """Rows of a cell; a torn last line is dropped, a later attempt's row replaces an earlier one of the same step.

    Raises:
        ValueError: A line in the middle is unreadable, or a row has no ``env_steps``.
    """
    try:
        lines = (cell / "metrics.jsonl").read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    by_step: dict[int, dict[str, Any]] = {}
    for row in _parse(lines):
        by_step[row["env_steps"]] = row
    steps = sorted(by_step)
    columns = _columns([by_step[step] for step in steps])
    return Journal(len(steps), np.array(steps, dtype=np.float64), columns)


def _columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[NDArray[np.intp], Column]]:
    """Rows as columns. A cell writes few kinds of rows (training, evaluation), so each kind is one array."""
    kinds: dict[tuple[str, ...], list[int]] = {}
    for position, row in enumerate(rows):
        kinds.setdefault(tuple(row), []).append(position)
    parts: dict[str, list[tuple[list[int], Column]]] = {}
    for names, positions in kinds.items():
        block = np.array([list(rows[position].values()) for position in positions], dtype=np.float64)  # null is NaN
        for column, name in enumerate(names):
            if name != "env_steps":
                parts.setdefault(name, []).append((positions, block[:, column]))
    return {name: _merged(found) for name, found in parts.items()}


def _merged(parts: Sequence[tuple[list[int], Column]]) -> tuple[NDArray[np.intp], Column]:
    """One column of several kinds of rows, in the order of the rows."""
    index = np.concatenate([np.array(positions, dtype=np.intp) for positions, _ in parts])
    values = np.concatenate([part for _, part in parts])
    order = np.argsort(index)
    return index[order], values[order]


def _parse(lines: list[bytes]) -> list[dict[str, Any]]:
    """One parse of the whole file is twice as fast as one per line; only a damaged file takes the slow path."""
    try:
        rows: list[dict[str, Any]] = json.loads(b"[" + b",".join(lines) + b"]")
    except ValueError:
        rows = []
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                if number < len(lines):
                    raise ValueError(f"metrics.jsonl line {number} is unreadable") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not isinstance(row.get("env_steps"), int | float):
            raise ValueError(f"metrics.jsonl line {number} has no env_steps")
    return rows
