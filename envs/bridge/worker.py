"""The far side of the bridge: owns a simulator in a process of its own, in whatever Python the simulator needs.

This file alone is started, by its path, as ``PYTHON worker.py CONTROL LIFELINE SLAB`` (three inherited descriptors). It
needs CPython >= 3.7, the standard library, and numpy or torch; it imports nothing of this project.

What a simulator must look like
===============================

A *factory* is named as ``module:factory`` (imported by the other interpreter; the directory the study was started in
comes first on its path) or ``path/file.py:factory`` (its own directory comes first). It is called as::

    factory(num_envs=..., seed=..., device=..., **kwargs)

``num_envs`` is N; ``seed`` an int in [0, 2**31), the only source of random numbers; ``device`` is ``"cpu"`` or
``"cuda:0"``, where the learner's tensors live; ``kwargs`` are the study's (whatever JSON can say). Two simulators made
by the same arguments must play the same episodes. It returns an object with these attributes::

    num_envs            int, the N that was asked for
    device              "cpu" or "cuda:i": where the arrays of step and reset live; the device asked for is a wish
    observation_size    int D > 0
    action_size         int A > 0: actions are float32 [N, A] within [-1, 1] (clipped before they get here); or instead
    num_actions         int > 1: actions are int64 [N] in 0 .. num_actions - 1
    max_episode_steps   int: no episode is longer
    state_size          int C, optional (0): width of what only the critic sees
    metrics             tuple of names, optional (()): numbers per episode beside return and length, "success" say
    arrays              "numpy" or "torch", optional: as what step gets its actions; "numpy" on the CPU, "torch" on CUDA
    exact_state         bool, optional (True): False where load_state_dict restores a part only (a curriculum, say)
    lazy_reset          bool, optional (False): True where a copy that ended is reset in the *next* step only, whose
                        action then acts on a state nobody has seen; obs is then the one the episode ended in

and these methods, whose arrays may be numpy or torch, on any device, and may be the same buffers at every call (they
are copied at once, in the call)::

    reset() -> dict     start every copy from a fresh episode. Keys: obs [N, D]; state [N, C] where state_size > 0
    step(actions) -> dict
        obs             [N, D] numbers: what the policy sees next
        state           [N, C] numbers, where state_size > 0
        reward          [N] numbers
        terminated      [N] bool or integers: the task ended (nothing follows: no bootstrap)
        truncated       [N] bool or integers: time ran out (bootstrap). Where both are set, terminated counts
        final_obs       [N, D] numbers, and final_state [N, C]: what each copy stepped into, before any reset; rows of
                        copies that did not end may hold anything. Not read where lazy_reset is True
        one [N] array of numbers per name in metrics; read only where a copy ended
    state_dict()        optional, with load_state_dict(state): everything needed to continue bit for bit, random
                        generators included; anything pickle can take. Without the pair a resumed run starts fresh
                        episodes: every copy is reported truncated once, at the observation it was last seen in.
    close()             optional
    anything else       may be called by adapters through ``BridgeEnv.call``, with what JSON can say

The worker imports no torch before the factory is called (Isaac Gym wants to be first). ``actions`` is a view of shared
memory: valid, and the simulator's to overwrite, until ``step`` returns. Keys that are not named here are ignored.
``print`` goes to the run's log.

How the two sides talk
======================

Arrays live in one slab (``layout``) that both sides map: anonymous shared memory on the CPU, a CUDA allocation opened
by its IPC handle where simulator and learner share a GPU. Over the control socket go frames of one letter, a length
and mostly no payload; no array does. A step costs two such frames. While a command runs, a heartbeat goes every second.
An error goes as one sentence, its traceback to the log, and the worker ends. The worker also ends, with every process
it started, when the lifeline pipe closes, that is when its parent is gone, however it went.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import fcntl
import functools
import importlib
import importlib.util
import json
import math
import mmap
import os
import pickle
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from typing import Any

numpy: Any = None
with contextlib.suppress(ImportError):  # torch alone will do
    numpy = importlib.import_module("numpy")

PROTOCOL = 1
JOB, MAP, RESET, STEP, SAVE, LOAD, CALL, CLOSE = b"J", b"M", b"R", b"S", b"G", b"L", b"A", b"C"
HELLO, DONE, ERROR, BEAT = b"H", b"K", b"E", b"B"
FRAME = struct.Struct("<cI")
BEAT_SECONDS = 1.0
SPIN_SECONDS = 1e-4
_CHECK_EVERY = 16
"""Steps between two looks at all observations: one costs as much as copying them."""
_LAZY = " (a simulator that resets lazily says so: lazy_reset = True)"


class Refused(Exception):  # noqa: N818 (a finding, sent as a sentence)
    """The simulator is not what it must be; ``fault`` is ``missing`` or ``contract``."""

    def __init__(self, fault: str, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = fault


class Raised(Exception):  # noqa: N818 (a wrapper)
    """The simulator's own code raised; the cause says what."""


