"""Writes one cell's files while its pack trains: rows, status, attempts."""

import math
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from ablate.durable import Journal
from ablate.store import FINISHED, CellDir, Json, PackDir, State

LOST = "its process ended without a word (killed, or out of memory)"


class CellWriter:
    """One seed of a pack. Writes only while the cell is live: from ``start`` until it is done, failed or left."""

    def __init__(self, cell: CellDir, pack: PackDir, *, seed: int, share: float) -> None:
        """Look the cell up; a finished one is never written again.

        Args:
            cell: Its files.
            pack: The pack that trains it.
            seed: For messages.
            share: This cell's share of the pack's wall time: 1 / K.
        """
        self.cell = cell
        self.seed = seed
        self._pack = pack
        self._share = share
        self._before = cell.status() or {}
        self.live = self._before.get("state") not in FINISHED
        self.attempt = 0
        self._status: Json = {}
        self._journal: Journal | None = None

    def is_shorter_than(self, journals: Mapping[str, int]) -> bool:
        """Whether the journal lacks lines that a checkpoint vouches for."""
        path = self.cell.journal_path
        return self.cell.hash not in journals or journals[self.cell.hash] > (
            path.stat().st_size if path.exists() else 0
        )

    def start(self, keep: int | None) -> None:
        """Begin an attempt.

        Args:
            keep: Bytes of the journal that the checkpoint vouches for; None without one: the cell starts again.
        """
        self.attempt = self._close_lost_attempt() + 1
        self._journal = Journal(self.cell.journal_path)
        self._journal.cut(keep or 0)
        now = time.time()
        first = self._before.get("started", now) if keep is not None else now
        self._status = {
            "state": "RUNNING",
            "pack": self._pack.id,
            "attempt": self.attempt,
            "error": None,
            "env_steps": 0,
            "started": first,
            "ended": None,
            "describe": {},
            "checks": [],
            "wall_s": 0.0,
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }
        self._attempt_started = now
        self._write()

    def describe(self, facts: Mapping[str, float]) -> None:
        """Record what could confound a comparison, see ``Trainer.describe``."""
        self._status["describe"] = dict(facts)
        self._write()

    def row(self, env_steps: int, metrics: Mapping[str, float]) -> None:
        """Add a row to the journal."""
        assert self._journal is not None
        self._journal.append(
            [{"env_steps": env_steps, "ts": round(time.time(), 3), "attempt": self.attempt, **_tidy(metrics)}]
        )

    def position(self) -> int:
        """Bytes in the journal, all of them on disk."""
        assert self._journal is not None
        self._journal.force()
        return self._journal.position()

    def saved(self, env_steps: int, wall_s: float) -> None:
        """A checkpoint vouches for everything so far."""
        self._status |= {"env_steps": env_steps, "wall_s": wall_s * self._share}
        self._write()

    def end(
        self, state: State, env_steps: int, wall_s: float, error: str | None = None, checks: tuple[str, ...] = ()
    ) -> None:
        """End the attempt; the cell is not live any more.

        Args:
            state: DONE, FAILED or INTERRUPTED.
            env_steps: Transitions the seed has seen.
            wall_s: Seconds the pack has trained so far.
            error: Why, unless DONE.
            checks: Failed manipulation checks.
        """
        if self._journal is not None and state != "INTERRUPTED":
            self._journal.force()
        self.close()
        self.live = False
        self._status |= {
            "state": state,
            "error": error,
            "env_steps": env_steps,
            "ended": time.time(),
            "checks": list(checks),
            "wall_s": wall_s * self._share,
        }
        self._write()
        self.cell.add_attempt(
            {
                "attempt": self.attempt,
                "pack": self._pack.id,
                "started": self._attempt_started,
                "ended": self._status["ended"],
                "state": state,
                "error": error,
                "host": socket.gethostname(),
                "pid": os.getpid(),
            }
        )

    def close(self) -> None:
        """Close the journal; idempotent."""
        if self._journal is not None:
            self._journal.close()

    def _write(self) -> None:
        self.cell.write_status(self._status)

    def _close_lost_attempt(self) -> int:
        """Put the previous attempt on record if its process could not; return the number of the last attempt."""
        recorded = max((one.get("attempt", 0) for one in self.cell.attempts()), default=0)
        last: int = self._before.get("attempt", recorded)
        if last > recorded:
            self.cell.add_attempt(lost_attempt(self.cell, self._before))
        return max(last, recorded)


def lost_attempt(cell: CellDir, status: Mapping[str, Any]) -> Json:
    """The record of an attempt whose process could not write it; its last sign of life is its last row."""
    rows = cell.rows()
    return {
        "attempt": status.get("attempt"),
        "pack": status.get("pack"),
        "started": status.get("started"),
        "ended": rows[-1].get("ts") if rows else status.get("started"),
        "state": "INTERRUPTED",
        "error": LOST,
        "host": status.get("host"),
        "pid": status.get("pid"),
    }


def _tidy(metrics: Mapping[str, float]) -> dict[str, Any]:
    """Whole numbers without a fraction, so that journals stay short and readable; the rest with every digit."""
    return {
        key: int(value) if math.isfinite(value) and value == int(value) and abs(value) < 2**53 else value
        for key, value in metrics.items()
    }
