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
        self.requested = False
        """Whether to start nothing more."""

    def request(self) -> None:
        """Stop as after a first signal."""
        if not self.requested:
            self.requested = True
            self.on_first()

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
        first, self.signal = self.signal is None, self.signal or number
        if first:
            self.request()
        else:
            self.on_second()
            raise KeyboardInterrupt
