"""The report's content: which blocks stand in which section.

``report.typ`` decides only how blocks look. Everything here is plain data (``json.dumps`` takes it as it is), and no
user text ever enters Typst source.
"""

from collections.abc import Mapping
from typing import Any

from reports.alternatives import alternatives
from reports.conduct_tables import moved
from reports.design_tables import design_sentences
from reports.designs import findings as answers_of_design
from reports.profiles import profile_caption
from reports.prose import banners, counts, design, limits, methods, reproduction
from reports.ranking import heterogeneity_sentences, rank_sentences
from reports.retuned import Retuned, changed_verdicts, retuned_sentences
from reports.sentences import failures, sentence
from reports.stopping import DESCRIBED, stopping_sentences
from reports.style import drawable
from reports.tables import Table
from reports.verdicts import Conclusion, Contrast, verdict_text

Block = dict[str, Any]
Figures = Mapping[str, tuple[str, int]]
_MOST_ROWS = 150
"""Rows of one table that the PDF prints; the CSV beside it always has all."""
_ON_COVER = 12
"""Sentences that fit on the cover; beyond, it lists names by verdict and the sentences get a section."""
_BREAK_AFTER = "_/[].:-,=>"
_LONG_WORD = 14
_MOST_COLUMNS = 9
"""Columns beside the names that fit on a page."""
_FEW_MOVES = 4
"""Changes whose confounds a sentence can still list."""


def content(
    conclusion: Conclusion,
    figures: Figures,
    tables: Mapping[str, Table],
    scores_csv: str,
    digest: str,
    retuned: Retuned | None = None,
) -> Block:
    """Everything the PDF shows.

    Args:
        conclusion: What was found.
        figures: Figure name -> (path of its PDF below the folder Typst may read, pages).
        tables: By name.
        scores_csv: Attached to the PDF.
        digest: Of ``scores_csv``.
        retuned: Both sides of a study that tunes something.
    """
    study = conclusion.table.manifest
    findings = [
        {"color": row.variant.color, "text": sentence(conclusion, row), "notes": _notes(row)}
        for row in conclusion.ranked
    ]
    long = [heading("One sentence per change"), {"kind": "findings", "items": findings}]
    blocks = [
        *_main(conclusion, figures, tables),
        *(_retuned(retuned, figures, tables) if retuned else []),
        *_tasks(conclusion, figures, tables),
        *_across_tasks(conclusion, figures, tables),
        *_ranking(conclusion, figures, tables),
        *_combined(conclusion, figures, tables),
        *_curves(conclusion, figures, tables),
        *_mechanism(conclusion, figures, tables),
        *_power(conclusion, figures, tables),
        *_robustness(conclusion, figures, tables),
        *_conduct(conclusion, tables),
        *(long if len(findings) > _ON_COVER else []),
        *_methods(conclusion, digest),
    ]
    found: Block = {
        "study": study.study,
        "question": study.question,
        "date": study.created[:10],
        "counts": counts(conclusion),
        "design": design(conclusion),
        "banners": [*banners(conclusion), *(changed_verdicts(retuned) if retuned else [])],
        "findings": findings if len(findings) <= _ON_COVER else [],
        "verdicts": _by_verdict(conclusion) if len(findings) > _ON_COVER else [],
        "blocks": blocks,
    }
    clean: Block = _drawable(found)
    return clean | {"scores": scores_csv, "alternatives": alternatives(conclusion, list(figures), retuned)}


def _by_verdict(conclusion: Conclusion) -> list[tuple[str, str]]:
    """Names of the variants by verdict, controls apart."""
    margin = conclusion.table.manifest.primary.margin
    groups: dict[str, list[str]] = {}
    for row in conclusion.ranked:
        key = ("controls: " if row.role == "control" else "") + verdict_text(row, margin)
        groups.setdefault(key, []).append(row.variant.name)
    return [(verdict, ", ".join(names)) for verdict, names in groups.items()]


