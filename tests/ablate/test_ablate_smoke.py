"""The shipped smoke studies, from YAML to PDF, on the real trainers and environments."""

from pathlib import Path

import pytest

from ablate.cli import run
from ablate.store import Store

SMOKE = sorted((Path(__file__).parents[2] / "studies" / "smoke").glob("*.yaml"))


LONG = {"adaptive", "design", "hold"}


@pytest.mark.parametrize(
    "file", [pytest.param(one, marks=[pytest.mark.slow] * (one.stem in LONG), id=one.stem) for one in SMOKE]
)
def test_a_smoke_study_runs_to_its_report_and_then_has_nothing_to_do(file, home, capsys):
    arguments = ["run", str(file), "--executor", "local", "--no-mlflow"]
    assert run(arguments) == 0
    store = Store(home)
    (study,) = store.studies
    cells = {entry["hash"] for entry in study.manifest()["cells"]}
    assert {store.cell(one).state() for one in cells} == {"DONE"}
    assert (study.report / "report.pdf").read_bytes().startswith(b"%PDF")
    for figure, owner in (("profiles", "memory"), ("design_effects", "design"), ("stopping", "adaptive")):
        assert (study.report / "figures" / f"{figure}.pdf").exists() == (file.stem == owner)
    said = capsys.readouterr().out
    assert "verdict" in said
    assert str(study.report / "report.pdf") in said

    ends = {one: store.cell(one).status()["ended"] for one in cells}
    assert run(arguments) == 0
    assert {one: store.cell(one).status()["ended"] for one in cells} == ends


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_smoke_study_of_the_hand_learns_to_hold_the_cube(home):
    (file,) = (one for one in SMOKE if one.stem == "hold")
    assert run(["run", str(file), "--executor", "local", "--no-mlflow", "--select", "variant:baseline"]) == 0
    runs = [cell.rows() for cell in Store(home).cells]
    assert len(runs) == 2
    for rows in runs:
        ends = [row["episode/length"] for row in rows if row["episode/length"] is not None]
        assert ends[0] < 48 and sum(ends[-20:]) / 20 > 400
