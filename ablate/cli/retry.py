"""``ablate retry STUDY``: forget failures so that the next run tries them again."""

import click

from ablate.cli.inputs import selects, takes_store, takes_study
from ablate.plan import make_plan
from ablate.select import chosen
from ablate.store import Store
from ablate.study import Study


@click.command()
@takes_study
@takes_store
@selects
@click.option("--dry-run", is_flag=True, help="Say what would be forgotten.")
def command(study: Study, store: Store, select: tuple[str, ...], dry_run: bool) -> int:
    """Forget failures so that the next run tries them again, from step 0.

    The attempts stay on record. Interrupted cells need no retry: every run resumes them.
    """
    picked = [one.cell for one in chosen(make_plan(study, store, probe=False).cells, select, study)]
    failed = [cell for cell in picked if store.cell(cell.hash).state() == "FAILED"]
    if not dry_run and failed:
        with store.study(study.record).lock():
            for cell in failed:
                store.cell(cell.hash).forget()
    for cell in failed:
        click.echo(f"  {'would forget' if dry_run else 'forgot'} {cell.arm}, seed {cell.seed}  ({cell.hash})")
    click.echo(f"{len(failed)} failed cells." + ("" if dry_run or not failed else " `ablate run` tries them again."))
    return 0
