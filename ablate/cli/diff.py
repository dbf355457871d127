"""``ablate diff A B``: where two cells, variants or studies differ once everything is resolved."""

import click

from ablate.cli.inputs import as_json, takes_store
from ablate.cli.output import columns, print_json
from ablate.cli.resolved import flat, is_study, referred, split
from ablate.configs import shown
from ablate.store import Store

ABSENT = "(absent)"
_NAMES = ("role", "label")
"""What a variant is called says nothing about what it does."""


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--profile", "-p", help="A profile of the study files.")
@takes_store
@as_json
def command(a: str, b: str, profile: str | None, store: Store, as_json: bool) -> int:
    """Show where two things differ: STUDY, STUDY:VARIANT, a cell's hash; B may be a VARIANT of A's study."""
    beside = split(a)[0] if is_study(split(a)[0]) and not is_study(split(b)[0]) else None
    left = flat(referred(a, store, profile))
    right = flat(referred(b, store, profile, beside))
    keys = [key for key in {**left, **right} if left.get(key, ABSENT) != right.get(key, ABSENT)]
    keys = [key for key in keys if key.rpartition(".")[2] not in _NAMES]
    if as_json:
        print_json([{"key": key, "a": left.get(key), "b": right.get(key)} for key in keys])
        return 0
    if not keys:
        click.echo("No difference.")
        return 0
    for line in columns([(key, shown(left.get(key, ABSENT)), "→", shown(right.get(key, ABSENT))) for key in keys]):
        click.echo(line)
    return 0
