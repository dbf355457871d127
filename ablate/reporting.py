"""The report of a study, from the driver's side: render it, and say the verdicts in few words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablate.store import Store

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A report on disk and its verdicts.

    Attributes:
        pdf: The report.
        folder: Everything that belongs to it.
        verdicts: One row per contrast; keys are column names.
    """

    pdf: Path
    folder: Path
    verdicts: Rows


def render(store: Store, study: str) -> Rendered:
    """Render the report of a study's finished cells."""
    import reports

    place = store.study(study)
    paths = reports.build(place.manifest_path, place.report)
    conclusion = reports.conclude(reports.load(place.manifest() or {}))
    return Rendered(pdf=paths.pdf, folder=place.report, verdicts=reports.verdict_table(conclusion))


def markdown(rows: Rows) -> str:
    """Verdicts as a Markdown table, for a run's page in MLflow."""
    if not rows:
        return ""
    keys = list(rows[0])
    lines = ["| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
    lines += ["| " + " | ".join(str(row.get(key, "")).replace("|", "\\|") for key in keys) + " |" for row in rows]
    return "\n".join(lines)
