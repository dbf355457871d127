import csv
import io
import json
import sys

import pytest
from toy_packs import study_text

from ablate.cli import run
from ablate.store import Store


@pytest.fixture
def study(toy, home):
    (home.parent / "toy.yaml").write_text(study_text(seeds=3, budget=800, controls={"Slow": {"rate": 0.01}}))
    assert run(["run", "toy.yaml", "--executor", "local", "--no-mlflow", "--no-report"]) == 0
    return Store(home)


def exported(capsys, *arguments):
    capsys.readouterr()
    assert run(["export", *arguments]) == 0
    return capsys.readouterr().out


def test_csv_goes_to_standard_output_with_the_delta_of_every_variant(study, capsys):
    rows = list(csv.DictReader(io.StringIO(exported(capsys, "toy.yaml"))))
    assert len(rows) == 9
    assert {row["state"] for row in rows} == {"done"}
    deltas = {row["variant"]: json.loads(row["delta"] or "{}") for row in rows}
    assert deltas["baseline"] == {}
    assert list(deltas["NoMomentum"]) == ["drift"]
    assert deltas["Slow"]["rate"][1] == 0.01
    assert exported(capsys, "toy") == exported(capsys, "toy.yaml")


def test_parquet_holds_the_same_numbers_with_types(study, capsys, tmp_path):
    from pyarrow import parquet

    for curves in ((), ("--curves",)):
        text = list(csv.DictReader(io.StringIO(exported(capsys, "toy", *curves))))
        exported(capsys, "toy", *curves, "-o", str(tmp_path / "toy.parquet"))
        table = parquet.read_table(tmp_path / "toy.parquet")
        assert len(table) == len(text) == (36 if curves else 9)
        assert table.column_names == list(text[0])
        assert str(table.schema.field("seed").type) == "int64"
        numbers = "eval/return" if curves else "score"
        assert table[numbers].to_pylist() == [float(row[numbers]) for row in text]


def test_json_dry_run_and_a_name_that_decides_the_format(study, capsys, tmp_path):
    assert len(json.loads(exported(capsys, "toy", "--json"))) == 9
    target = tmp_path / "cells.csv"
    assert exported(capsys, "toy", "-o", str(target), "--dry-run") == f"would write 9 rows of 25 columns to {target}\n"
    assert not target.exists()
    assert exported(capsys, "toy", "-o", str(target)) == f"Wrote 9 rows of 25 columns to {target}\n"
    assert target.read_text() == exported(capsys, "toy")


def test_what_cannot_be_done_is_said(study, capsys, monkeypatch, tmp_path):
    assert run(["export", "toy", "--format", "parquet"]) == 2
    assert "give it a file" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(["export", "toy", "-o", str(tmp_path / "toy.parquet")]) == 2
    assert "pip install pyarrow" in capsys.readouterr().err
    assert run(["export", "tyo"]) == 2
    assert "Did you mean `toy`?" in capsys.readouterr().err
    manifest = study.study("toy").manifest()
    study.study("toy").write_manifest(manifest | {"schema": "ablate-manifest/v0"})
    assert run(["export", "toy"]) == 3
    assert "manifest schema" in capsys.readouterr().err


def test_a_tuned_study_shows_both_sides(toy, home, capsys):
    tune = {"field": "rate", "values": [0.3, 0.03], "seeds": [1000], "budget": {"env_steps": 400}}
    (home.parent / "toy.yaml").write_text(study_text(seeds=2, budget=400, tune=tune))
    assert run(["run", "toy.yaml", "--executor", "local", "--no-mlflow", "--no-report"]) == 0
    rows = list(csv.DictReader(io.StringIO(exported(capsys, "toy"))))
    assert [row["stage"] for row in rows] == ["main"] * 4 + ["retuned"] * 4
    assert {row["value"] for row in rows if row["stage"] == "main"} == {""}
    rows = list(csv.DictReader(io.StringIO(exported(capsys, "toy", "--with-tuning"))))
    tuning = [row for row in rows if row["stage"] == "tune"]
    assert len(rows) == 12
    assert {(row["variant"], row["value"], row["seed"]) for row in tuning} == {
        (name, value, "1000") for name in ("baseline", "NoMomentum") for value in ("0.3", "0.03")
    }
    assert {row["state"] for row in tuning} == {"done"}
    for row in tuning:
        assert json.loads(row["delta"])["rate"][1] == float(row["value"])
    points = list(csv.DictReader(io.StringIO(exported(capsys, "toy", "--with-tuning", "--curves"))))
    assert {(row["stage"], row["value"]) for row in points} >= {("main", ""), ("tune", "0.3"), ("tune", "0.03")}
    assert max(int(row["env_steps"]) for row in points if row["stage"] == "tune") == 400
