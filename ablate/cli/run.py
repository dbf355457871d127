"""``ablate run STUDY``: train what is missing, then report. Run again to resume."""

import functools
from typing import Literal

import click

from ablate.cli.inputs import selects, takes_store, takes_study
from ablate.cli.output import duration
from ablate.cli.plan import summary, tuning_lines
from ablate.cli.verdicts import print_verdicts
from ablate.plan import Plan, PlannedCell, make_plan
from ablate.select import chosen
from ablate.store import Store
from ablate.study import Study


@click.command()
@takes_study
@takes_store
@selects
@click.option("--exclude", "-x", multiple=True, metavar="KEY:PATTERN", help="Leave cells out; written as --select.")
@click.option("--executor", type=click.Choice(["ray", "local"]), default="ray", show_default=True)
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Packs that train at the same time.")
@click.option("--address", help="Join an existing Ray cluster.")
@click.option("--rerun", type=click.Choice(["failed"]), help="Also try failed cells again.")
@click.option("--fail-fast", is_flag=True, help="Stop after the first failed cell.")
@click.option("--no-mlflow", is_flag=True, help="Do not mirror; `ablate sync` can do it later.")
@click.option("--no-report", is_flag=True, help="Do not render the report.")
@click.option("--dry-run", is_flag=True, help="Say what would be trained; write nothing.")
def command(
    study: Study,
    store: Store,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    executor: Literal["ray", "local"],
    jobs: int | None,
    address: str | None,
    rerun: str | None,
    fail_fast: bool,
    no_mlflow: bool,
    no_report: bool,
    dry_run: bool,
) -> int:
    """Run what is missing, then render the report. Run again to resume.

    Finished cells are kept; interrupted ones resume from their checkpoints. A failed cell would fail again, so it is
    tried again only on request: --rerun failed, or `ablate retry`.
    """
    from ablate.driver import Options, drive, todo

    if dry_run:
        return _dry_run(study, store, select, exclude, rerun_failed=rerun is not None)
    store.check_writable()
    with store.study(study.record).lock():
        plan = make_plan(study, store, probe=False)
        pick = functools.partial(_picked, select=select, exclude=exclude)
        picked = pick(plan)
        click.echo(f"{study.study}{f' ({study.profile})' if study.profile else ''}: {summary(plan)}")
        options = Options(
            executor=executor,
            jobs=jobs,
            address=address,
            fail_fast=fail_fast,
            rerun_failed=rerun is not None,
            mlflow=not no_mlflow,
            report=not no_report,
        )
        if plan.estimate is not None and plan.missing():
            click.echo(f"Expected to take about {duration(plan.estimate.seconds)}.")
        if not todo(picked, rerun_failed=options.rerun_failed):
            click.echo("Nothing to train.")
        outcome = drive(plan, pick, store, options, _say)
    if outcome.rendered is not None:
        print_verdicts(outcome.rendered.verdicts)
        for warning in outcome.rendered.warnings:
            click.echo(f"Warning: {warning}")
        click.echo(f"Report  {outcome.rendered.pdf}")
    for what, link in outcome.links.items():
        click.echo(f"MLflow  {what}: {link}")
    if outcome.links and "127.0.0.1:5000" in next(iter(outcome.links.values())):
        click.echo("        (open the server first: ablate ui)")
    failed = outcome.states.get("FAILED", 0)
    if failed:
        click.echo(
            f"{failed} of {sum(outcome.states.values())} cells failed; "
            f"`ablate run {study.path} --rerun failed` tries them again."
        )
    if outcome.exit_code >= 128:
        click.echo(f"Stopped; `ablate run {study.path}` resumes.")
    return outcome.exit_code


def _picked(plan: Plan, select: tuple[str, ...], exclude: tuple[str, ...]) -> list[PlannedCell]:
    picked = chosen(plan.cells, select, plan.study)
    if exclude:
        out = {one.cell.hash for one in chosen(plan.cells, exclude, plan.study)}
        picked = [one for one in picked if one.cell.hash not in out]
    return picked


def _dry_run(
    study: Study, store: Store, select: tuple[str, ...], exclude: tuple[str, ...], *, rerun_failed: bool
) -> int:
    from ablate.driver import todo

    plan = make_plan(study, store, probe=False)
    click.echo(f"{study.study}: {summary(plan)}")
    cells = todo(_picked(plan, select, exclude), rerun_failed=rerun_failed)
    for cell in cells:
        click.echo(f"  would train {cell.arm}, {study.tasks[cell.task].label}, seed {cell.seed}  ({cell.hash})")
    for line in tuning_lines(plan):
        click.echo(line)
    click.echo(f"{len(cells)} cells; nothing was written.")
    return 0


def _say(text: str) -> None:
    click.echo(text, err=True)
