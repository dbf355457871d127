"""Studies with adaptive seeds: checked before, driven look by look, and the same however often they were stopped."""

import csv
import json
import signal
import subprocess
import sys

import pytest
import yaml
from toy_packs import numbers, study_text

from ablate import driver
from ablate.cells import Cell
from ablate.cli import run
from ablate.manifest import every_cell
from ablate.store import Store
from ablate.study import check, load

LOOKS = [5, 6, 8]
ADAPTIVE = {"adaptive": {"looks": LOOKS}}
ARMS = {"Worse": {"bonus": -500.0}, "Same": {"rate": 0.011}}

pytestmark = pytest.mark.usefixtures("toy")


def write(home, *, controls=ARMS, seeds=ADAPTIVE, edit=None, **settings):
    text = study_text(budget=400, rate=0.01, seeds=seeds, controls=controls, **settings)
    if edit is not None:
        document = yaml.safe_load(text)
        edit(document)
        text = yaml.safe_dump(document, sort_keys=False)
    (home.parent / "toy.yaml").write_text(text)


@pytest.fixture
def study(home):
    write(home)
    return Store(home)


def ablate_run(*arguments):
    return run(["run", "toy.yaml", "--executor", "local", "--no-mlflow", "--no-report", *arguments])


def manifest(store):
    return store.study("toy").manifest()


def seeds_of(store):
    found = {}
    for one in every_cell(manifest(store)):
        found.setdefault(one["variant"], []).append(one["seed"])
    return {name: len(seeds) for name, seeds in found.items()}


def science(store):
    """Everything that was found out: which cells there are, their numbers, and how the looks went."""
    found = manifest(store)
    cells = {one["hash"]: numbers(store, Cell(one["hash"], "", 0, 0, {})) for one in every_cell(found)}
    return found["cells"], found["adaptive"], cells


def problems(home, **settings):
    write(home, **settings)
    return [f"{one.path}: {one.message}" for one in check(str(home.parent / "toy.yaml"))[1]]


def test_the_form_is_checked_with_the_study(home):
    assert problems(home) == []
    found = load(str(home.parent / "toy.yaml"))
    assert found.seeds == tuple(range(8))
    assert (found.adaptive.looks, found.adaptive.spending) == ((5, 6, 8), "quadratic")
    (one,) = problems(home, seeds={"adaptive": {"look": [5, 8]}})
    assert one.startswith("seeds.adaptive.look: unknown field. Did you mean `looks`?")
    tune = {"field": "rate", "values": [0.3, 0.03], "seeds": [1000]}
    (one,) = problems(home, tune=tune, controls={})
    assert one.startswith("tune: adaptive seeds and `tune` exclude each other: ")
    found = problems(home, tune=tune | {"seeds": ADAPTIVE}, seeds=2, controls={})
    assert any(one.startswith("tune.seeds.adaptive: unknown field.") for one in found)


def test_a_profile_may_change_the_form_of_the_seeds(home):
    def profile(document):
        document["profiles"] = {"more": {"seeds": ADAPTIVE}}

    assert problems(home, seeds=3, edit=profile) == []
    path = str(home.parent / "toy.yaml")
    assert load(path).adaptive is None
    assert load(path, "more").adaptive.looks == (5, 6, 8)
    assert load(path, overrides=["+seeds.adaptive.looks=[6, 9]", "~seeds.count"]).seeds == tuple(range(9))


def test_seeds_go_to_what_is_undecided_and_to_the_baseline(study, capsys):
    assert ablate_run() == 0
    said = capsys.readouterr()
    assert "+ 20 new" in said.out
    assert "Look 1 at 5 seeds per arm: Worse: hurts." in said.err
    assert "Still open: NoMomentum, Same; next look at 6 seeds." in said.err
    assert "Look 3 at 8 seeds per arm: " in said.err
    assert seeds_of(study) == {"baseline": 8, "NoMomentum": 8, "Worse": 5, "Same": 8}
    record = manifest(study)["adaptive"]
    assert (record["looks"], record["looked"]) == (LOOKS, 3)
    assert [one["why"] for one in record["arms"] if one["variant"] == "Worse"] == ["separated"]
    before = {cell.hash: cell.status() for cell in study.cells}
    assert len(before) == 29
    assert ablate_run() == 0
    assert "Nothing to train." in capsys.readouterr().out
    assert {cell.hash: cell.status() for cell in study.cells} == before
    assert run(["gc", "--dry-run"]) == 0
    assert "would delete 0 cells, 0 packs" in capsys.readouterr().out


