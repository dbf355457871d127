"""``ablate show CELL|STUDY``: everything that is known about one thing."""

from typing import Any

import click

from ablate.cli.inputs import as_json, takes_store
from ablate.cli.output import print_json, print_yaml
from ablate.cli.resolved import is_study, split, study_data, variant_data
from ablate.errors import UsageError
from ablate.store import Store
from ablate.study import load


@click.command()
@click.argument("what", metavar="CELL|STUDY[:VARIANT]")
@click.argument("overrides", nargs=-1)
@click.option("--profile", "-p", help="A profile of the study file.")
@click.option("--variant", help="One variant of the study with its whole config.")
@takes_store
@as_json
def command(
    what: str, overrides: tuple[str, ...], profile: str | None, variant: str | None, store: Store, as_json: bool
) -> int:
    """Show one cell, or a study with everything resolved."""
    file, named = split(what)
    wanted = variant or named
    if is_study(file):
        study = load(file, profile, overrides)
        content = variant_data(study.variant(wanted)) if wanted else study_data(study)
    elif overrides or profile or variant:
        raise UsageError(f"`{what}` is no study file; overrides, --profile and --variant need one.")
    else:
        content = cell_data(what, store)
    (print_json if as_json else print_yaml)(content)
    return 0


def cell_data(prefix: str, store: Store) -> dict[str, Any]:
    """What the store knows about a cell: identity, state, attempts, newest row."""
    cell = store.find_cell(prefix)
    rows = cell.rows()
    return {
        "cell": cell.hash,
        "path": str(cell.path),
        "state": cell.state(),
        "identity": cell.identity(),
        "status": cell.status(),
        "attempts": cell.attempts(),
        "rows": len(rows),
        "last_row": rows[-1] if rows else None,
    }
