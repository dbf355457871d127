"""What can go wrong on the other side of the bridge; each message is one sentence that names the simulator.

::

    BridgeError
      InterpreterError          not there, not Python, or too old
      SimulatorMissingError     no such file, module or factory
      SimulatorContractError    wrong attributes, keys, shapes or dtypes
      SimulatorError            its code raised
      SimulatorMemoryError      ... because memory ran out   (a MemoryError)
      WorkerDiedError           its process ended            (a ConnectionError)
      WorkerHungError           no answer within the limit   (a TimeoutError)

The last three are faults of the machine as far as anybody can know: a pack tries again (``ablate.faults`` tells them by
the builtin type). The others would come again.
"""


class BridgeError(Exception):
    """Something is wrong with a simulator in another interpreter."""


class InterpreterError(BridgeError):
    """The interpreter is not there, is no Python, or is too old."""


class SimulatorMissingError(BridgeError):
    """The interpreter cannot find the simulator."""


class SimulatorContractError(BridgeError):
    """The simulator is not what ``envs/bridge/worker.py`` says it must be."""


class SimulatorError(BridgeError):
    """The simulator's own code raised; its traceback is in the log."""


class SimulatorMemoryError(BridgeError, MemoryError):
    """The simulator ran out of memory, on the host or on the GPU."""


class WorkerDiedError(BridgeError, ConnectionError):
    """The worker's process ended without a word."""


class WorkerHungError(BridgeError, TimeoutError):
    """The worker did not answer in time."""


def from_worker(name: str, *, fault: str, sentence: str, cause: str | None) -> BridgeError:
    """The error that a worker reported, as ours.

    Args:
        name: The simulator, as a study writes it.
        fault: ``missing``, ``contract`` or ``raised``.
        sentence: What the worker says.
        cause: Name of the exception's type where the simulator raised one.
    """
    text = f"`{name}`: {sentence}"
    if fault == "missing":
        return SimulatorMissingError(text)
    if fault == "contract":
        return SimulatorContractError(text)
    # torch said "CUDA out of memory" in a plain RuntimeError before it had a type for it.
    if cause in ("MemoryError", "OutOfMemoryError") or "out of memory" in sentence.lower():
        return SimulatorMemoryError(text)
    return SimulatorError(text)