def test_a_decision_is_never_taken_from_the_record(study):
    assert ablate_run() == 0
    found = science(study)
    place = study.study("toy")
    place.write_manifest(manifest(study) | {"adaptive": {**manifest(study)["adaptive"], "arms": [], "looked": 3}})
    assert ablate_run() == 0
    assert science(study) == found


KILLED = """
import os, signal, sys
from ablate import driver
from ablate.cli import main
if sys.argv[1] == "between":
    driver._decided = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["ablate", "run", "toy.yaml", "--executor", "local", "--no-mlflow", "--no-report"]
main()
"""


def test_killed_between_looks_and_inside_one_it_comes_to_the_same_end(study, tmp_path):
    once = tmp_path / "once"
    once.touch()
    # While that file is missing, the first process to come to env step 240 kills itself in mid-run.
    write(study.home, fault="kill", fault_at=240, once=str(once), checkpoint_seconds=0)

    def killed(where):
        command = [sys.executable, "-c", KILLED, where]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        return done.stderr

    killed("between")  # all of the first look has ended, and nothing was decided on record
    assert manifest(study)["adaptive"]["looked"] == 0
    assert [study.cell(one["hash"]).state() for one in every_cell(manifest(study))] == ["DONE"] * 20
    once.unlink()
    assert "Training 3 cells in 3 packs" in killed("inside")
    assert once.exists()
    assert (manifest(study)["adaptive"]["looked"], seeds_of(study)["Worse"]) == (1, 5)
    states = [cell.state() for cell in study.cells]
    assert (states.count("DONE"), states.count("INTERRUPTED")) == (20, 1)
    assert ablate_run() == 0
    calm = tmp_path / "calm"
    assert ablate_run("--home", str(calm)) == 0
    assert science(study) == science(Store(calm))


