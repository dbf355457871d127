"""Where everything lies: cells, packs and studies under one directory.

::

    <home>/cells/<hash>/{cell.yaml, metrics.jsonl, status.json, attempts.jsonl, lock, artifacts/}
    <home>/packs/<id>/{pack.json, checkpoint.pt, heartbeat.json, log.txt, stop}
    <home>/studies/<study>/{lock, manifest.json, report/}
    <home>/mlflow.db, <home>/mlartifacts/, <home>/probes/

The files here are the truth; MLflow, the report and every table are projections that can be rebuilt from them.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from ablate import locks
from ablate.durable import Journal, guarded, make_dir, read_json, read_lines, write_json, write_text
from ablate.errors import StoreError, UsageError

State = Literal["MISSING", "RUNNING", "DONE", "FAILED", "INTERRUPTED"]
"""FAILED is for good (the same cell would fail again); INTERRUPTED is tried again by the next run."""

FINISHED: frozenset[State] = frozenset({"DONE", "FAILED"})
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CellDir:
    """The files of one cell."""

    path: Path

    @property
    def hash(self) -> str:
        """The cell's address."""
        return self.path.name

    @property
    def journal_path(self) -> Path:
        """The metrics journal."""
        return self.path / "metrics.jsonl"

    @property
    def artifacts(self) -> Path:
        """Files that belong to the cell beside its numbers."""
        return self.path / "artifacts"

    def identity(self) -> Json | None:
        """What the hash was taken of, None for a cell that never started."""
        with guarded("read", self.path):
            try:
                content = yaml.safe_load((self.path / "cell.yaml").read_text())
            except FileNotFoundError:
                return None
        return content if isinstance(content, dict) else None

    def write_identity(self, identity: Mapping[str, Any]) -> None:
        """Create the cell; an existing identity is left alone, because the hash says it is the same."""
        make_dir(self.path)
        if not (self.path / "cell.yaml").exists():
            write_text(self.path / "cell.yaml", yaml.safe_dump(dict(identity), sort_keys=False, allow_unicode=True))

    def status(self) -> Json | None:
        """``status.json``; None when it is missing or damaged (then the cell counts as never run)."""
        return read_json(self.path / "status.json")

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Replace ``status.json`` atomically."""
        make_dir(self.path)
        write_json(self.path / "status.json", status)

    def state(self) -> State:
        """What is true now: a cell that says RUNNING while nobody holds its lock was INTERRUPTED."""
        status = self.status()
        found = (status or {}).get("state", "MISSING")
        if found == "RUNNING" and not self.is_locked():
            # Its process may have finished between the two looks; a second look at the file settles it.
            found = (self.status() or {}).get("state", "MISSING")
            return "INTERRUPTED" if found == "RUNNING" else found
        state: State = found
        return state

    def rows(self) -> list[Json]:
        """The whole lines of the metrics journal."""
        return read_lines(self.journal_path)[0]

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows to the metrics journal and force them to disk; a trainer's loop keeps a ``Journal`` open instead."""
        make_dir(self.path)
        with Journal(self.journal_path) as journal:
            journal.append(rows)
            journal.force()

    def attempts(self) -> list[Json]:
        """Every try at this cell, oldest first."""
        return read_lines(self.path / "attempts.jsonl")[0]

    def add_attempt(self, attempt: Mapping[str, Any]) -> None:
        """Record one ended try."""
        make_dir(self.path)
        with Journal(self.path / "attempts.jsonl") as journal:
            journal.append([attempt])
            journal.force()

    def lock(self) -> locks.Lock:
        """Held by the process that trains the cell."""
        return locks.Lock(self.path / "lock", f"cell {self.hash}")

    def is_locked(self) -> bool:
        """Whether some process trains the cell right now."""
        return locks.held(self.path / "lock")

    def forget(self) -> None:
        """Drop status and journal so that the cell counts as never run; the attempts stay on record."""
        with guarded("delete", self.path):
            for name in ("status.json", "metrics.jsonl"):
                (self.path / name).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class PackDir:
    """The files of one pack: what one process trains together."""

    path: Path

    @property
    def id(self) -> str:
        """The pack's address."""
        return self.path.name

    @property
    def checkpoint_path(self) -> Path:
        """The newest checkpoint: trainer, random state and the journals' lengths at one moment."""
        return self.path / "checkpoint.pt"

    @property
    def log_path(self) -> Path:
        """Everything the pack's processes printed."""
        return self.path / "log.txt"

    @property
    def stop_path(self) -> Path:
        """While this file exists, the pack's process checkpoints and leaves at the next iteration."""
        return self.path / "stop"

    def spec(self) -> Json | None:
        """``pack.json``: what to train; None when it is missing or damaged."""
        return read_json(self.path / "pack.json")

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        """Create the pack."""
        make_dir(self.path)
        write_json(self.path / "pack.json", spec)

    def heartbeat(self) -> Json | None:
        """The last sign of life; None before the first."""
        return read_json(self.path / "heartbeat.json")

    def beat(self, content: Mapping[str, Any]) -> None:
        """Give a sign of life."""
        write_json(self.path / "heartbeat.json", content, force=False)

    def log_tail(self, lines: int) -> list[str]:
        """The last lines of the log."""
        with guarded("read", self.log_path):
            try:
                with self.log_path.open("rb") as file:
                    file.seek(max(0, file.seek(0, os.SEEK_END) - 200 * lines - 2000))
                    text = file.read().decode(errors="replace")
            except FileNotFoundError:
                return []
        return text.splitlines()[-lines:]