def _drawable(value: Any) -> Any:
    """Replace what no font of the report can draw, everywhere."""
    if isinstance(value, str):
        return "\n".join(drawable(line) for line in value.split("\n"))
    if isinstance(value, dict):
        return {key: _drawable(one) for key, one in value.items()}
    return [_drawable(one) for one in value] if isinstance(value, list | tuple) else value


def _notes(row: Contrast) -> list[str]:
    """Guards of a row that its sentence does not say already."""
    guards = row.guards if row.effect is not None else row.guards[1:]
    return [guard for guard in guards if not guard.startswith(("few seeds", "the baseline is not reliably"))]


_FUNNEL = (
    "Estimate and repeated interval of every change at each look it was compared at. The filled dot is where it "
    "stopped, for the reason named; grey lines are the planned looks, the band is the margin. Repeated intervals hold "
    "at all looks together; scales differ between panels."
)


def breakable(text: str) -> str:
    """Allow a line break inside long words, so that no name ever leaves its column."""
    words = []
    for word in text.split(" "):
        if len(word) > _LONG_WORD:
            broken, run = "", 0
            for c in word:
                broken += c
                run += 1
                if c in _BREAK_AFTER or run >= _LONG_WORD:
                    broken, run = broken + "\u200b", 0
            word = broken
        words.append(word)
    return " ".join(words)


def heading(text: str) -> Block:
    """A numbered section."""
    return {"kind": "heading", "text": text}


def text(*paragraphs: str) -> list[Block]:
    """Paragraphs."""
    return [{"kind": "text", "text": paragraph} for paragraph in paragraphs]


def table_block(table: Table) -> list[Block]:
    """A table as Typst sets it; long ones are cut with a note, wide ones continue below with the names repeated."""
    name, *rest = table.columns
    groups = [rest[start : start + _MOST_COLUMNS] for start in range(0, len(rest), _MOST_COLUMNS)]
    cut = max(0, len(table.rows) - _MOST_ROWS)
    caption = table.caption + (f" The first {_MOST_ROWS} rows; {table.name}.csv has {cut} more." if cut else "")
    return [
        {
            "kind": "table",
            "caption": caption if i == 0 else "",
            "columns": [{"title": column.title, "align": column.align} for column in (name, *group)],
            "rows": [
                [breakable(column.cells[row]) if column.wide else column.cells[row] for column in (name, *group)]
                for row in range(min(len(table.rows), _MOST_ROWS))
            ],
            "rules": [rule for rule in table.rules if 0 < rule < min(len(table.rows), _MOST_ROWS)],
            "notes": list(table.notes) if i == len(groups) - 1 else [],
        }
        for i, group in enumerate(groups)
    ]


def _figure_blocks(figures: Figures, name: str, caption: str) -> list[Block]:
    """Pages of one figure, none if it was not drawn; the caption stands under the first."""
    path, pages = figures.get(name, ("", 0))
    blocks = [{"kind": "figure", "name": name, "path": path, "caption": caption} for _ in range(pages)]
    return [block | {"page": page, "pages": pages} for page, block in enumerate(blocks, 1)]


