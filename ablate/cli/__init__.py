"""The command line: one file per verb, imported only when that verb is asked for.

A verb ``name`` lives in ``ablate/cli/name.py`` and defines a click command called ``command``. Errors that a person
can act on end as one message on stderr and the exit status of their kind (``ablate.errors``), never as a traceback.
"""

import difflib
import importlib
import importlib.util
import os
import sys
import traceback
from typing import Any

import click

from ablate import __version__
from ablate.errors import AblateError, InfrastructureError, UsageError
from envs.entry_points import PluginError

VERBS = {
    "validate": "Check a study file; report every problem with its line.",
    "plan": "Show what would run: cells, diffs, confounds, power, time. Starts nothing.",
    "run": "Run what is missing, then render the report. Run again to resume.",
    "status": "Show how far a study is, live or afterwards.",
    "report": "Render PDF, figures and tables again, without training.",
    "compare": "Put two studies' contrasts side by side: does a result replicate?",
    "render": "Film a simulated task, or what a checkpoint does in it.",
    "export": "Write a study's cells as one tidy table (CSV, Parquet) for other tools.",
    "ui": "Open the MLflow UI on the right store.",
    "list": "List studies, algorithms, envs, components or cells.",
    "show": "Show one cell, or a study with one of its variants fully resolved.",
    "diff": "Show where two variants, cells or studies differ.",
    "logs": "Print the log of a cell.",
    "retry": "Forget failures so that the next run tries them again.",
    "sync": "Rebuild the MLflow mirror from the cells.",
    "gc": "Delete cells that no study asks for.",
    "doctor": "Check that this machine can run a study.",
    "import": "Turn an ablation plan (Markdown or JSONL) into a study file.",
    "init": "Write a commented starter study.",
    "schema": "Print the JSON Schema of study files.",
}
"""Verb -> one line of help. A verb of the same name as a keyword lives in a module with a trailing underscore."""

SIGINT_EXIT = 130


def _module(verb: str) -> str:
    return f"ablate.cli.{verb}_" if verb == "import" else f"ablate.cli.{verb}"


class _LazyGroup(click.Group):
    """A group that imports a verb's module when the verb runs, and lists the others from the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [verb for verb in VERBS if importlib.util.find_spec(_module(verb))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(_module(cmd_name)).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verbs = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in verbs:
            near = difflib.get_close_matches(args[0], verbs, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise UsageError(f"no verb `{args[0]}`.{hint} Verbs: {', '.join(verbs)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(verb, VERBS[verb]) for verb in self.list_commands(ctx)]
        if rows:
            with formatter.section("Verbs"):
                formatter.write_dl(rows)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ablate")
def group() -> None:
    """Ablation studies for reinforcement learning: from one YAML file to a conclusion one can defend."""


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with the status of what happened."""
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: list[str]) -> int:
    """Run one command; print errors to stderr.

    Returns:
        The exit status: 0 done, 1 failed cells, 2 usage, 3 infrastructure, 4 locked, 130 SIGINT, 143 SIGTERM.
    """
    try:
        outcome: Any = group.main(args=args, prog_name="ablate", standalone_mode=False)
    except AblateError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    except PluginError as error:
        click.echo(str(error), err=True)
        return InfrastructureError.exit_code
    except click.ClickException as error:
        error.show()
        return UsageError.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return SIGINT_EXIT
    except BrokenPipeError:
        # The reader (`| head`) has gone: not an error. Point stdout elsewhere so that the exit flush stays quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        click.echo(f"{error.strerror or error}: {error.filename}" if error.filename else str(error), err=True)
        return InfrastructureError.exit_code
    except Exception:
        # Ours to mend, so the traceback is shown; Python's own status 1 would read as "finished with failed cells".
        traceback.print_exc()
        return InfrastructureError.exit_code
    return outcome if isinstance(outcome, int) else 0