def layout(facts: dict[str, Any]) -> tuple[dict[str, tuple[int, str, tuple[int, ...]]], int]:
    """Where each array lies in the slab: name -> (offset in bytes, numpy dtype, shape); and the slab's size."""
    copies = facts["num_envs"]
    discrete = facts["num_actions"] is not None
    rows: list[tuple[str, str, tuple[int, ...]]] = [
        ("actions", "<i8" if discrete else "<f4", (copies,) if discrete else (copies, facts["action_size"])),
        ("obs", "<f4", (copies, facts["observation_size"])),
        ("final_obs", "<f4", (copies, facts["observation_size"])),
        ("state", "<f4", (copies, facts["state_size"])),
        ("final_state", "<f4", (copies, facts["state_size"])),
        ("reward", "<f4", (copies,)),
        ("terminated", "|u1", (copies,)),
        ("truncated", "|u1", (copies,)),
    ]
    rows += [("metric " + name, "<f4", (copies,)) for name in facts["metrics"]]
    places, offset = {}, 0
    for name, dtype, shape in rows:
        size = int(dtype[2])
        for one in shape:
            size *= one
        if size:
            places[name] = (offset, dtype, shape)
        offset += -(-size // 256) * 256
    return places, offset


def cuda_views(torch: Any, pointer: int, device: str, places: dict[str, tuple[int, str, Any]]) -> dict[str, Any]:
    """Tensors over device memory that torch does not own; works with every torch that knows CUDA arrays (>= 1.2)."""

    def view(offset: int, dtype: str, shape: Any) -> Any:
        described = {"shape": shape, "typestr": dtype, "data": (pointer + offset, False), "version": 2}
        found = torch.as_tensor(type("_Memory", (), {"__cuda_array_interface__": described})(), device=device)
        if found.data_ptr() != pointer + offset:
            raise RuntimeError("torch %s copied the shared memory" % torch.__version__)
        return found

    with torch.cuda.device(device):
        return {name: view(*place) for name, place in places.items()}


class CudaHandle(ctypes.Structure):
    """``CUipcMemHandle`` of the CUDA driver, passed by value."""

    _fields_ = [("reserved", ctypes.c_byte * 64)]


def cuda_driver() -> ctypes.CDLL:
    """The driver's own library: the same for every CUDA runtime and every torch on this machine."""
    return ctypes.CDLL("libcuda.so.1")


def cuda_open(torch: Any, device: str, handle: bytes) -> int:
    """Address in this process of an allocation that the other one exported."""
    pointer, theirs = ctypes.c_uint64(), CudaHandle.from_buffer_copy(handle)
    with torch.cuda.device(device):
        torch.zeros(1, device=device)  # makes torch's context the current one
        error = cuda_driver().cuIpcOpenMemHandle_v2(ctypes.byref(pointer), theirs, ctypes.c_uint(1))
    if error:
        raise Refused("contract", "CUDA error %d: the worker cannot open the learner's memory" % error)
    return pointer.value


def poller(control: socket.socket) -> Any:
    """For ``look_out``."""
    found = select.poll()
    found.register(control, select.POLLIN)
    return found


def look_out(readable: Any) -> None:
    """Wait a moment for a frame without sleeping, but leave the core to whoever wants it.

    Waking a core that sleeps takes longer than all else in a short step.
    """
    deadline = time.perf_counter() + SPIN_SECONDS
    while not readable.poll(0) and time.perf_counter() < deadline:
        os.sched_yield()


class Channel:
    """Frames over the control socket; the heartbeat's thread sends, too."""

    def __init__(self, control: socket.socket) -> None:
        self._socket = control
        self._readable = poller(control)
        self._lock = threading.Lock()
        self._busy = False

    def receive(self) -> tuple[bytes, bytes]:
        """The next command; the work on it starts here."""
        look_out(self._readable)
        kind, size = FRAME.unpack(self._exactly(FRAME.size))
        payload = self._exactly(size) if size else b""
        self._busy = True
        return kind, payload

    def answer(self, kind: bytes, payload: bytes = b"") -> None:
        """End the work on a command."""
        with self._lock:
            self._busy = False
            self._socket.sendall(FRAME.pack(kind, len(payload)) + payload)

    def beat(self) -> None:
        """Say that a command is still being worked on; silent between commands, when nobody reads."""
        with self._lock:
            if self._busy:
                self._socket.sendall(FRAME.pack(BEAT, 0))

    def _exactly(self, size: int) -> bytes:
        data = self._socket.recv(size)
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data


def watch(lifeline: int, channel: Channel) -> None:
    """End this process group when the parent is gone; send heartbeats. Runs in a thread of its own.

    A thread cannot run while a simulator's C code holds the interpreter, so the kernel is asked to do the same: it
    sends SIGKILL to the group when the last writer of the lifeline is gone.
    """
    group = os.getpgrp()
    if hasattr(fcntl, "F_SETSIG") and group == os.getpid():
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -group)
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    parent = os.getppid()

    def loop() -> None:
        while not select.select([lifeline], [], [], BEAT_SECONDS)[0] and os.getppid() == parent:
            with contextlib.suppress(OSError):
                channel.beat()
        if group == os.getpid():
            os.killpg(group, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=loop, name="bridge-watch", daemon=True).start()


