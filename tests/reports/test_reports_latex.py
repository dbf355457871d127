r"""LaTeX tables, held against the grammar of what they may contain; no TeX is needed."""

import re

import pytest
from report_cells import Arm, five_arms, write_study

from reports.assemble import all_tables
from reports.latex import booktabs, escape
from reports.scores import load
from reports.tables import Column, Table
from reports.verdicts import conclude

NASTY = "# $ _ & % < > \\ ~ ^ { } | \" ' ` αω … ± √ × [x] -> */ // @ref \\input{x} %"
COMMANDS = {
    # of LaTeX itself, in every font encoding
    "begin", "end", "centering", "small", "caption", "label", "par", "smallskip", "footnotesize", "phantom",
    "allowbreak", "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar",
    "symbol", "textsuperscript",
    "dag", "dots",
    "toprule", "midrule", "bottomrule", "addlinespace",  # of booktabs
    "to", "times", "infty", "pm", "ge", "surd", "alpha", "omega",  # mathematics
}  # fmt: skip
MATHS = {"to", "times", "infty", "pm", "ge", "surd", "alpha", "omega"}
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[^\\]")


def problems(text, columns):
    """What TeX would stumble over, or set other than written."""
    found, depth, maths, cells = [], 0, False, None
    comment, *lines = text.splitlines()
    if comment != "% needs \\usepackage{booktabs}":
        found.append("the first line is no comment")
    for line in lines:
        if line.startswith(r"\begin{tabular}"):
            found += [] if re.search(rf"@\{{\}}[lr]{{{columns}}}@\{{\}}", line) else [f"columns: {line}"]
            cells = 0
            continue
        if cells is not None and not re.match(r"\\(toprule|midrule|bottomrule|addlinespace|end)", line):
            separators = [one for one in TOKEN.findall(line) if one == "&"]
            if len(separators) != columns - 1 or not line.endswith(r" \\") or line.startswith(("[", "*")):
                found.append(f"row: {line}")
            line = line.removesuffix(r" \\").replace(" & ", " ")
        if line == r"\end{tabular}":
            cells = None
        if line in (r"\begin{table}", r"\end{table}", r"\end{tabular}") or line.startswith(r"\label{tab:"):
            continue
        for token in TOKEN.findall(line):
            if token == "$":
                maths = not maths
            elif token in ("{", "}"):
                depth += 1 if token == "{" else -1
            elif token in tuple('&%#_^~"') or (maths and not token.startswith("\\") and token != "-"):
                found.append(f"raw {token}: {line}")
            elif len(token) > 2 or (token.startswith("\\") and token[1:].isalpha()):
                if token[1:] not in COMMANDS or (token[1:] in MATHS) != maths:
                    found.append(f"command {token}: {line}")
            elif token.startswith("\\") and token[1:] not in "{}$&#%_":
                found.append(f"escape {token}: {line}")
            elif not token.isascii():
                found.append(f"character {token}: {line}")
        if maths or depth:
            found.append(f"open at the end of the line: {line}")
            maths, depth = False, 0
    return found


def nasty_arms():
    arms = [*five_arms(), Arm("PPO", 0.3, role="control", action=None, failed=(3,))]
    arms[1].name, arms[1].part, arms[1].label = f"No {NASTY}", NASTY, f"a: {NASTY} -> {NASTY}"
    arms[2].failed, arms[3].violated = (0, 1), (0,)
    return arms


@pytest.mark.parametrize(
    "over",
    [{"tasks": 2}, {"adaptive": {"looks": [5, 8], "spending": "quadratic"}}, {"score_range": None, "tasks": 2}],
    ids=["two tasks", "adaptive", "no percentages"],
)
def test_every_table_of_a_study_full_of_special_characters_is_clean(tmp_path, over):
    tables = all_tables(conclude(load(write_study(tmp_path, nasty_arms(), question=NASTY, points=5, **over))))
    assert len(tables) >= 14
    assert {
        name: found for name, table in tables.items() if (found := problems(booktabs(table), len(table.columns)))
    } == {}


@pytest.mark.parametrize(
    "spoiled",
    [
        ("50\\%", "50%"), ("a\\_b", "a_b"), (r"\& c", "& c"), ("\\$5", "$5"), ("{}[x]", "[x]"), ("\\{", "{"),
        (r"$\to$", r"\to"), (r"\toprule", r"\topRule"), (r"$\alpha$", "α"),
    ],
)  # fmt: skip
def test_the_grammar_sees_what_is_not_escaped(spoiled):
    cells = [["50% a_b & c", "x"], ["[x] $5 {", "\u2192 α"]]
    columns = tuple(Column(title, column, "left") for title, column in zip("pq", zip(*cells, strict=True), strict=True))
    text = booktabs(Table("t", "caption", columns, [{}, {}]))
    assert problems(text, 2) == []
    assert spoiled[0] in text
    assert problems(text.replace(*spoiled), 2)


def test_quotes_need_no_font_encoding():
    assert "textquotedbl" not in escape('"x"')
    assert escape("ος") == r"o$\varsigma$"
