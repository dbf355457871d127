"""``ablate report STUDY``: PDF, figures and tables again, without training."""

import dataclasses

import click

from ablate.cli.inputs import as_json, takes_store
from ablate.cli.manifests import manifest_of
from ablate.cli.output import print_json
from ablate.cli.verdicts import print_verdicts
from ablate.store import Store


@click.command()
@click.argument("study")
@takes_store
@click.option("--dry-run", is_flag=True, help="Say where the report would be written.")
@as_json
def command(study: str, store: Store, dry_run: bool, as_json: bool) -> int:
    """Render PDF, figures and tables again, without training and without a GPU.

    STUDY is a study file or the name of a study in the store. The report shows the cells of the study's last run.
    """
    name = manifest_of(study, store)["study"]
    if dry_run:
        click.echo(f"would write {store.study(name).report}")
        return 0
    from ablate.reporting import render

    rendered = render(store, name)
    if as_json:
        print_json(dataclasses.asdict(rendered))
        return 0
    print_verdicts(rendered.verdicts)
    for warning in rendered.warnings:
        click.echo(f"Warning: {warning}")
    click.echo(f"Report  {rendered.pdf}")
    return 0
