"""``summary.md``: the conclusion on one page, for people who do not open PDFs."""

from reports.notation import FIGURE_SPACE, POINT_SPACE
from reports.prose import banners, counts, design, limits
from reports.sentences import sentence
from reports.tables import Table
from reports.verdicts import Conclusion


def summary(conclusion: Conclusion, main: Table) -> str:
    """Question, verdicts, main table, sentences, limits."""
    study = conclusion.table.manifest
    lines = [f"# {_line(study.study)}", ""]
    if study.question:
        lines += [f"*{_line(study.question)}*", ""]
    lines += [f"**{counts(conclusion)}**", ""]
    lines += [f"> **Note:** {_line(banner)}" for banner in banners(conclusion)] + [""]
    lines += ["| " + " | ".join(_cell(column.title) for column in main.columns) + " |"]
    lines += ["|" + "|".join("---" if column.align == "left" else "---:" for column in main.columns) + "|"]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in main.rows]
    lines += ["", main.caption, "", "## What the data say", ""]
    lines += [f"- {_line(sentence(conclusion, row))}" for row in conclusion.ranked]
    lines += ["", "## Design", ""] + [f"- {name}: {_line(value)}" for name, value in design(conclusion)]
    lines += ["", "## Limits", ""] + [f"- {limit}" for limit in limits(conclusion)]
    return "\n".join([*lines, "", "Full report: report.pdf; every number: tables/*.csv; every figure: figures/.", ""])


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text.replace(FIGURE_SPACE, "").replace(POINT_SPACE, "").replace("|", "\\|"))