def _main(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    level = f"{1 - conclusion.alpha:.0%}"
    study = conclusion.table.manifest
    several, family = len(study.tasks) > 1, conclusion.family
    caption = (
        f"Effect of each change against the baseline. Dots are estimates; thick bars are {level} intervals for one "
        "contrast; an arrow marks a bar cut at the frame. "
        + (f"Thin bars hold for all {family} ablations at once (Bonferroni). " if family > 1 else "")
        + ("Small open dots are single tasks. " if several else "")
        + (f"The shaded band is the declared margin of {study.primary.margin:.0%}. " if conclusion.in_percent else "")
        + ("* provisional verdict. " if any(row.provisional for row in conclusion.contrasts) else "")
        + ("\u2020 another statistic answers otherwise. " if _any_flips(conclusion) else "")
        + "Order is by estimate and is no ranking: neighbours may be tied."
    )  # fmt: skip
    if not conclusion.contrasts:
        return [heading("Main result"), *text("The study names no change to compare with the baseline.")]
    return [heading("Main result"), *_figure_blocks(figures, "forest", caption), *table_block(tables["contrasts"])]


def _any_flips(conclusion: Conclusion) -> bool:
    return any(row.flips(conclusion.alpha) for row in conclusion.contrasts)


def _retuned(retuned: Retuned, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    caption = (
        "Every effect as it is (open dots) and with each arm's own chosen value against the retuned baseline (filled). "
        f"Bars are {1 - retuned.as_is.alpha:.0%} intervals for one contrast."
    )
    return [
        heading("Retuned"),
        *text(*retuned_sentences(retuned)),
        *_figure_blocks(figures, "retuned", caption),
        *table_block(tables["retuned"]),
        *table_block(tables["tuning"]),
    ]


def _tasks(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    caption = (
        "Every run. A dot is one training run, a cross a failed run at its floor, a bar the mean. "
        "Vertical position within a row has no meaning."
    )
    blocks = [heading("Every run, task by task"), *_figure_blocks(figures, "strips", caption)]
    if conclusion.contrasts:
        blocks += table_block(tables["tasks"])
    return blocks


def _across_tasks(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    if "heterogeneity" not in tables or not tables["heterogeneity"].rows:
        return []
    unit = "per cent of the baseline" if conclusion.in_percent else "between-seed standard deviations (Hedges g)"
    caption = (
        f"Effect of every change on every task, in {unit}. Hatched cells: the {1 - conclusion.alpha:.0%} interval of "
        "that one cell contains 0. Cells are descriptions, not tests: among many some leave 0 by chance."
    )
    return [
        *_figure_blocks(figures, "heatmap", caption),
        *text(*heterogeneity_sentences(conclusion)),
        *table_block(tables["heterogeneity"]),
    ]


def _ranking(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    if not conclusion.contrasts:
        return []
    caption = (
        "Places that the data leave to every ablation. A dot is the order of the estimates, a bar the rank interval; "
        f"all bars hold together with {1 - conclusion.alpha:.0%}. Changes whose bars overlap may be tied."
    )
    return [
        heading("Ranking and equivalence"),
        *text(*rank_sentences(conclusion)),
        *_figure_blocks(figures, "ranks", caption),
        *table_block(tables["ranking"]),
    ]


def _combined(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    """Several changes at once; nothing where every change is made alone."""
    found = answers_of_design(conclusion.table, conclusion.alpha)
    if found is None:
        return []
    shown = [tables[name] for name in ("design_effects", "design_interactions") if name in tables]
    every = "Every run of every setting: a dot is one training run, a cross a failed run at its floor, a bar the mean."
    effects = (
        "What each change does on the full and on the stripped method and on average over the settings of the others, "
        f"and what pairs do beyond the sum of both. Bars are {found.level:.0%} intervals for one row alone."
    )
    return [
        heading("Several changes at once"),
        *text(*design_sentences(found, conclusion.table)),
        *_figure_blocks(figures, "design_effects", effects),
        *(block for table in shown for block in table_block(table)),
        *_figure_blocks(figures, "design_runs", every),
    ]


def _robustness(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    if not conclusion.contrasts:
        return []
    caption = (
        "Performance profiles: share of runs above a score, mean over tasks, black the baseline. Bands are pointwise "
        f"{1 - conclusion.alpha:.0%} bootstrap bands of runs resampled within their task, stretched for few runs; they "
        "support no claim about single scores."
    )
    return [
        heading("Other statistics"),
        *(table_block(tables["agreement"]) if tables["agreement"].rows else []),
        *table_block(tables["robustness"]),
        *table_block(tables["aggregates"]),
        *_figure_blocks(figures, "performance", caption),
    ]


def _curves(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    level = f"{1 - conclusion.alpha:.0%}"
    caption = (
        "Learning curves. Thin lines are runs, thick lines means (black: baseline), crosses failed runs, which "
        "continue at the floor in the mean. Below each panel: difference of the means (negative: worse) with its "
        f"simultaneous {level} band; a dashed line marks where the band leaves 0 for good. bands.csv holds the numbers."
        + DESCRIBED
        * (conclusion.course is not None)
    )
    return [
        heading("Learning curves"),
        *_figure_blocks(figures, "curves", caption),
        *table_block(tables["secondary"]),
    ]


def _mechanism(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    caption = (
        "What the probes measured while training. Thick lines are means over runs (black: baseline), thin lines runs. "
        "Probes describe the mechanism; they are not tested."
    )
    return [
        heading("Mechanism and manipulation checks"),
        *_figure_blocks(figures, "probes", caption),
        *_profiles(conclusion, figures, tables),
        *table_block(tables["checks"]),
    ]


def _profiles(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    if "profiles" not in tables:
        return []
    caption = profile_caption(conclusion.table)
    return [*_figure_blocks(figures, "profiles", caption), *table_block(tables["profiles"])]


def _power(conclusion: Conclusion, figures: Figures, tables: Mapping[str, Table]) -> list[Block]:
    if conclusion.course is not None:
        return [
            heading("Seeds and stopping"),
            *text(*stopping_sentences(conclusion)),
            *_figure_blocks(figures, "stopping", _FUNNEL),
            *table_block(tables["stopping"]),
            *table_block(tables["looks"]),
            *table_block(tables["power"]),
        ]
    _, n = conclusion.runs_per_arm
    study = conclusion.table.manifest
    line = (
        f"The study asked for {len(study.seeds)} runs per arm on {len(study.tasks)} "
        f"{'task' if len(study.tasks) == 1 else 'tasks'}; the fullest arm has {n}. The number of seeds was fixed in "
        "the study file, not chosen after looking."
    )
    return [heading("Design and power"), *text(line), *table_block(tables["power"])]


def _conduct(conclusion: Conclusion, tables: Mapping[str, Table]) -> list[Block]:
    table = conclusion.table
    blocks = [heading("Failures, exclusions and confounds")]
    if tables["exclusions"].rows:
        failed = [f"{row.variant.name}: {failures(row)}" for row in conclusion.contrasts if row.failures]
        blocks += [*text(*failed), *table_block(tables["exclusions"]), *table_block(tables["failures"])]
    else:
        blocks += text("Every run of the study finished; none was excluded.")
    if any(run.describe for run in table.runs):
        blocks += text(_moves(conclusion))
        blocks += table_block(tables["confounds"])
    return [*blocks, *table_block(tables["cost"])]


def _moves(conclusion: Conclusion) -> str:
    """Which changes move more than their component."""
    table = conclusion.table
    moves = {row.variant.name: moved(table, row.variant) for row in conclusion.contrasts}
    also = {name: what for name, what in moves.items() if what}
    if not also:
        return "No change moves parameters, rows, optimiser steps or FLOPs by 1% or more."
    if len(also) > _FEW_MOVES:
        return f"{len(also)} of {len(moves)} changes move more than the named component; the table below says what."
    listed = "; ".join(f"{name}: {', '.join(what)}" for name, what in also.items())
    return f"Beside the named component these changes also move {listed}."


def _methods(conclusion: Conclusion, digest: str) -> list[Block]:
    study = conclusion.table.manifest
    blocks = [heading("Methods and limits"), *text(*methods(conclusion))]
    blocks += text("What this design cannot say:")
    blocks.append({"kind": "list", "items": limits(conclusion)})
    blocks.append(heading("Reproduction"))
    blocks.append({"kind": "pairs", "items": reproduction(conclusion, digest)})
    changes = [f"{row.variant.name}: {row.variant.label}".replace("->", "\u2192") for row in conclusion.contrasts]
    blocks += text("Every change as the difference of its configuration from the baseline's:") if changes else []
    blocks.append({"kind": "list", "items": changes})
    if study.study_yaml.strip():
        blocks.append({"kind": "code", "text": study.study_yaml.strip()})
    return blocks
