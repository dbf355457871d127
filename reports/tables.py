"""A table, once: what the PDF, the LaTeX file and the CSV show comes from the same object.

``columns`` hold display strings; ``records`` hold the numbers behind them at full precision, one record per row.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reports.notation import align

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column as shown: heading, alignment, one string per row; ``wide`` columns share the width that is left."""

    title: str
    cells: Sequence[str]
    align: Literal["left", "right"] = "right"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: File stem of its CSV and LaTeX files.
        caption: What a row is, what an interval is, and what is not implied.
        columns: As shown.
        records: As data, one per row (or finer, where the table summarises).
        rules: Indices of rows with a thin rule above.
        notes: What marks in its cells mean, as sentences.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    records: Sequence[dict[str, Value]]
    rules: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Display strings by row."""
        return list(zip(*(column.cells for column in self.columns), strict=True))


Kind = Literal["name", "left", "right", "decimal"]
"""How a column is set: ``name`` shares the width that is left, ``decimal`` aligns decimal points."""


def columns_of(spec: Sequence[tuple[str, Kind]], rows: Sequence[Sequence[str]]) -> tuple[Column, ...]:
    """Columns from rows of display strings.

    Args:
        spec: Title and kind of every column.
        rows: One string per column and row.
    """
    by_column = list(zip(*rows, strict=True)) if rows else [()] * len(spec)
    return tuple(
        Column(
            title,
            align(cells) if kind == "decimal" else cells,
            "left" if kind in ("name", "left") else "right",
            wide=kind == "name",
        )
        for (title, kind), cells in zip(spec, by_column, strict=True)
    )


def to_csv(records: Sequence[dict[str, Value]]) -> str:
    """Records as CSV: full precision, empty for missing, the union of all keys as header."""
    header = list(dict.fromkeys(key for record in records for key in record))
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _plain(value) for key, value in record.items()} for record in records)
    return out.getvalue()


def _plain(value: Value) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def write_csv(table: Table, folder: Path) -> Path:
    """Write ``<folder>/<name>.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{table.name}.csv"
    path.write_text(to_csv(table.records), encoding="utf-8")
    return path
