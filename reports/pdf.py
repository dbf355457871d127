"""Typst: content to PDF, figures to PNG. Same input, same bytes."""

import json
from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import typst

from reports.manifest import ReportError

_EPOCH = 1_700_000_000
"""Timestamp of a report whose study has none."""
_PAGES = """#set page(width: auto, height: auto, margin: 0pt, fill: white)
#for path in json(bytes(sys.inputs.data)) { page(image(path)) }
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


def rasters(pdfs: Sequence[Path], root: Path) -> list[Path]:
    """A PNG beside each PDF figure, all in one pass."""
    if not pdfs:
        return []
    relative = ["/" + path.relative_to(root).as_posix() for path in pdfs]
    images = _compile(_PAGES.encode(), relative, root, "", "png")
    paths = [path.with_suffix(".png") for path in pdfs]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return paths


def _compile(source: bytes, data: Any, root: Path, created: str, form: Literal["pdf", "png"]) -> list[bytes]:
    compiler = typst.Compiler(
        source,
        root=root,
        font_paths=[str(Path(mpl.get_data_path()) / "fonts" / "ttf")],
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
    )
    try:
        made = compiler.compile(format=form, ppi=DPI, timestamp=timestamp(created))
    except typst.TypstError as error:
        raise ReportError(f"Typst could not set the report: {error.diagnostic or error.message}") from error
    assert made is not None
    return made if isinstance(made, list) else [made]


def timestamp(created: str) -> int:
    """Seconds since the epoch of an ISO time."""
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return _EPOCH
