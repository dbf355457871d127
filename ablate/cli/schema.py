"""``ablate schema``: the JSON Schema of study files, generated from the types."""

import click

from ablate.cli.output import print_json
from ablate.schema import json_schema


@click.command()
def command() -> int:
    """Print the JSON Schema of study files, with every registered algorithm's config and environment's options."""
    print_json(json_schema())
    return 0
