"""``ablate sync [STUDY]``: rebuild the MLflow mirror from the cells."""

import click

from ablate.cli.inputs import takes_store
from ablate.cli.manifests import manifest_of
from ablate.store import Store


@click.command()
@click.argument("studies", metavar="[STUDY]...", nargs=-1)
@takes_store
@click.option("--dry-run", is_flag=True, help="Say which studies would be mirrored, and where.")
def command(studies: tuple[str, ...], store: Store, dry_run: bool) -> int:
    """Rebuild the MLflow mirror from the cells: of all studies in the store, or of those named.

    Mirroring again adds nothing. MLFLOW_TRACKING_URI chooses another server than the store's own database.
    """
    from ablate.mirroring import mirror_now
    from ablate.tracking import tracking_uri

    references = list(studies) or [one.path.name for one in store.studies if one.manifest() is not None]
    complete = True
    for reference in references:
        manifest = manifest_of(reference, store)
        if dry_run:
            click.echo(f"would mirror {manifest['study']} to {tracking_uri(store.home)}")
            continue
        links = mirror_now(store, manifest, lambda text: click.echo(text, err=True))
        complete &= links is not None
        for what, link in (links or {}).items():
            click.echo(f"{manifest['study']}  {what}: {link}")
    if not references:
        click.echo("No studies.")
    return 0 if complete else 3
