"""Studies with a ``tune:`` block from start to report: stopped anywhere they come to the same end."""

import csv
import json
import signal
import subprocess
import sys

import pytest
from toy_packs import numbers, study_text

from ablate import driver, tracking
from ablate.cells import Cell
from ablate.cli import run
from ablate.manifest import every_cell
from ablate.store import Store

TUNE = {"field": "rate", "values": [0.3, 0.03], "seeds": [1000, 1001], "budget": {"env_steps": 400}}
PLAIN_BETTER = {"Slow": {"rate": 0.03, "drift": {"beta": 0.5}}}

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def study(home):
    write(home)
    return Store(home)


def write(home, **changes):
    settings = {"budget": 800, "tune": TUNE, "controls": PLAIN_BETTER} | changes
    (home.parent / "toy.yaml").write_text(study_text(**settings))


def ablate_run(*arguments):
    return run(["run", "toy.yaml", "--executor", "local", "--no-mlflow", "--no-report", *arguments])


def manifest(store):
    return store.study("toy").manifest()


def states(store):
    return {(one.get("stage", "main"), one["variant"], one.get("value"), one["seed"]): store.cell(one["hash"]).state()
            for one in every_cell(manifest(store))}  # fmt: skip


def chosen(store):
    tune = manifest(store)["tune"]
    return {arm["variant"]: None if arm["chosen"] is None else tune["values"][arm["chosen"]] for arm in tune["arms"]}


def science(store):
    """Everything that was found out: decisions, cells and their numbers."""
    found = manifest(store)
    cells = {one["hash"]: numbers(store, Cell(one["hash"], "", 0, 0, {})) for one in every_cell(found)}
    return found["tune"], found["cells"], cells


def test_one_run_tunes_decides_and_trains_both_sides(study, capsys):
    assert ablate_run() == 0
    said = capsys.readouterr()
    assert "+ 18 new" in said.out
    assert "Tuned baseline: rate 0.03 (own 0.1), at the edge of the grid." in said.err
    assert chosen(study) == {"baseline": "0.03", "NoMomentum": "0.03", "Slow": "0.03"}
    assert set(states(study).values()) == {"DONE"}
    # Slow's own value was chosen: it is not trained again, and its runs stand on both sides.
    assert [one["variant"] for one in every_cell(manifest(study)) if one.get("stage") == "retuned"] == [
        "baseline", "baseline", "NoMomentum", "NoMomentum"
    ]  # fmt: skip
    own = {one["hash"] for one in manifest(study)["cells"] if one["variant"] == "Slow"}
    assert {one["hash"] for one in manifest(study)["tune"]["retuned"] if one["variant"] == "Slow"} == own
    assert len(list(study.cells)) == 6 + 12 + 4
    before = {cell.hash: cell.status() for cell in study.cells}
    assert ablate_run() == 0
    assert "Nothing to train." in capsys.readouterr().out
    assert {cell.hash: cell.status() for cell in study.cells} == before


def test_other_code_makes_all_of_it_stale_and_nothing_orphaned(study, monkeypatch, capsys):
    assert ablate_run() == 0
    capsys.readouterr()
    monkeypatch.setattr("ablate.cells.code_digest", lambda sources: "changed")
    assert run(["plan", "toy.yaml", "--no-probe"]) == 0
    out = capsys.readouterr().out
    assert "+ 0 new  = 0 cached  ~ 18 stale (code changed)\n" in out
    assert "at most 12 with what is not chosen yet" in out


def test_a_tuning_cell_is_a_cell_like_all_others(study):
    """The same run under another study's name is found again, whatever it was for."""
    assert ablate_run("--select", "stage:tune", "--select", "variant:baseline") == 0
    text = study_text("other", budget=400, rate=0.03).replace("count: 2", "count: 2\n  start: 1000")
    (study.home.parent / "toy.yaml").write_text(text)
    assert run(["plan", "toy.yaml", "--no-probe", "--json"]) == 0
    assert ablate_run("--select", "variant:baseline") == 0
    tuned = {cell.hash for cell in study.cells}
    assert {one["hash"] for one in study.study("other").manifest()["cells"] if one["variant"] == "baseline"} < tuned


