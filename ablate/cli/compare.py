"""``ablate compare STUDY_A STUDY_B``: two studies' contrasts side by side."""

import click

from ablate.cli.inputs import as_json, takes_store
from ablate.cli.manifests import manifest_of
from ablate.cli.output import print_json
from ablate.cli.verdicts import print_verdicts
from ablate.durable import plain
from ablate.store import Store


@click.command()
@click.argument("study_a")
@click.argument("study_b")
@click.option("--different-code", is_flag=True, help="Compare although code changed between the two.")
@takes_store
@as_json
def command(study_a: str, study_b: str, different_code: bool, store: Store, as_json: bool) -> int:
    """Put two studies' contrasts side by side: does a result replicate?

    Each is a study file or the name of a study in the store; STUDY@PROFILE is what a profile left. Changes are matched
    by name, then by what they change. The difference B - A carries the errors of both studies.
    """
    a, b = manifest_of(study_a, store), manifest_of(study_b, store)
    from ablate.comparing import compared
    from reports.replication import records, rows

    found, changed = compared(a, b, store, different_code=different_code)
    if as_json:
        print_json(
            plain(
                {
                    "a": a["study"],
                    "b": b["study"],
                    "level": found.level,
                    "changes": records(found),
                    "only_a": found.only_a,
                    "only_b": found.only_b,
                    "notes": found.notes,
                    "different_code": changed,
                    "sentence": found.sentence,
                }
            )
        )
        return 0
    click.echo(f"A  {a['study']}\nB  {b['study']}\n")
    print_verdicts(rows(found))
    if any(not one.same_change for one in found.pairs):
        click.echo("* not the same change of the configuration:")
    for one in found.pairs:
        if not one.same_change:
            click.echo(f"    {one.name}: {one.a.variant.label} | {one.b.variant.label}")
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            click.echo(f"Only in {side}: {', '.join(names)}")
    click.echo("")
    for note in found.notes:
        click.echo(f"Note: {note}")
    for one_change in changed:
        click.echo(f"Warning: other code: {one_change}")
    click.echo(found.sentence if found.pairs else "No change is in both studies.")
    return 0
