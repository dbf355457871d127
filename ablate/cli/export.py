"""``ablate export STUDY``: the finished cells as one tidy table, for other tools."""

from pathlib import Path

import click

from ablate.cli.inputs import as_json, takes_store
from ablate.cli.manifests import manifest_of
from ablate.cli.output import print_json
from ablate.durable import replacing
from ablate.errors import UsageError
from ablate.store import Store

_STDOUT = "-"


@click.command()
@click.argument("study")
@click.option("--format", "-f", "form", type=click.Choice(["csv", "parquet"]), help="Default: by the file's name.")
@click.option("--output", "-o", default=_STDOUT, metavar="FILE", help="Where to (default: standard output).")
@click.option("--curves", is_flag=True, help="One row per evaluation instead of one per cell.")
@click.option("--with-tuning", is_flag=True, help="Also the runs that a `tune:` block chose values by.")
@takes_store
@click.option("--dry-run", is_flag=True, help="Say what would be written.")
@as_json
def command(
    study: str,
    form: str | None,
    output: str,
    curves: bool,
    with_tuning: bool,
    store: Store,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write the cells of a study's last run as one tidy table: a row per cell, or per evaluation with --curves.

    STUDY is a study file or the name of a study in the store (STUDY@PROFILE for a profile). Failed runs carry the
    floor they are scored with; `state` tells them apart.
    """
    chosen = form or ("parquet" if Path(output).suffix in (".parquet", ".pq") else "csv")
    if chosen == "parquet" and output == _STDOUT and not as_json:
        raise UsageError("Parquet is no text: give it a file with `-o FILE`.")
    manifest = manifest_of(study, store)
    from ablate.exporting import tidy

    table = tidy(manifest, store, curves=curves, with_tuning=with_tuning)
    what = f"{len(table.records)} rows of {len(table.columns)} columns"
    if as_json:
        print_json(table.records)
    elif dry_run:
        click.echo(f"would write {what} to {'standard output' if output == _STDOUT else output}")
    elif output == _STDOUT:
        click.echo(table.csv(), nl=False)
    else:
        content = table.parquet() if chosen == "parquet" else table.csv().encode()
        with replacing(Path(output)) as file:
            file.write(content)
        click.echo(f"Wrote {what} to {output}")
    return 0
