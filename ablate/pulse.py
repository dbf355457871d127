"""Signs of life of a pack: a small file once a second, which the driver and ``ablate status`` read."""

import os
import socket
import time
from typing import Any

import psutil

from ablate.store import Json, PackDir

_BEAT_SECONDS = 1.0


class Pulse:
    """Writes ``heartbeat.json``; between two beats it costs a look at the clock."""

    def __init__(self, pack: PackDir, **fixed: Any) -> None:
        """Prepare; the first ``beat`` writes.

        Args:
            pack: Whose heartbeat.
            **fixed: Fields of every beat.
        """
        process = psutil.Process()
        # The creation time tells this process from a later one that got the same pid.
        identity = {"pid": process.pid, "created": process.create_time(), "host": socket.gethostname()}
        self._pack = pack
        self._content: Json = {**identity, **fixed, "phase": "starting", "env_steps": 0, "longest_s": 0.0}
        self._beaten = -_BEAT_SECONDS
        self._last_iteration: float | None = None

    def iteration(self, **content: Any) -> None:
        """An iteration ended. Its length tells a hang from a slow environment: see ``longest_s``."""
        now = time.monotonic()
        if self._last_iteration is not None:
            longest = max(self._content["longest_s"], now - self._last_iteration)
            self._content["longest_s"] = round(longest, 3)
        self._last_iteration = now
        self.beat(**content)

    def beat(self, **content: Any) -> None:
        """Say that this process lives; writes at once when the phase changes, else at most once a second."""
        now = time.monotonic()
        urgent = content.get("phase", self._content["phase"]) != self._content["phase"]
        self._content |= content
        if not urgent and now - self._beaten < _BEAT_SECONDS:
            return
        self._beaten = now
        self._pack.beat({**self._content, "ts": time.time()})


def is_alive(heartbeat: Json) -> bool:
    """Whether the process that wrote a heartbeat still runs on this machine."""
    if heartbeat.get("host") != socket.gethostname():
        return False
    try:
        return bool(abs(psutil.Process(heartbeat["pid"]).create_time() - heartbeat["created"]) < 1.0)
    except (psutil.Error, KeyError):
        return False


def kill(heartbeat: Json) -> bool:
    """Kill the process that wrote a heartbeat if it runs on this machine; whether it was killed."""
    if not is_alive(heartbeat) or heartbeat["pid"] == os.getpid():
        return False
    try:
        psutil.Process(heartbeat["pid"]).kill()
    except psutil.Error:
        return False
    return True
