"""Plain text and JSON output of the verbs that read."""

import json
from collections.abc import Sequence
from typing import Any

import click
import yaml


def print_json(content: Any) -> None:
    """One JSON document, indented, characters as they are."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def print_yaml(content: Any) -> None:
    """Nested plain data, short lists on one line."""
    click.echo(
        yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None).rstrip()
    )


def columns(rows: Sequence[Sequence[str]], header: Sequence[str] | None = None, indent: str = "  ") -> list[str]:
    """Rows of text as aligned lines, two spaces apart; the last column is not padded."""
    table = [list(header), *map(list, rows)] if header else [list(row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        (indent + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))).rstrip()
        for row in table
    ]


def duration(seconds: float) -> str:
    """A time as people say it: ``45 s``, ``12 min``, ``3.5 h``, ``2.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
