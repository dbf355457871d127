"""The whole report of one study, from its manifest and cells to files. Needs no GPU, no Ray, no MLflow."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from reports.conduct_tables import (
    check_table,
    confound_table,
    cost_table,
    exclusion_table,
    power_table,
    score_records,
)
from reports.curve_plots import learning_curves
from reports.document import content
from reports.effect_tables import main_table, robustness_table, task_table
from reports.latex import write_latex
from reports.manifest import read
from reports.notation import FIGURE_SPACE, POINT_SPACE
from reports.pdf import rasters, write_pdf
from reports.plots import forest, strips
from reports.probe_plots import probes
from reports.profile_plots import profile_pages
from reports.profiles import profile_names, profile_table
from reports.prose import banners
from reports.scores import load
from reports.secondary import secondary_table
from reports.style import save, styled
from reports.summary import summary
from reports.tables import Table, to_csv, write_csv
from reports.verdicts import Conclusion, conclude


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """What was written, and what it says.

    Attributes:
        pdf: The report.
        summary: The same on one page of Markdown.
        tables: CSV and LaTeX files.
        figures: PDF and PNG files.
        warnings: Study-level guards that fired, as sentences.
        conclusion: The contrasts behind it all.
    """

    pdf: Path
    summary: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    warnings: tuple[str, ...]
    conclusion: Conclusion


def build(manifest_path: Path, out_dir: Path) -> ReportPaths:
    """Write the report of a study.

    Args:
        manifest_path: ``manifest.json`` of the study.
        out_dir: Folder for ``report.pdf``, ``summary.md``, ``tables/`` and ``figures/``; files of the same name are
            replaced.

    Raises:
        ReportError: The manifest or the cells cannot be reported on; the message says why.
    """
    out_dir = Path(out_dir).resolve()
    conclusion = conclude(load(read(Path(manifest_path))))
    tables = all_tables(conclusion)
    figures = _write_figures(conclusion, out_dir / "figures")
    pngs = rasters(figures, out_dir)
    scores_csv = to_csv(score_records(conclusion.table))
    digest = hashlib.sha256(scores_csv.encode()).hexdigest()
    pages = {path.stem: ("/" + path.relative_to(out_dir).as_posix(), count) for path, count in figures.items()}
    shown = content(conclusion, pages, tables, scores_csv, digest)
    pdf = write_pdf(shown, out_dir, conclusion.table.manifest.created, out_dir / "report.pdf")
    page = out_dir / "summary.md"
    page.write_text(summary(conclusion, tables["contrasts"]), encoding="utf-8")
    return ReportPaths(
        pdf=pdf,
        summary=page,
        tables=_write_tables(tables, scores_csv, out_dir / "tables"),
        figures=(*figures, *pngs),
        warnings=tuple(banners(conclusion)),
        conclusion=conclusion,
    )


def verdict_table(conclusion: Conclusion) -> list[dict[str, str]]:
    """The main table as a terminal shows it: one dict of strings per contrast, keys in the order of columns."""
    table = main_table(conclusion)
    plain = str.maketrans({FIGURE_SPACE: " ", POINT_SPACE: " "})
    return [
        {column.title: cell.translate(plain) for column, cell in zip(table.columns, row, strict=True)}
        for row in table.rows
    ]


def all_tables(conclusion: Conclusion) -> dict[str, Table]:
    """Every table of the report by name."""
    table = conclusion.table
    made = [
        main_table(conclusion), task_table(conclusion), robustness_table(conclusion), secondary_table(conclusion),
        check_table(table), power_table(conclusion), exclusion_table(table), confound_table(table), cost_table(table),
    ]  # fmt: skip
    if profile_names(table):
        made.append(profile_table(table))
    return {one.name: one for one in made}


def _write_tables(tables: dict[str, Table], scores_csv: str, folder: Path) -> tuple[Path, ...]:
    written = [write(table, folder) for table in tables.values() for write in (write_csv, write_latex)]
    scores = folder / "scores.csv"
    scores.write_text(scores_csv, encoding="utf-8")
    return (*written, scores)


def _write_figures(conclusion: Conclusion, folder: Path) -> dict[Path, int]:
    """Draw and save every figure; returns PDF -> pages. Figures of an earlier report are removed first."""
    for old in (*folder.glob("*.pdf"), *folder.glob("*.png")):
        old.unlink()
    tasks = range(len(conclusion.table.manifest.tasks))
    with styled():
        figures: dict[str, list[Figure]] = {
            "forest": [forest(conclusion)] if conclusion.contrasts else [],
            "strips": strips(conclusion),
            "curves": [page for task in tasks for page in learning_curves(conclusion, task)],
            "probes": [page for task in tasks for page in probes(conclusion.table, task)],
            "profiles": [page for task in tasks for page in profile_pages(conclusion.table, task)],
        }
        return {save(pages, folder / f"{name}.pdf"): len(pages) for name, pages in figures.items() if pages}
