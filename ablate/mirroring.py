"""Keeps the mirror in MLflow going beside a run, and out of its way.

A thread of the driver makes at most one call a second. Whatever MLflow does (down, slow, refusing) is said once,
loudly, and never reaches the training; ``ablate sync`` rebuilds the mirror from the cells at any later time.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ablate.faults import sentence
from ablate.manifest import every_cell
from ablate.store import FINISHED, Store
from ablate.tracking import Mirror

CALL_SECONDS = 1.0
"""Time between two calls during a run."""
_RETRY_SECONDS = (5.0, 15.0, 30.0, 60.0)
_JOIN_SECONDS = 45.0

Say = Callable[[str], None]


class Mirroring(threading.Thread):
    """Mirrors a study while it runs."""

    def __init__(self, store: Store, manifest: Mapping[str, Any], say: Say) -> None:
        """Prepare; ``start`` begins.

        Args:
            store: Where the cells lie.
            manifest: What the study asks for.
            say: Prints a warning.
        """
        super().__init__(name="mlflow-mirror", daemon=True)
        self._store = store
        self._mirror = Mirror(store, manifest)
        self.say = say
        self._done = threading.Event()
        self._connected = False
        self._warned = False

    def run(self) -> None:
        """Mirror until ``finish``; after an error wait, then start from what MLflow really holds."""
        failures = 0
        while not self._done.is_set():
            try:
                self._connect()
                for _ in self._mirror.calls():
                    failures = 0
                    if self._done.wait(CALL_SECONDS):
                        return
                self._done.wait(CALL_SECONDS)
            except Exception as error:  # whatever MLflow raises: training goes on
                self._connected = False
                self._warn(error)
                self._done.wait(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                failures += 1

    def finish(self, status: str, note: str, report: Path | None) -> dict[str, str] | None:
        """Send what is left and close all runs.

        Args:
            status: The parent's: ``FINISHED``, ``FAILED`` or ``KILLED``.
            note: Markdown for the parent's page.
            report: Directory of artifacts for the parent.

        Returns:
            Links to open; None when the mirror is incomplete (said as a warning).
        """
        self._done.set()
        if self.is_alive():
            self.join(_JOIN_SECONDS)
        if self.is_alive():
            self._warn(TimeoutError(f"no answer for {_JOIN_SECONDS:.0f} s"))
            return self._record(None)
        try:
            self._connect()
            for _ in self._mirror.calls(final=True):
                pass
            self._mirror.finish(status, note, report)
        except Exception as error:  # whatever MLflow raises
            self._warned = False
            self._warn(error)
            return self._record(None)
        return self._record(self._mirror.links())

    def follow(self, manifest: Mapping[str, Any]) -> None:
        """Mirror what a later manifest of the same study names, too."""
        self._mirror.follow(manifest)

    def _connect(self) -> None:
        if not self._connected:
            self._mirror.connect()
            self._connected = True

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            self.say(
                f"WARNING: MLflow at {self._mirror.uri} cannot be written ({sentence(error)[:200]}). "
                f"Training goes on; `ablate sync` fills the gap later."
            )

    def _record(self, links: dict[str, str] | None) -> dict[str, str] | None:
        """Remember whether the mirror is complete, so that a run with nothing to do need not ask MLflow."""
        self._store.study(self._mirror.study).write_mirror(
            {"complete": links is not None, "uri": self._mirror.uri, "links": links or {}, "ts": time.time()}
        )
        return links


def mirror_now(store: Store, manifest: Mapping[str, Any], say: Say) -> dict[str, str] | None:
    """Mirror a study outside a run.

    Returns:
        Links to open; None when MLflow could not be written (said as a warning).
    """
    place = store.study(manifest["study"])
    states = [store.cell(entry["hash"]).state() for entry in every_cell(manifest)]
    ended = all(state in FINISHED for state in states)
    status = "KILLED" if not ended else "FAILED" if "FAILED" in states else "FINISHED"
    summary = place.report / "summary.md"
    note = summary.read_text(encoding="utf-8") if summary.exists() else "No report yet."
    return Mirroring(store, manifest, say).finish(status, note, place.report)