def test_stopped_between_the_stages_it_goes_on_to_the_same_end(study, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(driver, "_decided", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        assert ablate_run() == 130
    assert chosen(study) == dict.fromkeys(("baseline", "NoMomentum", "Slow"))
    assert {one[0] for one in states(study)} == {"main", "tune"}
    capsys.readouterr()
    assert run(["gc", "--dry-run"]) == 0
    assert "would delete 0 cells, 0 packs" in capsys.readouterr().out
    assert run(["plan", "toy.yaml", "--no-probe"]) == 0
    assert "+ 4 new  = 18 cached" in capsys.readouterr().out
    assert ablate_run() == 0
    found = science(study)
    calm = tmp_path / "calm"
    assert ablate_run("--home", str(calm)) == 0
    assert science(Store(calm)) == found


KILLED = """
import os, signal, sys
from ablate import pack
from ablate.cli import main
train, begun, last = pack.run_pack, [], int(sys.argv[1])
def dying(*args, **kwargs):
    begun.append(args)
    if len(begun) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return train(*args, **kwargs)
pack.run_pack = dying
sys.argv = ["ablate", "run", "toy.yaml", "--executor", "local", "--no-mlflow", "--no-report"]
main()
"""


def test_killed_inside_either_stage_it_goes_on_to_the_same_end(study, tmp_path):
    once = tmp_path / "once"
    # The first process to come to env step 240 kills itself in mid-run: that is a pack of the first stage.
    write(study.home, fault="kill", fault_at=240, once=str(once), checkpoint_seconds=0)

    def killed(at_pack):
        command = [sys.executable, "-c", KILLED, str(at_pack)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        return done.stderr

    killed(99)
    assert once.exists()
    assert "INTERRUPTED" in states(study).values()
    said = killed(11)  # nine packs were left of the first stage: this is the second of the next
    assert "Tuned NoMomentum: rate 0.03" in said
    assert ("retuned", "baseline", "0.03", 0) in states(study)
    assert [state for (stage, *_), state in states(study).items() if stage == "retuned"].count("DONE") == 2
    assert ablate_run() == 0
    calm = tmp_path / "calm"
    assert ablate_run("--home", str(calm)) == 0
    assert science(study) == science(Store(calm))


def test_a_failed_tuning_run_counts_and_can_be_tried_again(study, capsys):
    once = study.home.parent / "once"
    once.touch()
    write(study.home, controls={"Broken": {"rate": 0.2, "fault": "raise", "fault_at": 100, "once": str(once) + "2"}})
    assert ablate_run("--select", "variant:Broken", "--select", "stage:tune") == 1
    failed = [name for name, state in states(study).items() if state == "FAILED"]
    assert {name[2] for name in failed} == {"0.3"}, "the first pack failed, the other trained"
    assert chosen(study)["Broken"] == "0.03"
    assert ablate_run("--select", "variant:Broken") == 1
    retuned = [one["hash"] for one in manifest(study)["tune"]["retuned"]]
    # Tried again, the arm is undecided for as long as that takes; what was retuned is not lost meanwhile.
    assert run(["retry", "toy.yaml"]) == 0
    assert "forgot Broken (tune 0.3), seed 1000" in capsys.readouterr().out
    assert ablate_run("--select", "variant:baseline", "--select", "stage:main") == 0
    assert chosen(study)["Broken"] is None
    assert sorted(manifest(study)["tune"]["held"]) == sorted(retuned)
    assert run(["gc"]) == 0
    assert [study.cell(one).state() for one in retuned] == ["DONE", "DONE"]
    assert ablate_run("--rerun", "failed") == 0
    assert chosen(study)["Broken"] == "0.03"


def test_selectors_listings_and_status_know_the_stages(study, capsys):
    assert run(["run", "toy.yaml", "--dry-run", "-s", "stage:tune", "-s", "variant:Slow"]) == 0
    out = capsys.readouterr().out
    assert out.count("would train Slow (tune 0.3), toy/walk, seed 100") == 2
    assert "at most 12 with what is not chosen yet" in out
    assert ablate_run("--select", "stage:main", "--select", "stage:retuned") == 0
    assert set(chosen(study).values()) == {None}
    assert ablate_run("--select", "variant:baseline") == 0
    capsys.readouterr()
    assert run(["list", "cells", "toy.yaml", "--json", "-s", "stage:retuned"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["variant"], row["value"], row["seed"]) for row in rows] == [
        ("baseline", "0.03", 0),
        ("baseline", "0.03", 1),
    ]
    assert run(["status", "toy", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["counts"] == {"DONE": 12, "MISSING": 8}
    rows = {row["name"]: row["counts"] for row in data["variants"]}
    assert (rows["baseline"], rows["baseline (tune)"], rows["Slow (tune)"]) == (
        {"DONE": 2},
        {"DONE": 4},
        {"MISSING": 4},
    )
    assert run(["plan", "toy.yaml", "--no-probe", "--json"]) == 0
    tune = json.loads(capsys.readouterr().out)["tune"]
    assert [arm["chosen"] for arm in tune["arms"]] == [0.03, None, None]
    assert tune["at_most_more"] == 4
    assert run(["validate", "toy.yaml"]) == 0
    assert (
        "tuning rate: 3 variants x 2 values x 1 task x 2 seeds = 12 cells, and at most 6 retuned"
        in capsys.readouterr().out
    )
    assert run(["plan", "toy.yaml", "--no-probe", "-s", "stage:tuned"]) == 2
    assert "no stage `tuned`. Did you mean `tune`? Stages: main, tune, retuned." in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_mirror_tells_the_stages_apart(mlflow_home):
    write(mlflow_home, seeds=1, controls={}, tune=TUNE | {"seeds": [1000]})
    assert run(["run", "toy.yaml", "--executor", "local", "--no-report"]) == 0
    client = tracking._import_mlflow().MlflowClient(tracking_uri=f"sqlite:///{mlflow_home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ablate/toy").experiment_id
    runs = client.search_runs([experiment], max_results=100)
    by_stage = {}
    for one in runs:
        by_stage.setdefault(one.data.tags.get("stage"), set()).add(one.info.run_name)
    assert by_stage == {
        None: {"toy"},
        "main": {"baseline/s0", "NoMomentum/s0"},
        "tune": {f"{arm} (tune {value})/s1000" for arm in ("baseline", "NoMomentum") for value in (0.3, 0.03)},
        "retuned": {"baseline (retuned 0.03)/s0", "NoMomentum (retuned 0.03)/s0"},
    }
    assert {one.info.status for one in runs} == {"FINISHED"}
    assert Store(mlflow_home).study("toy").mirror()["complete"]


def test_terminal_summary_and_tables_show_both_sides(study, capsys):
    write(study.home, seeds=3)
    assert run(["run", "toy.yaml", "--executor", "local", "--no-mlflow"]) == 0
    said = capsys.readouterr().out
    assert "verdict as is" in said
    assert "verdict retuned" in said
    assert "0.1 → 0.03" in said
    report = study.study("toy").report
    with (report / "tables" / "retuned.csv").open() as file:
        rows = {row["variant"]: row for row in csv.DictReader(file)}
    assert (rows["NoMomentum"]["own"], rows["NoMomentum"]["chosen"], rows["Slow"]["edge"]) == ("0.1", "0.03", "1")
    assert rows["Slow"]["mean_as_is"] == rows["Slow"]["mean_retuned"]
    assert rows["NoMomentum"]["mean_as_is"] != rows["NoMomentum"]["mean_retuned"]
    summary = (report / "summary.md").read_text()
    assert "The comparison never sees these seeds" in summary
    assert "Chosen at the edge of the values of rate: baseline (0.03)" in summary
