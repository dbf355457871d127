"""Which errors are the machine's and which are the experiment's.

The machine's are tried again; the experiment's would come again, so the cell FAILED for good and says why.
"""

import errno

from ablate.errors import AblateError

_OF_THE_MACHINE = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENODEV,
        errno.ESTALE, errno.EAGAIN, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ENXIO, errno.EFBIG,
    }
)  # fmt: skip


def is_infrastructure(error: BaseException) -> bool:
    """Whether another try may succeed: memory, devices, disks, connections, other processes."""
    if isinstance(error, AblateError | MemoryError | ConnectionError | EOFError | TimeoutError):
        return True
    if isinstance(error, OSError):
        return error.errno in _OF_THE_MACHINE
    # torch's own types are told by name, so that this file needs no torch: an out-of-memory error may be another
    # process's doing, and after an asynchronous CUDA error the process is lost, whatever the cause.
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"OutOfMemoryError", "AcceleratorError"}) or "CUDA error" in str(error)


def sentence(error: BaseException) -> str:
    """One line for a status: the kind of error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
