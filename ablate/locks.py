"""Locks between processes that end with the process, however it ends (flock).

The driver holds its study's lock; a process that trains holds the locks of its cells. A killed driver's workers live
on for seconds, so "who writes this cell" is answered by the lock, never by a status file.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ablate.durable import guarded, make_dir
from ablate.errors import LockedError


class Lock:
    """One exclusive lock, as a context manager that fails at once when another process holds it."""

    def __init__(self, path: Path, what: str) -> None:
        """Prepare a lock.

        Args:
            path: The lock's file; created when needed and never deleted, because deleting would split the lock.
            what: What is locked, for messages: ``"study `maze`"``.
        """
        self._path = path
        self._what = what
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free."""
        make_dir(self._path.parent)
        with guarded("lock", self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(owner).encode(), 0)
        self._descriptor = descriptor
        return True

    def _try_again(self) -> bool:
        time.sleep(0.2)
        return self.try_acquire()

    def release(self) -> None:
        """Give the lock back; idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        # An observer (`held`) occupies a free lock for microseconds; a driver does so for good.
        if not self.try_acquire() and not self._try_again():
            owner = _owner(self._path)
            by = f"process {owner['pid']} on {owner['host']}" if owner else "another process"
            raise LockedError(f"{self._what} is locked by {by}. Wait for it, or stop it; nothing was changed.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class LockSet:
    """Several locks taken together or not at all, so that two processes never wait for each other."""

    def __init__(self, locks: list[Lock]) -> None:
        self._locks = locks

    def acquire(self, waiting: Callable[[], bool], poll_seconds: float = 0.5) -> bool:
        """Wait until all locks are free, then hold them.

        Args:
            waiting: Called before each pause; returning False gives up.
            poll_seconds: Length of a pause.

        Returns:
            Whether the locks are held.
        """
        while not self._try_all():
            if not waiting():
                return False
            time.sleep(poll_seconds)
        return True

    def release(self) -> None:
        """Give all locks back; idempotent."""
        for lock in self._locks:
            lock.release()

    def _try_all(self) -> bool:
        for lock in self._locks:
            if not lock.try_acquire():
                self.release()
                return False
        return True


def held(path: Path) -> bool:
    """Whether some process holds the lock of this file right now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, so that two observers never mistake each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _owner(path: Path) -> dict[str, Any] | None:
    try:
        owner = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) and {"pid", "host"} <= owner.keys() else None
