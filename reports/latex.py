r"""Booktabs tables for papers: ``\input{contrasts.tex}`` under ``\usepackage{booktabs}`` and nothing else.

Letters beyond Latin and Greek (a study's own names) need XeLaTeX or LuaLaTeX and a font that has them.
"""

from pathlib import Path

from reports.notation import FIGURE_SPACE, MINUS, NONE, POINT_SPACE
from reports.tables import Table

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\symbol{34}", "\u03bf": "o", "\u03c2": r"$\varsigma$",
    MINUS: "$-$", NONE: "--", FIGURE_SPACE: r"\phantom{0}", POINT_SPACE: r"\phantom{.}", "\u2192": r"$\to$",
    "\u00d7": r"$\times$", "\u2026": r"\dots{}", "\u221e": r"$\infty$", "\u00b1": r"$\pm$", "\u2265": r"$\ge$",
    "\u2020": r"\dag{}", "\u221a": r"$\surd$", "\u00b2": r"\textsuperscript{2}",
    "\u200b": r"\allowbreak{}",
}  # fmt: skip
_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_GREEK = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", _NAMES.split(" "), strict=True))


def escape(text: str) -> str:
    """Text that LaTeX prints literally, Greek letters included."""
    return "".join(_SPECIAL.get(c) or (f"$\\{_GREEK[c]}$" if c in _GREEK else c) for c in text)


def booktabs(table: Table) -> str:
    """One table as a ``table`` environment."""
    spec = "".join("l" if column.align == "left" else "r" for column in table.columns)
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escape(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{@{{}}{spec}@{{}}}}",
        r"\toprule",
        " & ".join(escape(column.title) for column in table.columns) + r" \\",
        r"\midrule",
    ]
    for i, row in enumerate(table.rows):
        if i in table.rules and i:
            lines.append(r"\addlinespace")
        line = " & ".join(escape(cell) for cell in row) + r" \\"
        lines.append("{}" + line if line.startswith(("[", "*")) else line)  # else an argument of the \\ above
    notes = [rf"\par\smallskip\footnotesize {escape(note)}" for note in table.notes]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *notes, r"\end{table}", ""])


def write_latex(table: Table, folder: Path) -> Path:
    """Write ``<folder>/<name>.tex``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{table.name}.tex"
    path.write_text(booktabs(table), encoding="utf-8")
    return path
