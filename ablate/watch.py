"""The driver's eyes while packs train: shows progress, says each failure when it happens, kills what hangs."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ablate.executor import kill_hung
from ablate.packing import Pack
from ablate.progress import Progress
from ablate.standing import CellStanding, Observer, Standing
from ablate.store import Store

_LOOK_SECONDS = 0.5
_HANG_LOOKS = 10
_LOG_LINES = 8


class Watch(threading.Thread):
    """Looks at the store twice a second; it never waits for a pack and no pack waits for it."""

    def __init__(
        self,
        store: Store,
        manifest: Mapping[str, Any],
        packs: Sequence[Pack],
        progress: Progress,
        *,
        hang_seconds: float,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; ``start`` begins.

        Args:
            store: Where the packs write.
            manifest: What the study asks for.
            packs: What this invocation trains.
            progress: Where to show it.
            hang_seconds: See ``kill_hung``.
            on_failure: Called once for each new failure, e.g. to stop everything.
        """
        super().__init__(name="watch", daemon=True)
        self._store = store
        self._packs = list(packs)
        self._trained = {cell.hash for pack in packs for cell in pack.cells}
        self._observer = Observer(store, manifest)
        self._progress = progress
        self._hang_seconds = hang_seconds
        self._on_failure = on_failure
        self._done = threading.Event()
        standing = self._observer.look()
        self._said = {cell.hash for cell in standing.cells if cell.state == "FAILED"}
        self._seen: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._began = time.time()

    def run(self) -> None:
        """Look until ``finish``."""
        looks = 0
        while not self._done.wait(_LOOK_SECONDS):
            self._look()
            looks += 1
            if looks % _HANG_LOOKS == 0:
                for pack in kill_hung(self._packs, self._store, self._hang_seconds):
                    self._progress.say(f"{pack.name} gave no sign of life for too long: its process was killed.")

    def finish(self) -> Standing:
        """Stop, and look once more so that the last failure is said, too."""
        self._done.set()
        if self.is_alive():
            self.join()
        return self._look()

    def _look(self) -> Standing:
        standing = self._observer.look()
        self._say_failures([cell for cell in standing.cells if cell.hash in self._trained])
        self._say_retries()
        self._progress.update(standing)
        return standing

    def _say_failures(self, cells: list[CellStanding]) -> None:
        """One message per pack and reason: an error of the program fails all its seeds at once.

        Their statuses are written one after the other, so a new failure waits for the next look.
        """
        groups: dict[tuple[str | None, str | None], list[CellStanding]] = defaultdict(list)
        for cell in cells:
            if cell.state == "FAILED" and cell.hash not in self._said:
                groups[cell.pack, cell.error].append(cell)
        for (pack, error), failed in groups.items():
            new = {cell.hash for cell in failed} - self._seen
            if new and not self._done.is_set():
                self._seen |= new
                continue
            self._said |= {cell.hash for cell in failed}
            self._progress.say(failure(self._store, pack, error, failed))
            self._on_failure()

    def _say_retries(self) -> None:
        """A higher number of the attempt means that a process was lost and its pack began again."""
        for pack in self._packs:
            beat = self._store.pack(pack.id).heartbeat() or {}
            attempt = beat.get("attempt")
            if attempt is None or beat["ts"] < self._began:
                continue
            if attempt > self._attempts.get(pack.id, attempt):
                self._progress.say(f"{pack.name}: its process was lost; attempt {attempt} goes on from the checkpoint.")
            self._attempts[pack.id] = attempt


def failure(store: Store, pack: str | None, error: str | None, cells: Sequence[CellStanding]) -> str:
    """A failure as people need it: what, why, the end of the log, how to try again."""
    seeds = ", ".join(str(cell.seed) for cell in cells)
    head = f"FAILED {cells[0].arm}, seed{'s' if len(cells) > 1 else ''} {seeds}: {error}"
    tail = [f"  | {one}" for one in store.pack(pack).log_tail(_LOG_LINES)] if pack else []
    first = cells[0].hash
    return "\n".join([head, *tail, f"  More: ablate logs {first}   Try again: ablate run --rerun failed"])
