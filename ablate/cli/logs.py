"""``ablate logs CELL``: what the processes that trained a cell printed."""

import click

from ablate.cli.inputs import as_json, takes_store
from ablate.cli.output import print_json
from ablate.errors import UsageError
from ablate.store import Store


@click.command()
@click.argument("cell")
@takes_store
@click.option("--lines", "-n", type=click.IntRange(min=1), help="Only the last lines.")
@as_json
def command(cell: str, store: Store, lines: int | None, as_json: bool) -> int:
    """Print the log of a cell; the first characters of its hash are enough.

    The seeds of a pack are trained by one process and share its log.
    """
    place = store.find_cell(cell)
    attempts = place.attempts()
    pack = (place.status() or (attempts[-1] if attempts else {})).get("pack")
    if pack is None:
        raise UsageError(f"cell {place.hash} was never trained.")
    text = store.pack(pack).log_tail(lines or 10**6)
    if as_json:
        print_json({"cell": place.hash, "pack": pack, "attempts": attempts, "lines": text})
        return 0
    for line in text:
        click.echo(line)
    return 0
