"""What people watch while a study runs: a live table on a terminal, plain lines elsewhere."""

import time
from typing import Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ablate.standing import Standing, VariantStanding

_PLAIN_SECONDS = 15.0


class Progress(Protocol):
    """Shows standings and sentences. A context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def update(self, standing: Standing) -> None:
        """Show how far the study is."""
        ...

    def say(self, text: str) -> None:
        """Print a message that stays."""
        ...


def progress_on(stream: TextIO) -> Progress:
    """The display that fits where the output goes."""
    return LiveProgress(stream) if stream.isatty() else PlainProgress(stream)


class LiveProgress:
    """A table that redraws in place; messages scroll by above it."""

    def __init__(self, stream: TextIO) -> None:
        # Bound to the stream itself: training inside this process redirects sys.stdout into its log.
        self._console = Console(file=stream)
        self._live = Live(console=self._console, refresh_per_second=4, redirect_stdout=False, redirect_stderr=False)
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def update(self, standing: Standing) -> None:
        """Redraw the table."""
        self._live.update(table(standing, time.monotonic() - self._started, self._console.size.height))

    def say(self, text: str) -> None:
        """Print above the table."""
        self._console.print(Text(text))


class PlainProgress:
    """One line now and then: when a cell ends, and every quarter of a minute."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._said = -_PLAIN_SECONDS
        self._ended = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def update(self, standing: Standing) -> None:
        """Print a line if there is something to say."""
        ended = standing.counts["DONE"] + standing.counts["FAILED"]
        if ended == self._ended and time.monotonic() - self._said < _PLAIN_SECONDS:
            return
        self._ended, self._said = ended, time.monotonic()
        self.say(line(standing))

    def say(self, text: str) -> None:
        """Print a message."""
        self._stream.write(text + "\n")
        self._stream.flush()


def line(standing: Standing) -> str:
    """A standing in one line."""
    counts = standing.counts
    total = len(standing.cells)
    share = sum(row.share * len(row.cells) for row in standing.variants) / max(1, total)
    parts = [f"{counts['DONE']}/{total} cells done ({share:.0%} of all steps)"]
    parts += [f"{counts[state]} {state.lower()}" for state in ("FAILED", "INTERRUPTED", "RUNNING") if counts[state]]
    if standing.rate:
        parts.append(f"{_count(standing.rate)} env steps/s")
    if standing.eta_s is not None and standing.eta_s > 0:
        parts.append(f"about {_clock(standing.eta_s)} left")
    return f"{standing.study}: " + ", ".join(parts)


def table(standing: Standing, elapsed_s: float | None, height: int = 50) -> Group:
    """A standing as a table of variants.

    Args:
        standing: What to show.
        elapsed_s: Since when the display runs; None when nothing runs.
        height: Lines of the terminal; rows that are finished or waiting give way first.
    """
    grid = Table(box=None, pad_edge=False, header_style="dim")
    grid.add_column("variant")
    grid.add_column("progress", width=22)
    grid.add_column("cells", justify="right")
    grid.add_column("failed", justify="right")
    grid.add_column(standing.metric, justify="right")
    grid.add_column("env steps/s", justify="right")
    rows, left_out = _rows_that_fit(standing.variants, height - 6)
    for row in rows:
        grid.add_row(*_row(row))
    foot = Text(line(standing), style="bold")
    if elapsed_s is not None:
        foot.append(f", {_clock(elapsed_s)} so far", style="not bold dim")
    if left_out:
        grid.add_row(Text(f"... {left_out} more", style="dim"))
    return Group(grid, foot)


def _row(row: VariantStanding) -> list[Text | ProgressBar | str]:
    total, done, failed = len(row.cells), row.counts["DONE"], row.counts["FAILED"]
    running = row.counts["RUNNING"] > 0
    # The baseline is black in the report, which no dark terminal shows.
    color = "default" if row.color == "#000000" else row.color
    bar = ProgressBar(total=1.0, completed=row.share, width=22, complete_style=color, finished_style=color)
    return [
        Text(row.name, style="bold" if running else ""),
        bar,
        f"{done}/{total}",
        Text(str(failed), style="bold red") if failed else "",
        "" if row.score is None else f"{row.score:.4g}",
        _count(row.rate) if row.rate else Text("done" if done + failed == total else "", style="dim"),
    ]


def _rows_that_fit(rows: list[VariantStanding], height: int) -> tuple[list[VariantStanding], int]:
    """Running variants first to stay; the order of the study is kept."""
    if len(rows) <= height:
        return rows, 0
    order = sorted(range(len(rows)), key=lambda index: (rows[index].counts["RUNNING"] == 0, index))
    kept = sorted(order[: max(1, height)])
    return [rows[index] for index in kept], len(rows) - len(kept)


def _count(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def _clock(seconds: float) -> str:
    """``0:42``, ``12:05``, ``3:00:00``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
