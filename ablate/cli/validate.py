"""``ablate validate STUDY``: check a study file and all of its profiles."""

from dataclasses import asdict
from typing import Any

import click

from ablate.cli.inputs import as_json
from ablate.cli.output import print_json
from ablate.errors import StudyError
from ablate.problems import Problem, rendered
from ablate.study import Study, check
from ablate.tuning import num_cells


@click.command()
@click.argument("study")
@click.argument("overrides", nargs=-1)
@click.option("--profile", "-p", help="Check this profile only, instead of the file and all its profiles.")
@as_json
def command(study: str, overrides: tuple[str, ...], profile: str | None, as_json: bool) -> int:
    """Check a study file; report every problem with its line. Nothing is launched.

    OVERRIDES follow Hydra's grammar: key=value, +key=value, ++key=value, ~key.
    """
    found, problems = check(study, profile, overrides)
    profiles = profiles_of(study, found) if profile is None else ()
    for name in profiles:
        problems += [_in_profile(one, name) for one in check(study, name, overrides)[1] if one not in problems]
    if as_json:
        print_json({"study": study, "valid": not problems, "problems": [asdict(one) for one in problems]})
        return StudyError.exit_code if problems else 0
    if problems or found is None:
        raise StudyError(rendered(study, problems))
    cells = len(found.variants) * len(found.tasks) * len(found.seeds)
    also = f"; profiles {', '.join(profiles)} are valid too" if profiles else ""
    chosen = f" with profile {profile}" if profile else ""
    click.echo(
        f"{study}{chosen} is valid: {_count(found.variants, 'variant')} x {_count(found.tasks, 'task')} x "
        f"{_count(found.seeds, 'seed')} = {cells} cells{_tuning(found)}{_adaptive(found)}{also}."
    )
    return 0


def _tuning(study: Study) -> str:
    if study.tune is None:
        return ""
    tune, cells = study.tune, len(study.variants) * len(study.tasks)
    return (
        f"; tuning {tune.field}: {_count(study.variants, 'variant')} x {_count(tune.values, 'value')} x "
        f"{_count(study.tasks, 'task')} x {_count(tune.seeds, 'seed')} = {num_cells(study) - cells * len(study.seeds)} "
        f"cells, and at most {cells * len(study.seeds)} retuned"
    )


def _adaptive(study: Study) -> str:
    if study.adaptive is None:
        return ""
    first = study.adaptive.looks[0] * len(study.variants) * len(study.tasks)
    return f" at most, {first} at the first of {_count(study.adaptive.looks, 'look')}"


def _count(things: Any, word: str) -> str:
    return f"{len(things)} {word}{'s' if len(things) != 1 else ''}"


def profiles_of(path: str, study: Study | None) -> tuple[str, ...]:
    """The profiles a file offers, also when the file's own values are invalid."""
    if study is not None:
        return study.profiles
    from ablate.study import profile_names

    return profile_names(path)


def _in_profile(problem: Problem, profile: str) -> Problem:
    return Problem(problem.path, f"(profile {profile}) {problem.message}", problem.origin)
