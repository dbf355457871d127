"""Files that survive a kill: atomic replacement, append-only journals, and one clear error when the disk says no.

A file is either the old one or the new one, never half of each: it is written beside its place, forced to disk, then
renamed. A journal may end in a torn line after a kill; readers drop it, and a resuming writer cuts the journal back to
the place its checkpoint remembers.
"""

import errno
import json
import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from ablate.errors import StoreError

logger = logging.getLogger(__name__)

_HINTS = {
    errno.ENOSPC: "Free some space (`ablate gc` deletes what no study asks for) and run again; finished cells stay.",
    errno.EDQUOT: "The disk quota is used up. Free some space and run again; finished cells stay.",
    errno.EFBIG: "A limit on file sizes is in force (ulimit -f). Raise it and run again; finished cells stay.",
    errno.EACCES: "Check who owns the store, or choose another with ABLATE_HOME.",
    errno.EPERM: "Check who owns the store, or choose another with ABLATE_HOME.",
    errno.EROFS: "The file system is read-only; choose another store with ABLATE_HOME.",
}


@contextmanager
def guarded(action: str, path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a ``StoreError`` that names the file, the reason and what to do.

    Args:
        action: A verb phrase such as ``"write"``.
        path: The file or directory that is touched.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = _HINTS.get(error.errno or 0, "")
        raise StoreError(f"cannot {action} {path}: {reason}. {hint}".rstrip()) from error


def make_dir(path: Path) -> Path:
    """Create a directory and its parents; an existing one is fine."""
    with guarded("create", path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def replacing(path: Path, *, force: bool = True) -> Iterator[BinaryIO]:
    """Replace a file atomically by what the caller writes; an error inside leaves the old file as it was.

    Args:
        path: The file; its directory must exist.
        force: Wait until the disk has it. False for files that only help to watch, such as heartbeats.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with guarded("write", path):
        try:
            with beside.open("wb") as file:
                yield file
                if force:
                    file.flush()
                    os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        if force:
            _force_directory(path.parent)


def write_text(path: Path, content: str, *, force: bool = True) -> None:
    """Replace a text file atomically."""
    with replacing(path, force=force) as file:
        file.write(content.encode())


def write_json(path: Path, content: Mapping[str, Any], *, force: bool = True) -> None:
    """Replace a JSON file atomically; non-finite numbers become null."""
    write_text(path, json.dumps(plain(content), indent=1, allow_nan=False) + "\n", force=force)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; None when there is none, or when it cannot be understood (said as a warning)."""
    with guarded("read", path):
        try:
            text = path.read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError:
            text = "\0"
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        logger.warning("%s is damaged and treated as missing", path)
        return None
    return content


def plain(value: Any) -> Any:
    """The value with every non-finite number as None, for JSON that any reader accepts."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_lines(path: Path, start: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Read the whole lines of a journal.

    Args:
        path: The journal; a missing one has no lines.
        start: Byte to start at: the place an earlier call returned.

    Returns:
        One dict per line, and the byte after the last whole line. A last line without its end is left for the next
        call; a damaged line is dropped with a warning.
    """
    with guarded("read", path):
        try:
            with path.open("rb") as file:
                file.seek(start)
                content = file.read()
        except FileNotFoundError:
            return [], start
    whole, end, _ = content.rpartition(b"\n")
    rows = []
    for line in whole.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict):
            rows.append(row)
        else:
            logger.warning("%s: a damaged line is ignored", path)
    return rows, start + len(whole) + len(end)


class Journal:
    """Append-only lines of JSON, open for writing by one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with guarded("write", path):
            # Unbuffered: a row that was appended is in the file, whoever reads it and however this process ends.
            self._file: BinaryIO = path.open("ab", buffering=0)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add one line per row; non-finite numbers become null."""
        text = "".join(json.dumps(plain(row), separators=(",", ":"), allow_nan=False) + "\n" for row in rows)
        with guarded("write", self.path):
            content = memoryview(text.encode())
            while content:
                content = content[self._file.write(content) :]

    def position(self) -> int:
        """Bytes written so far."""
        return os.fstat(self._file.fileno()).st_size

    def cut(self, position: int) -> None:
        """Forget everything behind a position, a torn last line included."""
        with guarded("write", self.path):
            self._file.truncate(position)

    def force(self) -> None:
        """Wait until the disk has every line."""
        with guarded("write", self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; idempotent."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _force_directory(path: Path) -> None:
    """Make a rename durable; file systems that cannot force a directory are left alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        return
    finally:
        os.close(descriptor)
