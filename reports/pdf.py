"""Typst: content to PDF, figures to PNG. Same input, same bytes."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import typst

from reports.manifest import ReportError

_EPOCH = 1_700_000_000
"""Timestamp of a report whose study has none."""
_PAGES = """#set page(width: auto, height: auto, margin: 0pt, fill: white)
#for (path, number) in json(bytes(sys.inputs.data)) { page(image(path, page: number)) }
"""
DPI = 150.0


def write_pdf(content: dict[str, Any], root: Path, created: str, path: Path) -> Path:
    """Set the report.

    Args:
        content: See ``document.content``; figure paths are relative to ``root``.
        root: Folder Typst may read.
        created: ISO time of the plan: the PDF's own timestamp.
        path: Where to write.
    """
    path.write_bytes(_compile(files("reports").joinpath("report.typ").read_bytes(), content, root, created, "pdf")[0])
    return path


def rasters(figures: Mapping[Path, int], root: Path) -> list[Path]:
    """A PNG of every page of every PDF figure, all in one pass: ``forest.png``, ``curves-1.png``, ``curves-2.png`` ...

    Args:
        figures: PDF -> its number of pages.
        root: Folder that holds them all.
    """
    pages = [(pdf, number) for pdf, count in figures.items() for number in range(1, count + 1)]
    if not pages:
        return []
    sources = [("/" + pdf.relative_to(root).as_posix(), number) for pdf, number in pages]
    images = _compile(_PAGES.encode(), sources, root, "", "png")
    paths = [pdf.with_name(f"{pdf.stem}-{n}.png" if figures[pdf] > 1 else f"{pdf.stem}.png") for pdf, n in pages]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return paths


def _compile(source: bytes, data: Any, root: Path, created: str, form: Literal["pdf", "png"]) -> list[bytes]:
    text = json.dumps(data, ensure_ascii=False)
    compiler = typst.Compiler(source, root=root, font_paths=_fonts(), sys_inputs={"data": text})
    try:
        made = compiler.compile(format=form, ppi=DPI, timestamp=timestamp(created))
    except typst.TypstError as error:
        raise ReportError(f"Typst could not set the report: {error.diagnostic or error.message}") from error
    assert made is not None
    return made if isinstance(made, list) else [made]


@cache
def _fonts() -> typst.Fonts:
    """Typst's own and matplotlib's fonts, never the machine's: the same report everywhere."""
    return typst.Fonts(include_system_fonts=False, font_paths=[str(Path(mpl.get_data_path()) / "fonts" / "ttf")])


def timestamp(created: str) -> int:
    """Seconds since the epoch of an ISO time."""
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return _EPOCH
