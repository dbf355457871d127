"""``ablate gc``: delete what no study asks for."""

import shutil
from pathlib import Path

import click
import psutil

from ablate.cli.inputs import takes_store
from ablate.durable import guarded
from ablate.manifest import wanted
from ablate.runner import TEMP_PREFIX, TEMP_ROOT
from ablate.store import CellDir, PackDir, Store


@click.command()
@takes_store
@click.option("--checkpoints", is_flag=True, help="Also delete the checkpoints of finished packs.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted.")
def command(store: Store, checkpoints: bool, dry_run: bool) -> int:
    """Delete cells that no study asks for, packs without cells, and what killed runs left in the temporary folder.

    A study asks for the cells of its last run's manifest. A cell that some process trains is never touched.
    """
    asked = {one for study in store.studies for one in wanted(study.manifest() or {})}
    cells = [cell for cell in store.cells if cell.hash not in asked and not cell.is_locked()]
    gone = {cell.hash for cell in cells}
    packs = [pack for pack in store.packs if _is_orphan(pack, gone, store)]
    kept = [pack for pack in store.packs if pack not in packs]
    files = [pack.checkpoint_path for pack in kept if checkpoints and _is_finished(pack, store)]
    folders = [*(cell.path for cell in cells), *(pack.path for pack in packs), *_dead_sessions()]
    freed = sum(_size(path) for path in (*folders, *files))
    if not dry_run:
        _delete(cells, [path for path in folders if path.parent.name != "cells"], files)
    verb = "would delete" if dry_run else "deleted"
    click.echo(
        f"{verb} {len(cells)} cells, {len(packs)} packs, {len(files)} checkpoints and "
        f"{len(folders) - len(cells) - len(packs)} temporary folders: {freed / 1e6:.1f} MB."
    )
    return 0


def _is_orphan(pack: PackDir, gone: set[str], store: Store) -> bool:
    """Whether no cell of a pack is left."""
    hashes = (pack.spec() or {}).get("cells", [])
    return all(one in gone or not store.cell(one).path.exists() for one in hashes)


def _is_finished(pack: PackDir, store: Store) -> bool:
    """Whether a pack has a checkpoint that no run can resume from."""
    hashes = (pack.spec() or {}).get("cells", [])
    states = {store.cell(one).state() for one in hashes}
    return pack.checkpoint_path.exists() and not states & {"RUNNING", "INTERRUPTED"}


def _dead_sessions() -> list[Path]:
    """Ray's session folders of drivers that were killed."""
    found = []
    for path in TEMP_ROOT.glob(f"{TEMP_PREFIX}*-*"):
        pid = path.name.removeprefix(TEMP_PREFIX).split("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            found.append(path)
    return found


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(one.lstat().st_size for one in files if one.is_file() and not one.is_symlink())


def _delete(cells: list[CellDir], folders: list[Path], files: list[Path]) -> None:
    for cell in cells:
        lock = cell.lock()
        # Somebody may have begun to train it since we looked.
        if lock.try_acquire():
            with guarded("delete", cell.path):
                shutil.rmtree(cell.path)
            lock.release()
    for path in folders:
        shutil.rmtree(path, ignore_errors=True)
    for path in files:
        path.unlink(missing_ok=True)
