"""Ctrl-C once: stop scheduling, checkpoint, leave. Twice: kill. SIGTERM is the same with another exit status."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_WATCHED = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether and by which signal the user asked the driver to stop."""

    def __init__(
        self, on_first: Callable[[], None] = lambda: None, on_second: Callable[[], None] = lambda: None
    ) -> None:
        """Prepare; nothing is handled before ``install``.

        Args:
            on_first: Runs inside the handler of the first signal: tell the packs to checkpoint.
            on_second: Runs inside the handler of every later one, before ``KeyboardInterrupt`` is raised.
        """
        self.on_first = on_first
        self.on_second = on_second
        self.signal: int | None = None

    @property
    def requested(self) -> bool:
        """Whether to start nothing more."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number: 130 for SIGINT, 143 for SIGTERM."""
        assert self.signal is not None
        return 128 + self.signal

    def install(self) -> None:
        """Handle the signals from now on; call again after a library has put its own handlers in place."""
        for number in _WATCHED:
            signal.signal(number, self._handle)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals inside the block, then put back who handled them before."""
        before = {number: signal.getsignal(number) for number in _WATCHED}
        self.install()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
            self.on_first()
        else:
            self.on_second()
            raise KeyboardInterrupt
