"""``ablate import PLAN``: an ablation plan in words becomes a study file."""

from pathlib import Path

import click

from ablate.cli.output import columns
from ablate.errors import StudyError, UsageError
from ablate.imported import matched, study_text
from ablate.importer import read_plan
from ablate.problems import rendered
from ablate.yaml_lines import YamlProblems, read
from algorithms import registry as algorithm_registry
from envs import registry as env_registry
from envs.spec import UnknownEnvError


@click.command()
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The study file to write; without it, stdout.")
@click.option("--algorithm", default="sapg", show_default=True, help="Whose components the parts are matched to.")
@click.option("--env", default="maze/deceptive", show_default=True, help="The task to write into the study.")
@click.option("--force", is_flag=True, help="Overwrite the output.")
@click.option("--dry-run", "-n", is_flag=True, help="Show the matches only.")
def command(plan: Path, output: Path | None, algorithm: str, env: str, force: bool, dry_run: bool) -> int:
    """Turn an ablation plan (Markdown or JSONL) into a study file.

    Parts are matched to components by their words. What matches nothing stays TODO, which `ablate validate` lists.
    """
    try:
        algorithm_registry.find(algorithm)
        env_registry.find(env)
    except (algorithm_registry.UnknownAlgorithmError, UnknownEnvError) as error:
        raise UsageError(str(error)) from None
    try:
        text = read(plan)
    except YamlProblems as error:
        raise StudyError(rendered(str(plan), error.problems)) from None
    asked = read_plan(text, str(plan))
    matches = matched(asked, algorithm)
    study = study_text(asked, matches, algorithm=algorithm, env=env, source=plan.name)
    rows = [
        (
            one.planned.name,
            one.planned.action or "no action",
            one.component or "TODO",
            f"{one.proposals[0].score:.2f}" if one.proposals else "",
            one.planned.part,
        )
        for one in matches
    ]
    for line in columns(rows, ("ablation", "action", "component", "score", "part in the plan")):
        click.echo(line, err=True)
    open_ends = sum(not one.complete for one in matches)
    if open_ends:
        click.echo(
            f"{open_ends} of {len(matches)} need a decision: fill in every TODO, then `ablate validate`.", err=True
        )
    if dry_run:
        return 0
    if output is None:
        click.echo(study, nl=False)
        return 0
    if output.exists() and not force:
        raise UsageError(f"{output} exists; --force overwrites it.")
    output.write_text(study, encoding="utf-8")
    click.echo(f"Wrote {output}.", err=True)
    return 0