def test_an_interrupt_between_looks_asks_for_the_next_one(study, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(driver, "_decided", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        assert ablate_run() == 130
    capsys.readouterr()
    assert run(["plan", "toy.yaml", "--no-probe"]) == 0
    out = capsys.readouterr().out
    assert "+ 3 new  = 20 cached" in out
    assert "orphaned" not in out


def test_some_cells_decide_nothing(study, capsys):
    assert ablate_run("--select", "variant:Same", "--select", "variant:baseline") == 0
    assert manifest(study)["adaptive"]["looked"] == 0
    assert len(list(study.cells)) == 10
    assert ablate_run() == 0
    assert manifest(study)["adaptive"]["looked"] == 3


def test_failed_runs_count_and_what_they_led_to_is_kept_while_they_are_tried_again(study, capsys):
    write(study.home, controls={"Broken": {"fault": "nan", "fault_at": 100, "fault_seed": 2}})
    assert ablate_run() == 1
    assert manifest(study)["adaptive"]["looked"] == 3
    assert seeds_of(study)["Broken"] == 8
    # Forgotten, the first look is open again; the later cells may be wanted and are not thrown away.
    assert run(["retry", "toy.yaml"]) == 0
    assert ablate_run("--select", "variant:baseline") == 0
    assert manifest(study)["adaptive"]["looked"] == 0
    assert len(manifest(study)["adaptive"]["held"]) == 9
    assert run(["gc"]) == 0
    assert ablate_run() == 1
    assert seeds_of(study) == {"baseline": 8, "NoMomentum": 8, "Broken": 8}


def test_the_plan_is_frozen_from_the_first_look_on(study, capsys):
    assert ablate_run("--select", "variant:baseline") == 0
    write(study.home, seeds={"adaptive": {"looks": [5, 7]}})
    assert run(["plan", "toy.yaml", "--no-probe"]) == 0, "nothing was looked at yet"
    assert ablate_run() == 0
    capsys.readouterr()

    def margin(document):
        document["metrics"] = {"primary": {"margin": 0.5}}

    for changes, what in (
        ({"seeds": {"adaptive": {"looks": [5, 7, 9]}}}, "the looks and the seeds"),
        ({"seeds": {"adaptive": {"looks": [5, 7], "spending": "linear"}}}, "the spending"),
        ({"seeds": 30}, "the looks and the spending and the seeds"),
        ({"seeds": {"adaptive": {"looks": [5, 7]}}, "edit": margin}, "the primary metric or its margin"),
    ):
        write(study.home, **changes)
        for verb in (["plan", "toy.yaml", "--no-probe"], ["run", "toy.yaml", "--executor", "local"]):
            assert run(verb) == 2
            said = capsys.readouterr().err
            assert f"its plan is frozen, but {what} changed." in said
    write(study.home, seeds={"adaptive": {"looks": [5, 7]}})
    assert run(["plan", "toy.yaml", "--no-probe"]) == 0


def test_other_code_makes_the_first_look_stale_and_nothing_orphaned(study, monkeypatch, capsys):
    assert ablate_run() == 0
    capsys.readouterr()
    monkeypatch.setattr("ablate.cells.code_digest", lambda sources: "changed")
    assert run(["plan", "toy.yaml", "--no-probe"]) == 0
    assert "+ 0 new  = 0 cached  ~ 20 stale (code changed)\n" in capsys.readouterr().out


def test_terminal_and_report_tell_the_looks(study, capsys):
    assert run(["run", "toy.yaml", "--executor", "local", "--no-mlflow"]) == 0
    capsys.readouterr()
    report = study.study("toy").report
    with (report / "tables" / "stopping.csv").open() as file:
        rows = {row["variant"]: row for row in csv.DictReader(file)}
    assert (rows["Worse"]["why"], rows["Worse"]["seeds"], rows["Worse"]["look"]) == ("separated", "5", "1")
    assert run(["status", "toy"]) == 0
    assert "Look 3 of 3 taken (8 seeds per arm); decided: " in capsys.readouterr().out
    assert run(["status", "toy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["adaptive"]["looked"] == 3
    assert run(["plan", "toy.yaml", "--no-probe", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["adaptive"]
    assert (data["complete"], data["most_cells"]) == (True, 32)
    assert {one["variant"]: one["verdict"] for one in data["arms"]}["Worse"] == "hurts"


def test_the_plan_says_what_the_looks_will_cost(study, capsys):
    assert run(["validate", "toy.yaml"]) == 0
    assert "8 seeds = 32 cells at most, 20 at the first of 3 looks." in capsys.readouterr().out
    assert run(["plan", "toy.yaml", "--no-probe"]) == 0
    out = capsys.readouterr().out
    assert "adaptive: looks at 5, 6, 8 seeds per arm, quadratic spending, Holm over 1." in out
    assert "20 cells at the first look, at most 32" in out
    assert "The margin is taken for 1 SD of a run's score until three runs of the baseline are done." in out
    assert "Power" not in out, "a fixed number of seeds is not what this plan has"
    assert run(["plan", "toy.yaml", "--no-probe", "--json"]) == 0
    rows = {row["effects"]: row for row in json.loads(capsys.readouterr().out)["adaptive"]["expected"]["rows"]}
    assert 20 <= rows["3 SD in every arm"]["cells"] < rows["1 SD in every arm"]["cells"] <= 32
    assert rows["3 SD in every arm"]["separated"] > 0.9 > 0.1 > rows["0 SD in every arm"]["separated"]
    assert ablate_run("--select", "variant:baseline") == 0
    capsys.readouterr()
    assert run(["plan", "toy.yaml", "--no-probe"]) == 0
    assert "SD of a run's score (from the baseline's finished runs)." in capsys.readouterr().out
