"""The report of a study, from the driver's side: render it, and say the verdicts in few words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.errors import StoreError
from ablate.store import Store

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A report on disk and its verdicts.

    Attributes:
        pdf: The report.
        folder: Everything that belongs to it.
        verdicts: One row per contrast, with tuning both sides of it and the baseline first; keys are column names.
        warnings: Guards of the whole study that fired, as sentences.
        summary: The report on one page of Markdown.
    """

    pdf: Path
    folder: Path
    verdicts: Rows
    warnings: tuple[str, ...]
    summary: str


@contextmanager
def reading() -> Iterator[None]:
    """Turn what ``reports`` says of cells that it cannot report on into an error of the store."""
    from reports.manifest import ReportError

    try:
        yield
    except ReportError as error:
        raise StoreError(str(error)) from error


def render(store: Store, study: str) -> Rendered:
    """Render the report of a study's finished cells.

    Raises:
        StoreError: The cells cannot be reported on; the message says why.
    """
    import reports

    place = store.study(study)
    with reading():
        paths = reports.build(place.manifest_path, place.report)
    return Rendered(
        pdf=paths.pdf,
        folder=place.report,
        verdicts=reports.verdict_table(paths.conclusion, paths.retuned),
        warnings=paths.warnings,
        summary=paths.summary.read_text(encoding="utf-8"),
    )
