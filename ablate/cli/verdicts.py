"""The verdict table on a terminal or in a file."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

_COLORS = {"hurts": "red", "helps": "green", "no change": "blue", "inconclusive": "yellow"}


def print_verdicts(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print one row per contrast; columns are the rows' own keys."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, value in rows[0].items():
        table.add_column(str(key), justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(value), style=_style(value)) for value in row.values()))
    console.print(table)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _style(value: Any) -> str:
    return next((color for word, color in _COLORS.items() if isinstance(value, str) and value.startswith(word)), "")
