"""``summary.md``: the conclusion on one page, for people who do not open PDFs."""

from reports.notation import FIGURE_SPACE, POINT_SPACE
from reports.prose import banners, counts, design, limits
from reports.ranking import heterogeneity_sentences, rank_sentences
from reports.retuned import Retuned, changed_verdicts, retuned_sentences, retuned_table, tuning_table
from reports.sentences import sentence
from reports.stopping import stopping_sentences, stopping_table
from reports.tables import Table
from reports.verdicts import Conclusion


def summary(conclusion: Conclusion, main: Table, retuned: Retuned | None = None) -> str:
    """Question, verdicts, main table, sentences, both sides of what was tuned, limits."""
    study = conclusion.table.manifest
    lines = [f"# {_line(study.study)}", ""]
    if study.question:
        lines += [f"*{_line(study.question)}*", ""]
    lines += [f"**{counts(conclusion)}**", ""]
    notes = [*banners(conclusion), *(changed_verdicts(retuned) if retuned else [])]
    lines += [f"> **Note:** {_line(note)}" for note in notes] + [""]
    lines += [*_table(main), "", "## What the data say", ""]
    lines += [f"- {_line(sentence(conclusion, row))}" for row in conclusion.ranked]
    lines += [f"- {_line(said)}" for said in (*rank_sentences(conclusion), *heterogeneity_sentences(conclusion))]
    if retuned is not None:
        lines += ["", "## Retuned", "", *(f"- {_line(one)}" for one in retuned_sentences(retuned)), ""]
        lines += [*_table(retuned_table(retuned)), "", *_table(tuning_table(retuned))]
    if conclusion.course is not None:
        lines += ["", "## Seeds and stopping", "", *(f"- {_line(one)}" for one in stopping_sentences(conclusion)), ""]
        lines += _table(stopping_table(conclusion))
    lines += ["", "## Design", ""] + [f"- {name}: {_line(value)}" for name, value in design(conclusion)]
    lines += ["", "## Limits", ""] + [f"- {limit}" for limit in limits(conclusion)]
    return "\n".join([*lines, "", "Full report: report.pdf; every number: tables/*.csv; every figure: figures/.", ""])


def _table(table: Table) -> list[str]:
    """A table in Markdown, its caption below."""
    columns = table.columns
    return [
        "| " + " | ".join(_cell(column.title) for column in columns) + " |",
        "|" + "|".join("---" if column.align == "left" else "---:" for column in columns) + "|",
        *("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table.rows),
        "",
        " ".join([table.caption, *table.notes]),
    ]


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text.replace(FIGURE_SPACE, "").replace(POINT_SPACE, "").replace("|", "\\|"))
