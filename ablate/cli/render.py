"""``ablate render TASK|STUDY``: look at a task, or at what a checkpoint does in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ablate.cli.inputs import takes_store
from ablate.cli.manifests import manifest_of, named_study
from ablate.configs import InvalidValue, config_from_plain
from ablate.errors import UsageError
from ablate.overrides import Override, parsed
from ablate.store import CellDir, Json, Store
from envs import registry as env_registry
from envs.spec import UnknownEnvError

if TYPE_CHECKING:
    from ablate.filming import Film

_SIZES = click.IntRange(64, 1920)


@click.command()
@click.argument("what", metavar="TASK|STUDY", required=False)
@click.argument("options", metavar="[OPTION=VALUE]...", nargs=-1)
@click.option("--checkpoint", "-c", metavar="CELL", help="Film what this cell has learned.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, file_okay=False), help="Directory (default: see above)."
)
@click.option("--seconds", default=6.0, show_default=True, type=click.FloatRange(0.1, 600), help="Of simulated time.")
@click.option("--width", default=320, show_default=True, type=_SIZES, help="Pixels of a frame.")
@click.option("--height", default=240, show_default=True, type=_SIZES, help="Pixels of a frame.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the random actions.")
@takes_store
@click.option("--dry-run", is_flag=True, help="Say what would be written.")
def command(
    what: str | None,
    options: tuple[str, ...],
    checkpoint: str | None,
    output: Path | None,
    seconds: float,
    width: int,
    height: int,
    seed: int,
    store: Store,
    dry_run: bool,
) -> int:
    """Film a simulated task: a contact sheet (PNG) and a short moving picture (GIF).

    A TASK such as `hand/reorient` is filmed under random actions, into the current directory. With --checkpoint the
    film shows one evaluation episode of that cell and lies with its artifacts, as the best finished cell of every task
    does for a STUDY; both are attached to the cell's MLflow run (`ablate sync` does it again).
    """
    from envs.sim.require import draw_off_screen

    draw_off_screen()
    from ablate.filming import Film, best_cells

    def new_film() -> Film:
        return Film(width=width, height=height, seconds=seconds)

    if checkpoint is not None:
        if what is not None or options:
            raise UsageError("with --checkpoint the cell says which task and options are filmed; name none.")
        _film_cells([store.find_cell(checkpoint)], store, new_film, output, dry_run)
    elif what is None:
        raise UsageError("name a TASK, a STUDY or a --checkpoint to film.")
    elif _is_study(what, store):
        manifest = manifest_of(what, store)
        cells = best_cells(manifest, store)
        if not cells:
            raise UsageError(f"no cell of {manifest['study']} has finished yet.")
        _film_cells(cells, store, new_film, output, dry_run)
        if not dry_run:
            _attach(manifest, store)
    else:
        from ablate.filming import film_random

        task, film = _task_options(what, options), new_film()
        name = what.replace("/", "_").replace(":", "_")
        place = output or Path()
        if dry_run:
            click.echo(f"would write {place / name}.png and {place / name}.gif")
            return 0
        film_random(what, task, film, seed=seed)
        _say(film.write(place, name))
    return 0


def _film_cells(cells: list[CellDir], store: Store, new_film: Any, output: Path | None, dry_run: bool) -> None:
    from ablate.filming import film_checkpoint

    for cell in cells:
        identity: Json = cell.identity() or {}
        name = f"{identity['task']['env'].replace('/', '_').replace(':', '_')}_{cell.hash}" if output else "film"
        place = output or cell.artifacts
        if dry_run:
            click.echo(f"would write {place / name}.png and {place / name}.gif")
            continue
        film: Film = new_film()
        measured = film_checkpoint(cell, store, film)
        click.echo(f"{identity['task']['env']}, cell {cell.hash}: return {measured['eval/return']:.4g}")
        _say(film.write(place, name))


def _say(paths: tuple[Path, Path]) -> None:
    for path in paths:
        click.echo(f"  {path}")


def _is_study(what: str, store: Store) -> bool:
    return Path(what).suffix in (".yaml", ".yml") or store.study(named_study(what)).manifest() is not None


def _attach(manifest: Json, store: Store) -> None:
    from ablate.mirroring import mirror_now

    mirror_now(store, manifest, lambda text: click.echo(text, err=True))


def _task_options(env_id: str, texts: tuple[str, ...]) -> Any:
    """The task's options dataclass with ``key=value`` applied.

    Raises:
        UsageError: No such task or option, or a value of another type.
    """
    try:
        spec = env_registry.find(env_id)
    except UnknownEnvError as error:
        raise UsageError(str(error)) from None
    plain = {}
    for text in texts:
        one = parsed(text)
        if not isinstance(one, Override) or one.action != "set" or len(one.path) != 1:
            raise UsageError(f"`{text}` is no option; write OPTION=VALUE.")
        plain[str(one.path[0])] = one.value
    try:
        return config_from_plain(spec.options, plain)
    except InvalidValue as error:
        raise UsageError(f"{env_id}: {error}") from None
