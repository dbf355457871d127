"""The worker's process as its parent sees it: started, spoken to with a time limit, and never left behind."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from typing import NoReturn

from envs.bridge import worker
from envs.bridge.errors import WorkerDiedError, WorkerHungError, from_worker

_LOOK_SECONDS = 1.0
"""How often a waiting parent looks whether the worker is there: a process it forked may hold the socket open."""
_GOODBYE_SECONDS = 10.0
"""How long a simulator may take to close before its process is killed."""


class WorkerProcess:
    """A worker and the control channel to it; ended with ``close``, by garbage collection, or with this process.

    Attributes:
        name: The simulator, as a study writes it.
        pid: The worker's process, the leader of a process group of its own.
        slab: Descriptor of the shared memory; it has no name, so nothing can be left in ``/dev/shm``.
    """

    def __init__(self, name: str, python: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self.slab = _nameless_memory()
        self._socket, theirs = socket.socketpair()
        lifeline, kept = os.pipe()
        command = [python, "-u", worker.__file__, str(theirs.fileno()), str(lifeline), str(self.slab)]
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONHOME"}
        log = _log_descriptor()
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(), lifeline, self.slab),
                env={**inherited, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except BaseException:
            self._socket.close()
            os.close(kept)
            os.close(self.slab)
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        self.pid = self._process.pid
        self._socket.settimeout(_LOOK_SECONDS)
        self._readable = worker.poller(self._socket)
        self._received = bytearray()
        self._heartbeat = time.monotonic()
        self._doing = ""
        self._finalizer = weakref.finalize(self, _end, os.getpid(), self._process, self._socket, kept, self.slab)

    @property
    def closed(self) -> bool:
        """Whether the worker was ended."""
        return not self._finalizer.alive

    def request(self, kind: bytes, payload: bytes, seconds: float, doing: str) -> bytes:
        """Send a command and wait for its answer.

        Args:
            kind: One of the worker's commands.
            payload: What goes with it.
            seconds: Longest time to wait.
            doing: What this is, for an error: ``step 17``.

        Raises:
            BridgeError: What the worker reported, or that it died or did not answer; it is ended then.
        """
        self.begin(kind, payload, seconds, doing)
        return self.finish(seconds)

    def begin(self, kind: bytes, payload: bytes, seconds: float, doing: str) -> None:
        """Send a command; ``finish`` waits for its answer."""
        self._doing = doing
        if self.closed:
            raise WorkerDiedError(f"`{self.name}`: the simulator's worker has ended already.")
        self._heartbeat = time.monotonic()
        data = memoryview(worker.FRAME.pack(kind, len(payload)) + payload)
        deadline = self._heartbeat + seconds
        while data:
            try:
                data = data[self._socket.send(data) :]
            except TimeoutError:
                self._check_there(seconds, deadline)
            except OSError:
                self._raise_died()

    def finish(self, seconds: float) -> bytes:
        """Wait for the answer to what ``begin`` sent."""
        deadline = time.monotonic() + seconds
        worker.look_out(self._readable)
        while True:
            kind, payload = self._frame(seconds, deadline)
            if kind == worker.BEAT:
                self._heartbeat = time.monotonic()
            elif kind == worker.ERROR:
                self._kill()
                raise from_worker(self.name, **json.loads(payload))
            else:
                return payload

    def close(self) -> None:
        """Let the simulator close, then end the worker and every process it started; idempotent."""
        self._finalizer()

    def _frame(self, seconds: float, deadline: float) -> tuple[bytes, bytes]:
        """The next whole frame, whatever pieces it comes in."""
        received, header = self._received, worker.FRAME.size
        while True:
            if len(received) >= header:
                kind, size = worker.FRAME.unpack_from(received)
                if len(received) >= header + size:
                    payload = bytes(received[header : header + size])
                    del received[: header + size]
                    return kind, payload
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                self._check_there(seconds, deadline)
                continue
            except OSError:
                data = b""
            if not data:
                self._raise_died()
            received += data

    def _check_there(self, seconds: float, deadline: float) -> None:
        """Raise when the worker is gone, or its time is up."""
        if _exit_status(self._process) is not None:
            self._raise_died()
        if time.monotonic() < deadline:
            return
        silent = time.monotonic() - self._heartbeat
        state = (
            "its heart beats, so the simulator waits for something or is slow"
            if silent < 3 * worker.BEAT_SECONDS
            else f"its last heartbeat came {silent:.0f} s ago, so the simulator's native code hangs or it was stopped"
        )
        self._kill()
        raise WorkerHungError(
            f"`{self.name}`: the simulator's worker (pid {self.pid}) did not finish {self._doing} within {seconds:g} s "
            f"and was killed; {state}."
        )

    def _raise_died(self) -> NoReturn:
        status, deadline = _exit_status(self._process), time.monotonic() + _GOODBYE_SECONDS
        while status is None and time.monotonic() < deadline:
            time.sleep(0.01)
            status = _exit_status(self._process)
        self._kill()
        if status is None:
            how = "closed its control channel"
        elif status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        else:
            how = f"ended with exit status {status}"
        raise WorkerDiedError(
            f"`{self.name}`: the simulator's worker (pid {self.pid}) {how} during {self._doing}; "
            "what it printed is in the log."
        )

    def _kill(self) -> None:
        """End it without a goodbye."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._finalizer()


def _end(owner: int, process: "subprocess.Popen[bytes]", control: socket.socket, lifeline: int, slab: int) -> None:
    """Say goodbye, wait a moment, then kill the whole process group; its leader is reaped last, so the id is ours."""
    if os.getpid() != owner:
        return  # a fork of ours ends; the worker is not its own
    with contextlib.suppress(OSError):
        control.settimeout(_LOOK_SECONDS)
        control.sendall(worker.FRAME.pack(worker.CLOSE, 0))
    deadline, pause = time.monotonic() + _GOODBYE_SECONDS, 0.001
    while _exit_status(process) is None and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(2 * pause, 0.1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    control.close()
    os.close(lifeline)
    os.close(slab)


def _exit_status(process: "subprocess.Popen[bytes]") -> int | None:
    """As ``Popen.poll``, but the process stays a zombie: until it is reaped nobody else can get its id."""
    if process.returncode is not None:
        return process.returncode
    try:
        found = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return process.poll() or 0
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _nameless_memory() -> int:
    """A descriptor of shared memory without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("ablate-bridge")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _log_descriptor() -> int:
    """Where this process's messages go: a pack's log, where one captures them."""
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return 2
