"""From finished cells to a conclusion: score tables, inference, figures, PDF. Imports neither torch nor ray.

Importing this package costs nothing; the functions load numpy, scipy, matplotlib and Typst when they are called.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.assemble import ReportPaths
    from reports.retuned import Retuned
    from reports.verdicts import Conclusion

__all__ = ["build", "verdict_table"]


def build(manifest_path: Path, out_dir: Path) -> "ReportPaths":
    """Write the report of a study into ``out_dir``; see ``reports.assemble.build``."""
    from reports.assemble import build as write

    return write(manifest_path, out_dir)


def verdict_table(conclusion: "Conclusion", retuned: "Retuned | None" = None) -> list[dict[str, str]]:
    """The main table as one dict of strings per contrast; see ``reports.assemble.verdict_table``."""
    from reports.assemble import verdict_table as rows

    return rows(conclusion, retuned)
