"""The whole report of one study, from its manifest and cells to files. Needs no GPU, no Ray, no MLflow."""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from reports.aggregate_tables import aggregate_table
from reports.conduct_tables import (
    check_table,
    confound_table,
    cost_table,
    exclusion_table,
    failure_table,
    power_table,
    score_records,
)
from reports.curve_plots import learning_curves
from reports.declared import post_hoc
from reports.design_plots import design_effects, design_runs
from reports.design_tables import design_tables
from reports.designs import findings
from reports.document import content
from reports.effect_tables import main_table, task_table
from reports.export import band_records
from reports.latex import write_latex
from reports.manifest import read
from reports.notation import FIGURE_SPACE, POINT_SPACE
from reports.pdf import rasters, write_pdf
from reports.performance_plots import performance_profiles
from reports.plots import forest, strips
from reports.probe_plots import probe_pages
from reports.profile_plots import profile_pages
from reports.profiles import profile_names, profile_table
from reports.prose import banners, design_table
from reports.rank_plots import rank_intervals_plot
from reports.ranking import heterogeneity_table, ranking_table
from reports.retuned import Retuned, changed_verdicts, edges, retuned_table, tuning_table
from reports.retuned_plots import retuned_effects
from reports.robustness_tables import agreement_table, robustness_table
from reports.scores import load
from reports.secondary import secondary_table
from reports.stopping import noted, stopping_tables
from reports.stopping_plots import funnels
from reports.style import save, styled
from reports.summary import summary
from reports.tables import Table, Value, to_csv, write_csv
from reports.task_plots import heat_map
from reports.tune import retuned_manifest
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
        retuned: The same with every arm's chosen value beside it; None for a study that tunes nothing.
    """

    pdf: Path
    summary: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    warnings: tuple[str, ...]
    conclusion: Conclusion
    retuned: Retuned | None = None


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
    manifest = read(Path(manifest_path))
    table = load(manifest)
    conclusion = replace(conclude(table), post_hoc=tuple(post_hoc(table, Path(manifest_path).parent)))
    retuned = _retuned(manifest, conclusion)
    tables = all_tables(conclusion) | (retuned_tables(retuned) if retuned else {})
    scores_csv = to_csv(_scores(conclusion, retuned))
    digest = hashlib.sha256(scores_csv.encode()).hexdigest()
    with ThreadPoolExecutor(1) as pool:  # Typst works outside the interpreter's lock
        figures, pngs = _write_figures(conclusion, retuned, out_dir / "figures", pool)
        pages = {path.stem: ("/" + path.relative_to(out_dir).as_posix(), count) for path, count in figures.items()}
        shown = content(conclusion, pages, tables, scores_csv, digest, retuned)
        bands_csv = to_csv(band_records(conclusion.table, 1 - conclusion.alpha))
        pdf = write_pdf(shown, out_dir, conclusion.table.manifest.created, out_dir / "report.pdf")
        images = [path for made in pngs for path in made.result()]
    page = out_dir / "summary.md"
    page.write_text(summary(conclusion, tables["contrasts"], retuned), encoding="utf-8")
    return ReportPaths(
        pdf=pdf,
        summary=page,
        tables=_write_tables(tables, {"scores": scores_csv, "bands": bands_csv}, out_dir / "tables"),
        figures=(*figures, *images),
        warnings=(*banners(conclusion), *(_retuned_warnings(retuned) if retuned else ())),
        conclusion=conclusion,
        retuned=retuned,
    )


def _retuned(manifest: Mapping[str, Any], conclusion: Conclusion) -> Retuned | None:
    """Both sides of a study that tunes something."""
    other, tune = retuned_manifest(manifest), conclusion.table.manifest.tune
    return Retuned(tune, conclusion, conclude(load(other))) if other is not None and tune is not None else None


def _retuned_warnings(retuned: Retuned) -> list[str]:
    return [*changed_verdicts(retuned), *edges(retuned.tune)]


def _scores(conclusion: Conclusion, retuned: Retuned | None) -> list[dict[str, Value]]:
    """Every run as a record; with tuning also its stage, because an arm has two runs of one seed then."""
    records = score_records(conclusion.table)
    if retuned is None:
        return records
    sides = (("main", records), ("retuned", score_records(retuned.retuned.table)))
    return [{"stage": stage, **record} for stage, found in sides for record in found]


def verdict_table(conclusion: Conclusion, retuned: Retuned | None = None) -> list[dict[str, str]]:
    """The main table as a terminal shows it: one dict of strings per contrast, keys in the order of columns.

    With tuning it is the table of both sides, whose first row is the baseline.
    """
    table = main_table(conclusion) if retuned is None else retuned_table(retuned)
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
        ranking_table(conclusion), agreement_table(conclusion), aggregate_table(conclusion), failure_table(table),
        design_table(conclusion),
    ]  # fmt: skip
    if len(table.manifest.tasks) > 1:
        made.append(heterogeneity_table(conclusion))
    if profile_names(table):
        made.append(profile_table(table))
    combined = {one.name: one for one in design_tables(findings(table, conclusion.alpha))}
    return {one.name: noted(one, conclusion) for one in made} | stopping_tables(conclusion) | combined


def retuned_tables(retuned: Retuned) -> dict[str, Table]:
    """What a study that tunes something shows beside, by name."""
    return {table.name: table for table in (retuned_table(retuned), tuning_table(retuned))}


def _write_tables(tables: dict[str, Table], data: dict[str, str], folder: Path) -> tuple[Path, ...]:
    """Tables as CSV and LaTeX, and what the PDF only draws as CSV."""
    written = [write(table, folder) for table in tables.values() for write in (write_csv, write_latex)]
    for name, text in data.items():
        if text.strip():
            (folder / f"{name}.csv").write_text(text, encoding="utf-8")
            written.append(folder / f"{name}.csv")
    return tuple(written)


def _drawers(conclusion: Conclusion, retuned: Retuned | None = None) -> dict[str, Callable[[], list[Figure]]]:
    """Figure name -> what draws its pages, in the order of the report."""
    tasks = range(len(conclusion.table.manifest.tasks))
    return {
        "forest": lambda: [forest(conclusion)] if conclusion.contrasts else [],
        "retuned": lambda: retuned_effects(retuned) if retuned else [],
        "heatmap": lambda: heat_map(conclusion),
        "ranks": lambda: rank_intervals_plot(conclusion),
        "strips": lambda: strips(conclusion),
        "curves": lambda: [page for task in tasks for page in learning_curves(conclusion, task)],
        "performance": lambda: performance_profiles(conclusion),
        "stopping": lambda: funnels(conclusion),
        "design_runs": lambda: design_runs(conclusion),
        "design_effects": lambda: design_effects(conclusion),
        "probes": lambda: probe_pages(conclusion.table),
        "profiles": lambda: [page for task in tasks for page in profile_pages(conclusion.table, task)],
    }


def _write_figures(
    conclusion: Conclusion, retuned: Retuned | None, folder: Path, pool: Executor
) -> tuple[dict[Path, int], list[Future[list[Path]]]]:
    """Draw and save every figure. Figures of an earlier report are removed first.

    Returns:
        PDF -> pages, and the PNGs of each PDF, which Typst still makes in other threads while we draw.
    """
    for old in (*folder.glob("*.pdf"), *folder.glob("*.png")):
        old.unlink()
    figures: dict[Path, int] = {}
    pngs: list[Future[list[Path]]] = []
    with styled():
        for name, draw in _drawers(conclusion, retuned).items():
            if pages := draw():
                path = save(pages, folder / f"{name}.pdf")
                figures[path] = len(pages)
                pngs.append(pool.submit(rasters, {path: len(pages)}, folder.parent))
    return figures, pngs
