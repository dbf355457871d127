"""A pack's output goes to its own log, whoever prints it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ablate.durable import guarded


@contextlib.contextmanager
def captured(path: Path, *, descriptors: bool) -> Iterator[None]:
    """Append everything printed inside to a file.

    Args:
        path: The log.
        descriptors: Also take what C code and child processes print (descriptors 1 and 2). False inside the driver's
            own process, whose progress display needs them.
    """
    with guarded("write", path):
        log = path.open("a", buffering=1)
    with log, contextlib.ExitStack() as stack:
        if descriptors:
            stack.enter_context(_diverted(1, log.fileno()))
            stack.enter_context(_diverted(2, log.fileno()))
        stack.enter_context(contextlib.redirect_stdout(log))
        stack.enter_context(contextlib.redirect_stderr(log))
        yield


@contextlib.contextmanager
def _diverted(descriptor: int, target: int) -> Iterator[None]:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    saved = os.dup(descriptor)
    os.dup2(target, descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        os.close(saved)
