"""Arguments and options that several verbs share."""

import functools
from collections.abc import Callable
from typing import Any

import click

from ablate.store import Store
from ablate.study import Study, load


def takes_study(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb ``STUDY [OVERRIDES]... --profile NAME``; it receives the loaded ``study``."""

    @click.argument("study", type=click.Path(path_type=str))
    @click.argument("overrides", nargs=-1)
    @click.option("--profile", "-p", help="A profile of the study file: the same science at another scale.")
    @functools.wraps(function)
    def loaded(study: str, overrides: tuple[str, ...], profile: str | None, **others: Any) -> Any:
        found: Study = load(study, profile, overrides)
        return function(study=found, **others)

    return loaded


def takes_store(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb ``--home DIR``; it receives the ``store``."""

    @click.option("--home", type=click.Path(path_type=str), help="The store (default: $ABLATE_HOME or ./runs).")
    @functools.wraps(function)
    def opened(home: str | None, **others: Any) -> Any:
        return function(store=Store(home) if home else Store.default(), **others)

    return opened


selects = click.option(
    "--select",
    "-s",
    multiple=True,
    metavar="KEY:PATTERN",
    help="ablation:No*, variant:, task:, seed:0-3, state:failed, cell:; repeatable.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
