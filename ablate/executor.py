"""What runs packs: the interface, the in-process executor, and what every executor leaves behind.

An executor starts processes and tries again after infrastructure faults. Whether a cell is done is never its word: only
the status files decide (a scheduler returns normally from an interrupt, and from a trial that hung).
"""

import contextlib
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, Self

from ablate import locks, pulse
from ablate.cell_writer import LOST, lost_attempt
from ablate.packing import Capacity, Pack, Slots
from ablate.signals import StopRequest
from ablate.store import Store


class Executor(Protocol):
    """Runs packs. A context manager: entering may connect to a cluster, leaving stops everything it started."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def capacity(self) -> Capacity:
        """What there is to share out."""
        ...

    def run(self, packs: Sequence[Pack], shares: Slots, stop: StopRequest) -> list[str]:
        """Train packs in their order until all have ended or a stop is requested.

        Args:
            packs: Already written to the store.
            shares: Of the capacity, per pack.
            stop: Looked at before each pack; running packs hear of it through their stop files.

        Returns:
            What went wrong outside the packs' own records, one sentence each.
        """
        ...


class SerialExecutor:
    """One pack after the other in this process: for tiny studies, debugging and tests."""

    def __init__(self, store: Store, *, retries: int) -> None:
        self._store = store
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def capacity(self) -> Capacity:
        """This machine: one pack at a time on all its cores."""
        import torch

        return Capacity(cpus=os.cpu_count() or 1, gpus=float(torch.cuda.device_count()))

    def run(self, packs: Sequence[Pack], shares: Slots, stop: StopRequest) -> list[str]:
        """Train packs in their order."""
        from ablate.pack import run_pack

        problems: list[str] = []
        for pack in packs:
            for _ in range(self._retries + 1):
                if stop.requested:
                    return problems
                try:
                    run_pack(self._store.pack(pack.id).path, self._store.home, own_process=False)
                    break
                except Exception as error:  # run_pack raises infrastructure faults only
                    last = error
            else:
                problems.append(f"{pack.name}: {last}")
        return problems


def settle(packs: Iterable[Pack], store: Store) -> None:
    """Mark what a killed process left RUNNING as INTERRUPTED, once nobody works on it any more."""
    for pack in packs:
        for cell in pack.cells:
            place = store.cell(cell.hash)
            status = place.status()
            ours = status is not None and status.get("state") == "RUNNING" and status.get("pack") == pack.id
            if status is None or not ours or not _wait_for_lock(place.path / "lock"):
                continue
            status = place.status() or status
            if status["state"] == "RUNNING":
                place.write_status({**status, "state": "INTERRUPTED", "ended": time.time(), "error": LOST})
                place.add_attempt(lost_attempt(place, status))


def request_stop(packs: Iterable[Pack], store: Store) -> None:
    """Tell every pack to checkpoint and leave."""
    for pack in packs:
        with contextlib.suppress(OSError):
            store.pack(pack.id).stop_path.touch()


def kill_all(packs: Iterable[Pack], store: Store) -> None:
    """Kill the processes of every pack on this machine."""
    for pack in packs:
        beat = store.pack(pack.id).heartbeat()
        if beat is not None and beat.get("phase") != "ended":
            pulse.kill(beat)


def kill_hung(packs: Iterable[Pack], store: Store, limit_seconds: float) -> list[Pack]:
    """Kill processes that gave no sign of life for too long; the scheduler then tries their packs again.

    Args:
        packs: What to look at.
        store: Where the heartbeats lie.
        limit_seconds: A pack may be silent this long, or ten times its longest iteration if that is more.

    Returns:
        The packs whose process was killed.
    """
    killed = []
    for pack in packs:
        beat = store.pack(pack.id).heartbeat()
        if beat is None or beat.get("phase") == "ended":
            continue
        silent = time.time() - beat["ts"]
        if silent > max(limit_seconds, 10 * beat.get("longest_s", 0.0)) and pulse.kill(beat):
            killed.append(pack)
    return killed


def _wait_for_lock(path: Path, seconds: float = 5.0) -> bool:
    """Whether a lock is free, giving orphans of a killed driver the seconds they live on."""
    deadline = time.monotonic() + seconds
    while locks.held(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
