"""Collects what the simulations find; a complete run that passes writes it into docs/statistics.md."""

import math
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
BEGIN, END = "<!-- simulations: begin -->", "<!-- simulations: end -->"
_ROWS = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[_ROWS] = []


@pytest.fixture
def found(request):
    """``found(what, share, studies, wanted)``: note a share of simulated studies and what it should be.

    Returns:
        The share and its Monte Carlo standard error.
    """

    def note(what, share, studies, wanted, *, unit="%"):
        se = math.sqrt(max(share * (1 - share), 0.25 / studies) / studies) if unit == "%" else None
        section = request.node.obj.__doc__.strip().splitlines()[0].rstrip(".")
        request.config.stash[_ROWS].append((section, what, share, se, studies, wanted, unit))
        return share, se

    return note


def pytest_terminal_summary(terminalreporter, config):
    if rows := config.stash.get(_ROWS, []):
        terminalreporter.write_line(_table(rows))


def pytest_sessionfinish(session, exitstatus):
    rows = session.config.stash.get(_ROWS, [])
    everything = {item.fspath for item in session.items} >= set(map(str, Path(__file__).parent.glob("test_*.py")))
    chosen = session.config.getoption("keyword") or any("::" in one for one in session.config.args)
    if exitstatus == 0 and rows and everything and not chosen and not session.config.getoption("collectonly"):
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{_table(rows)}\n{END}{after}", encoding="utf-8")


def _table(rows):
    lines, last = [], None
    for section, what, share, se, studies, wanted, unit in rows:
        if section != last:
            lines += [
                "",
                f"**{section}**",
                "",
                "| what | found | ± MC error | simulations | demanded |",
                "|---|---:|---:|---:|---|",
            ]
            last = section
        value = f"{100 * share:.1f} %" if unit == "%" else f"{share:.1f} {unit}".strip()
        error = f"{100 * se:.2f}" if se is not None else ""
        lines.append(f"| {what} | {value} | {error} | {studies:,} | {wanted} |")
    return "\n".join(lines).strip()
