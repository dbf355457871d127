"""The shipped smoke studies, from YAML to PDF, on the real trainers and environments."""

from pathlib import Path

import pytest

from ablate.cli import run
from ablate.store import Store

SMOKE = sorted((Path(__file__).parents[2] / "studies" / "smoke").glob("*.yaml"))


@pytest.mark.parametrize("file", SMOKE, ids=[file.stem for file in SMOKE])
def test_a_smoke_study_runs_to_its_report_and_then_has_nothing_to_do(file, home, capsys):
    arguments = ["run", str(file), "--executor", "local", "--no-mlflow"]
    assert run(arguments) == 0
    store = Store(home)
    (study,) = store.studies
    cells = {entry["hash"] for entry in study.manifest()["cells"]}
    assert {store.cell(one).state() for one in cells} == {"DONE"}
    assert (study.report / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (study.report / "figures" / "profiles.pdf").exists() == (file.stem == "memory")
    said = capsys.readouterr().out
    assert "verdict" in said
    assert str(study.report / "report.pdf") in said

    ends = {one: store.cell(one).status()["ended"] for one in cells}
    assert run(arguments) == 0
    assert {one: store.cell(one).status()["ended"] for one in cells} == ends