@dataclass(frozen=True, slots=True)
class StudyDir:
    """The files of one study."""

    path: Path

    @property
    def manifest_path(self) -> Path:
        """What the study asks for; all the report needs beside the cells."""
        return self.path / "manifest.json"

    @property
    def report(self) -> Path:
        """Where the report is rendered."""
        return self.path / "report"

    def manifest(self) -> Json | None:
        """The manifest of the last ``plan`` or ``run``."""
        return read_json(self.manifest_path)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace the manifest atomically."""
        make_dir(self.path)
        write_json(self.manifest_path, manifest)

    def mirror(self) -> Json | None:
        """Whether MLflow holds all of the study, and where; None before the first run."""
        return read_json(self.path / "mirror.json")

    def write_mirror(self, content: Mapping[str, Any]) -> None:
        """Remember what MLflow holds."""
        make_dir(self.path)
        write_json(self.path / "mirror.json", content)

    def lock(self) -> locks.Lock:
        """Held by the study's driver."""
        return locks.Lock(self.path / "lock", f"study `{self.path.name}`")

    def is_locked(self) -> bool:
        """Whether a driver works on the study right now."""
        return locks.held(self.path / "lock")


class Store:
    """All cells, packs and studies under one directory; reading creates nothing."""

    def __init__(self, home: Path | str) -> None:
        """Open a store.

        Args:
            home: Its directory; made absolute. It need not exist yet.
        """
        self.home = Path(home).expanduser().absolute()

    @classmethod
    def default(cls) -> "Store":
        """The store named by ``ABLATE_HOME``, else ``./runs``."""
        return cls(os.environ.get("ABLATE_HOME") or "runs")

    def cell(self, cell_hash: str) -> CellDir:
        """The files of a cell, whether or not it exists."""
        return CellDir(self.home / "cells" / cell_hash)

    def pack(self, pack_id: str) -> PackDir:
        """The files of a pack, whether or not it exists."""
        return PackDir(self.home / "packs" / pack_id)

    def study(self, name: str) -> StudyDir:
        """The files of a study, whether or not it exists."""
        return StudyDir(self.home / "studies" / name)

    @property
    def probes(self) -> Path:
        """Measured costs of short probes."""
        return self.home / "probes"

    @property
    def cells(self) -> Iterator[CellDir]:
        """Every cell that ever started."""
        return (CellDir(path) for path in self._children("cells"))

    @property
    def packs(self) -> Iterator[PackDir]:
        """Every pack that was ever made."""
        return (PackDir(path) for path in self._children("packs"))

    @property
    def studies(self) -> Iterator[StudyDir]:
        """Every study that was ever planned or run."""
        return (StudyDir(path) for path in self._children("studies"))

    def find_cell(self, prefix: str) -> CellDir:
        """Look a cell up by the first characters of its hash.

        Raises:
            UsageError: No cell or more than one begins like this.
        """
        found = [cell for cell in self.cells if cell.hash.startswith(prefix)]
        if len(found) == 1:
            return found[0]
        what = "no cell" if not found else f"{len(found)} cells"
        raise UsageError(f"{what} in {self.home} begin{'' if len(found) > 1 else 's'} with `{prefix}`.")

    def check_writable(self) -> None:
        """Fail early, with one message, when the store cannot be written.

        Raises:
            StoreError: It cannot be created or written, or the disk is full.
        """
        if self.home.exists() and not self.home.is_dir():
            raise StoreError(f"the store {self.home} is a file, not a directory. Choose another with ABLATE_HOME.")
        make_dir(self.home)
        probe = self.home / f".writable.{os.getpid()}"
        # 64 KiB: an empty file can be created on a disk that has no room for a byte of content.
        write_text(probe, "." * 65536)
        with guarded("delete", probe):
            probe.unlink()

    def _children(self, kind: str) -> list[Path]:
        folder = self.home / kind
        with guarded("read", folder):
            try:
                return sorted(path for path in folder.iterdir() if path.is_dir())
            except FileNotFoundError:
                return []