def load(target: str) -> Any:
    """The factory that ``module:factory`` or ``path/file.py:factory`` names."""
    place, _, name = target.rpartition(":")
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.abspath(sys.path[0] or ".") == here:
        del sys.path[0]  # or a simulator's `import env` would find ours
    is_file = place.endswith(".py")
    if is_file and not os.path.isfile(place):
        raise Refused("missing", "there is no file %s" % place)
    sys.path.insert(0, os.path.dirname(os.path.abspath(place)) if is_file else os.getcwd())
    try:
        module = _file_module(place) if is_file else importlib.import_module(place)
    except ImportError as error:
        told = (sys.executable, place, _first_line(error))
        raise Refused("missing", "%s cannot import %s: %s" % told) from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise Refused("missing", "%s has no factory `%s`" % (place, name)) from None


def _file_module(path: str) -> Any:
    name = os.path.splitext(os.path.basename(path))[0]
    name = name + "_simulator" if name in sys.modules else name
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def facts_of(simulator: Any) -> dict[str, Any]:
    """What the simulator says about itself, as JSON can carry it; the parent judges it."""

    def read(name: str, *default: Any) -> Any:
        try:
            return getattr(simulator, name, *default)
        except AttributeError:
            raise Refused("contract", "the simulator has no attribute `%s`" % name) from None

    def whole(value: Any) -> Any:
        try:
            return value.__index__()
        except (AttributeError, TypeError):
            return value if value is None else repr(value)

    facts = {
        name: whole(read(name, *default))
        for name, *default in (
            ("num_envs",), ("observation_size",), ("max_episode_steps",),
            ("state_size", 0), ("action_size", None), ("num_actions", None),
        )
    }  # fmt: skip
    device, metrics = str(read("device")), read("metrics", ())
    return dict(
        facts,
        protocol=PROTOCOL,
        python="%d.%d.%d" % sys.version_info[:3],
        device="cuda:0" if device == "cuda" else device,
        metrics=[str(one) for one in ([metrics] if isinstance(metrics, str) else metrics)],
        arrays=str(read("arrays", "torch" if device.startswith("cuda") else "numpy")),
        checkpoints=callable(read("state_dict", None)) and callable(read("load_state_dict", None)),
        exact_state=bool(read("exact_state", True)),
        lazy_reset=bool(read("lazy_reset", False)),
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "no message"


@contextlib.contextmanager
def _simulators_own(what: str) -> Any:
    """Anything that goes wrong inside is the simulator's."""
    try:
        yield
    except Refused:
        raise
    except BaseException as error:  # SystemExit, too: the worker must answer
        frames = traceback.extract_tb(error.__traceback__)[1:]
        where = " (%s, line %s)" % (os.path.basename(frames[-1].filename), frames[-1].lineno) if frames else ""
        sentence = "%s raised %s: %s%s" % (what, type(error).__name__, _first_line(error), where)
        raise Raised(sentence) from error


class Slab:
    """The worker's view of the slab: numpy arrays on the CPU (torch where numpy is missing), tensors on CUDA."""

    def __init__(self, facts: dict[str, Any], descriptor: int, cuda_handle: bytes | None) -> None:
        self._places, size = layout(facts)
        self._check_finite = True
        self._steps = 0
        self._torch: Any = None
        self._sim_device = facts["device"]
        if facts["arrays"] == "torch" or cuda_handle is not None or numpy is None:
            self._torch = importlib.import_module("torch")
        if cuda_handle is not None:
            pointer = cuda_open(self._torch, facts["device"], cuda_handle)
            self.views = cuda_views(self._torch, pointer, facts["device"], self._places)
        else:
            memory = mmap.mmap(descriptor, size)
            self.views = {name: self._host_view(memory, *place) for name, place in self._places.items()}
        self._on_cuda = cuda_handle is not None
        self._is_torch = self._on_cuda or numpy is None
        actions = self.views["actions"]
        if facts["arrays"] == "torch" and not self._is_torch:
            actions = self._torch.from_numpy(actions)
        self._actions = actions
        self._copy_actions = facts["arrays"] == "torch" and facts["device"] != "cpu" and not self._on_cuda

    def actions(self) -> Any:
        """What ``step`` is to get."""
        return self._actions.to(self._sim_device) if self._copy_actions else self._actions

    def write(self, name: str, value: Any, kind: str, place: str | None = None) -> None:
        """Copy an array that the simulator returned; ``kind`` is ``number``, ``flag`` or ``final``."""
        view = self.views[place or name]
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        if shape is None or dtype is None:
            what = type(value).__name__
            raise Refused("contract", "`%s` is a %s, not an array of numpy or torch" % (name, what))
        if shape != view.shape:
            raise Refused("contract", "`%s` has the shape %s, not %s" % (name, tuple(shape), tuple(view.shape)))
        found = _kind_of(dtype)
        if found is None or (kind == "flag" and found == "number"):
            wanted = "bool or integers" if kind == "flag" else "numbers"
            raise Refused("contract", "`%s` holds %s, not %s" % (name, str(dtype).replace("torch.", ""), wanted))
        if kind == "flag" and found != "bool":
            value = value != 0
        if self._is_torch:
            view.copy_(value if hasattr(value, "detach") else self._torch.as_tensor(value))
            return
        value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
        if kind == "final":  # nobody reads the other rows, and mostly there are none
            ended = self.views["terminated"] | self.views["truncated"]
            if ended.any():
                rows = ended.nonzero()[0]
                view[rows] = value[rows]
        else:
            view[...] = value

    def finish_step(self) -> None:
        """Complain once about numbers that are not finite, and wait until everything is written."""
        self._steps += 1
        if self._check_finite:
            self._check("reward")
            if self._steps % _CHECK_EVERY == 0:
                self._check("obs")
        self.synchronize()

    def synchronize(self) -> None:
        """Wait until the device has written everything; nothing to do on the CPU."""
        if self._on_cuda:
            self._torch.cuda.synchronize(self._sim_device)

    def _check(self, name: str) -> None:
        """A sum is finite only if its terms are, and costs a fraction of looking at each."""
        values = self.views[name]
        library = self._torch if self._is_torch else numpy
        with contextlib.nullcontext() if self._is_torch else numpy.errstate(all="ignore"):
            if math.isfinite(float(values.sum())) or bool(library.isfinite(values).all()):
                return
        self._check_finite = False
        said = "bridge: step %d: the simulator's `%s` is not finite; a learner that meets it diverges\n"
        sys.stderr.write(said % (self._steps, name))

    def _host_view(self, memory: mmap.mmap, offset: int, dtype: str, shape: tuple[int, ...]) -> Any:
        count = 1
        for one in shape:
            count *= one
        if numpy is not None:
            return numpy.frombuffer(memory, dtype=dtype, count=count, offset=offset).reshape(shape)
        torch = self._torch
        kind = {"<f4": torch.float32, "<i8": torch.int64, "|u1": torch.uint8}[dtype]
        return torch.frombuffer(memory, dtype=kind, count=count, offset=offset).reshape(shape)


@functools.lru_cache(maxsize=None)
def _kind_of(dtype: Any) -> str | None:
    """``bool``, ``int`` or ``number`` (real, floating), or None for anything else."""
    name = str(dtype).replace("torch.", "")
    if name.startswith(("float", "bfloat")):
        return "number"
    if name == "bool":
        return "bool"
    return "int" if name.startswith(("int", "uint")) else None


def serve(channel: Channel, descriptor: int) -> None:
    """Build the simulator, then do what the parent says until it says ``CLOSE``."""
    kind, payload = channel.receive()
    job = json.loads(payload.decode())
    if numpy is None and importlib.util.find_spec("torch") is None:
        raise Refused("missing", "%s has neither numpy nor torch" % sys.executable)
    with _simulators_own("importing %s" % job["target"]):
        factory = load(job["target"])
    with _simulators_own("the factory"):
        arguments = dict(job["kwargs"], num_envs=job["num_envs"], seed=job["seed"], device=job["device"])
        simulator = factory(**arguments)
        facts = facts_of(simulator)
    channel.answer(HELLO, json.dumps(facts).encode())
    slab: Any = None
    wanted = _wanted(facts)
    try:
        while True:
            kind, payload = channel.receive()
            if kind == STEP:
                _step(simulator, slab, wanted)
                channel.answer(DONE)
            elif kind == RESET:
                _reset(simulator, slab, wanted[: 2 if facts["state_size"] else 1])
                channel.answer(DONE)
            elif kind == MAP:
                order = json.loads(payload.decode())
                handle = bytes.fromhex(order["cuda_handle"]) if order["cuda_handle"] else None
                slab = Slab(facts, descriptor, handle)
                channel.answer(DONE)
            elif kind == SAVE:
                with _simulators_own("state_dict"):
                    saved = pickle.dumps(simulator.state_dict(), protocol=4)
                channel.answer(DONE, saved)
            elif kind == LOAD:
                with _simulators_own("load_state_dict"):
                    simulator.load_state_dict(pickle.loads(payload))
                channel.answer(DONE)
            elif kind == CALL:
                order = json.loads(payload.decode())
                with _simulators_own(order["method"]):
                    found = json.dumps(getattr(simulator, order["method"])(*order["arguments"])).encode()
                channel.answer(DONE, found)
            elif kind == CLOSE:
                return
    finally:
        with _simulators_own("close"):
            getattr(simulator, "close", lambda: None)()


def _reset(simulator: Any, slab: Slab, wanted: list[tuple[str, str, str]]) -> None:
    with _simulators_own("reset"):
        returned = simulator.reset()
    _write_all(slab, returned, "reset", wanted)
    slab.synchronize()


def _step(simulator: Any, slab: Slab, wanted: list[tuple[str, str, str]]) -> None:
    with _simulators_own("step"):
        returned = simulator.step(slab.actions())
    _write_all(slab, returned, "step", wanted)
    slab.finish_step()


def _wanted(facts: dict[str, Any]) -> list[tuple[str, str, str]]:
    """``(key, place in the slab, kind)`` of everything that a step must return; ``obs`` and ``state`` first."""
    kinds = ("obs", "state") if facts["state_size"] else ("obs",)
    wanted = [(name, name, "number") for name in kinds]
    wanted += [("reward", "reward", "number"), ("terminated", "terminated", "flag"), ("truncated", "truncated", "flag")]
    wanted += [] if facts["lazy_reset"] else [("final_" + name, "final_" + name, "final") for name in kinds]
    return wanted + [(name, "metric " + name, "number") for name in facts["metrics"]]


def _write_all(slab: Slab, returned: Any, method: str, wanted: list[tuple[str, str, str]]) -> None:
    if not isinstance(returned, dict):
        raise Refused("contract", "%s returned a %s, not a dict" % (method, type(returned).__name__))
    for name, place, kind in wanted:
        if name not in returned:
            raise Refused("contract", "%s returned no `%s`%s" % (method, name, _LAZY if "final" in name else ""))
        slab.write(name, returned[name], kind, place)


def main() -> int:
    """Serve the parent; 0 when it said goodbye, 1 after an error (which it was told)."""
    control, lifeline, descriptor = (int(one) for one in sys.argv[1:4])
    faulthandler.enable()  # a crash in C code then leaves a traceback in the log
    channel = Channel(socket.socket(fileno=control))
    watch(lifeline, channel)
    try:
        serve(channel, descriptor)
    except EOFError:
        return 1  # the parent is gone
    except Exception as error:
        traceback.print_exc()
        fault = error.fault if isinstance(error, Refused) else "raised"
        cause = type(error.__cause__).__name__ if error.__cause__ is not None else None
        channel.answer(ERROR, json.dumps({"fault": fault, "sentence": str(error), "cause": cause}).encode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
