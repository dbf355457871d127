"""``ablate init [FILE]``: a commented starter study that validates, and the schema its editor line points to."""

import json
import re
from importlib import resources
from pathlib import Path

import click

from ablate.errors import UsageError
from ablate.schema import json_schema

SCHEMA_FILE = "ablate.schema.json"


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("study.yaml"))
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.option("--dry-run", "-n", is_flag=True, help="Print the study instead of writing it.")
def command(file: Path, force: bool, dry_run: bool) -> int:
    """Write a commented starter study, and beside it the JSON Schema that editors complete from."""
    study = re.sub(r"[^A-Za-z0-9_-]+", "_", file.stem).strip("_-") or "study"
    text = starter(str(file), study[:64])
    if dry_run:
        click.echo(text, nl=False)
        return 0
    if file.exists() and not force:
        raise UsageError(f"{file} exists; --force overwrites it.")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    schema = file.parent / SCHEMA_FILE
    schema.write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")
    click.echo(f"Wrote {file} and {schema}. Next: ablate plan {file}")
    return 0


def starter(file: str, study: str) -> str:
    """The starter study's text."""
    template = resources.files("ablate").joinpath("templates/study.yaml").read_text(encoding="utf-8")
    return template.format(file=file, study=study, schema=f"./{SCHEMA_FILE}")
