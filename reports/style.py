"""One visual language: sizes, fonts and colours of every figure, and what may be written in one."""

import gc
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

WIDTH = 6.5
"""Inches: the text width of the PDF, so figures are never scaled."""
INK, GREY, FAINT, BAND = "#1a1a1a", "#6b6b6b", "#d9d9d9", "#eef1f4"
REPLACEMENT = "\ufffd"

STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "axes.titlepad": 4,
    "axes.titley": 1.0,  # a fixed place: finding a free one costs a quarter of the drawing time
    "axes.labelpad": 2.5,
    "axes.linewidth": 0.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "text.color": INK,
    "lines.solid_capstyle": "butt",
    "pdf.fonttype": 42,
    "pdf.compression": 4,  # a quarter of the time of saving for a twentieth more bytes
    "text.usetex": False,
    "axes.unicode_minus": True,
    "figure.dpi": 150,
}


def figure(width: float, height: float) -> Figure:
    """An empty figure in inches, outside pyplot: no global state, safe in any process. Call under ``STYLE``."""
    made = Figure(figsize=(width, height))
    FigureCanvasAgg(made)
    return made


@contextmanager
def styled() -> Iterator[None]:
    """Context in which every figure is built and saved.

    The cyclic collector rests: it would walk through every artist of every figure again and again and find nothing,
    which is a sixth of a large report's time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        with mpl.rc_context(cast(Any, dict(STYLE))):
            yield
    finally:
        if collecting:
            gc.enable()


def save(pages: Sequence[Figure], path: Path) -> Path:
    """Write the pages of a figure as one PDF: fonts are embedded once, and the same figures give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with PdfPages(buffer, metadata={"CreationDate": None, "Producer": None, "Creator": None}) as pdf:
        for page in pages:
            pdf.savefig(page)
    path.write_bytes(buffer.getvalue())
    return path


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())


def missing_glyphs(text: str) -> str:
    """Characters of a text that the report's fonts cannot draw, each once."""
    return "".join(dict.fromkeys(c for c in text if c not in "\n\t\r" and ord(c) not in _glyphs()))


def drawable(text: str) -> str:
    """The text with what no font of ours can draw replaced by a visible mark, and line breaks by spaces."""
    return "".join(" " if c in "\n\t\r" else c if ord(c) in _glyphs() else REPLACEMENT for c in text)


def label(text: str, most: int = 200) -> str:
    """Text as a figure may show it: drawable, cut in the middle to ``most`` characters, ``$`` no mathematics."""
    clean = drawable(text)
    if len(clean) > most:
        tail = (most - 1) // 3
        clean = clean[: most - 1 - tail] + "\u2026" + clean[len(clean) - tail :]
    return clean.replace("$", r"\$")
