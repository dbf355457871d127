import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
from toy_packs import study_text

from ablate import mirroring, tracking
from ablate.cli import run
from ablate.mirroring import Mirroring
from ablate.store import Store

pytestmark = [
    pytest.mark.usefixtures("toy"),
    # Of MLflow and its dependencies, about themselves.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def client(uri):
    return tracking._import_mlflow().MlflowClient(tracking_uri=uri)


def runs(uri, study="toy"):
    """Active runs: the parent's name or the child's -> run."""
    found = client(uri)
    experiment = found.get_experiment_by_name(f"ablate/{study}")
    return {one.info.run_name: one for one in found.search_runs([experiment.experiment_id], max_results=1000)}


def points(uri, run, key="loss/weight"):
    return [(one.step, one.value) for one in client(uri).get_metric_history(run.info.run_id, key)]


def ablate_run(*arguments):
    return run(["run", "toy.yaml", "--executor", "local", "--no-report", *arguments])


@pytest.fixture
def study(mlflow_home):
    (mlflow_home.parent / "toy.yaml").write_text(study_text(controls={"Broken": {"fault": "raise", "fault_at": 800}}))
    return mlflow_home


def uri_of(home):
    return f"sqlite:///{home / 'mlflow.db'}"


def test_a_study_is_mirrored_once_with_all_that_the_page_needs(study):
    assert ablate_run() == 1
    uri = uri_of(study)
    found = runs(uri)
    assert set(found) == {
        "toy",
        *(f"{name}/s{seed}" for name in ("baseline", "NoMomentum", "Broken") for seed in (0, 1)),
    }
    assert {name: one.info.status for name, one in found.items() if one.info.status != "FINISHED"} == {
        "toy": "FAILED",
        "Broken/s0": "FAILED",
        "Broken/s1": "FAILED",
    }
    child = found["NoMomentum/s1"]
    wanted = {"ablate.study": "toy", "ablate.kind": "cell", "ablation": "NoMomentum", "variant": "NoMomentum",
              "component": "drift", "action": "REMOVE", "seed": "1", "task": "toy/walk", "ablate.attempt": "1",
              "mlflow.parentRunId": found["toy"].info.run_id}  # fmt: skip
    assert wanted.items() <= child.data.tags.items()
    assert child.data.tags["mlflow.runColor"].startswith("#")
    assert child.data.params["algorithm.config.drift.kind"] == "plain"
    assert found["Broken/s0"].data.tags["mlflow.note.content"] == "ZeroDivisionError: the toy was told to"
    place = Store(study).cell(child.data.tags["ablate.cell"])
    rows = place.rows()
    assert points(uri, child) == [(row["env_steps"], row["loss/weight"]) for row in rows]
    assert any("profile/weight@2" in row for row in rows)
    assert not any("profile" in key for key in child.data.metrics)
    assert points(uri, child, "eval/return") == [
        (row["env_steps"], row["eval/return"]) for row in rows if "eval/return" in row
    ]
    status = place.status()
    assert child.info.end_time == int(status["ended"] * 1000)


def artifacts(uri, run, path=None):
    """Path -> size of every file below a run's folder."""
    found = {}
    for one in client(uri).list_artifacts(run.info.run_id, path):
        found |= artifacts(uri, run, one.path) if one.is_dir else {one.path: one.file_size}
    return found


def test_every_table_and_figure_of_the_report_is_logged_to_the_parent(mlflow_home):
    (mlflow_home.parent / "toy.yaml").write_text(study_text(seeds=3, budget=400))
    assert run(["run", "toy.yaml", "--executor", "local"]) == 0
    uri, report = uri_of(mlflow_home), Store(mlflow_home).study("toy").report
    files = {f"report/{one.relative_to(report)}": one.stat().st_size for one in report.rglob("*") if one.is_file()}
    assert artifacts(uri, runs(uri)["toy"], "report") == files
    names = {path.rpartition("/")[2] for path in files}
    assert {"report.pdf", "summary.md", "scores.csv", "bands.csv", "contrasts.csv", "contrasts.tex"} <= names
    assert {"forest.pdf", "forest.png", "curves.pdf", "curves.png", "strips.pdf", "strips.png"} <= names


def test_mirroring_again_changes_nothing(study, mlflow_template, monkeypatch, capsys):
    ablate_run()
    uri = uri_of(study)
    before = {name: (one.info.run_id, points(uri, one)) for name, one in runs(uri).items()}
    assert run(["sync"]) == 0
    assert {name: (one.info.run_id, points(uri, one)) for name, one in runs(uri).items()} == before
    # The database is a projection: an empty one is filled from the cells.
    shutil.copy(mlflow_template, study / "other.db")
    uri = f"sqlite:///{study / 'other.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert run(["sync", "toy"]) == 0
    assert {name: points(uri, one) for name, one in runs(uri).items()} == {name: one[1] for name, one in before.items()}
    assert "searchFilter=" in capsys.readouterr().out


def test_a_resumed_journal_is_mirrored_without_doubles_or_gaps(study):
    """A journal that is cut back and grows past the place where the mirror had read to."""
    ablate_run("--select", "variant:baseline", "--select", "seed:0")
    store = Store(study)
    manifest = store.study("toy").manifest()
    (entry,) = [one for one in manifest["cells"] if one["variant"] == "baseline" and one["seed"] == 0]
    cell = store.cell(entry["hash"])
    rows = cell.rows()
    mirror = tracking.Mirror(store, {**manifest, "study": "resumed", "cells": [entry]})
    mirror.connect()
    status = {**cell.status(), "state": "RUNNING", "attempt": 1}

    def journal(rows):
        cell.journal_path.unlink()
        cell.append(rows)

    cell.write_status(status)
    journal(rows[:60])
    list(mirror.calls(final=True))
    cell.write_status({**status, "attempt": 2})
    journal(rows[:40] + [{**row, "ts": row["ts"] + 100.125} for row in rows[40:]])
    list(mirror.calls())
    cell.write_status({**status, "attempt": 2, "state": "DONE"})
    list(mirror.calls())
    uri = uri_of(study)
    (child,) = [one for one in runs(uri, "resumed").values() if one.data.tags["ablate.kind"] == "cell"]
    assert points(uri, child) == [(row["env_steps"], row["loss/weight"]) for row in rows]
    assert child.info.status == "FINISHED"


def test_a_cell_that_was_forgotten_and_trained_again_replaces_its_run(study):
    ablate_run()
    uri = uri_of(study)
    before = runs(uri)
    assert run(["retry", "toy.yaml"]) == 0
    assert ablate_run() == 1
    after = runs(uri)
    assert set(before) == set(after)
    changed = {name for name in after if after[name].info.run_id != before[name].info.run_id}
    assert changed == {"Broken/s0", "Broken/s1"}
    assert after["Broken/s0"].data.tags["ablate.attempt"] == "2"


def test_a_cell_of_two_studies_is_complete_under_both_parents(study):
    ablate_run("--select", "variant:baseline")
    (study.parent / "toy.yaml").write_text(study_text("second"))
    assert ablate_run() == 0
    first, second = runs(uri_of(study)), runs(uri_of(study), "second")
    one, other = first["baseline/s0"], second["baseline/s0"]
    assert one.data.tags["ablate.cell"] == other.data.tags["ablate.cell"]
    assert other.data.tags["mlflow.parentRunId"] == second["second"].info.run_id
    assert points(uri_of(study), one) == points(uri_of(study), other)


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_server_that_is_down_is_said_loudly_and_training_goes_on(study, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert ablate_run("--select", "variant:baseline") == 0
    said = capsys.readouterr().err
    assert said.count("WARNING: MLflow at http://127.0.0.1:") == 2  # when it happened, and at the end
    assert "Training goes on; `ablate sync` fills the gap later." in said
    assert run(["sync", "toy"]) == 3
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert run(["sync", "toy"]) == 0
    assert len(points(uri_of(study), runs(uri_of(study))["baseline/s1"])) == 100


def test_a_mirror_that_hangs_does_not_hold_up_the_end(study, monkeypatch):
    ablate_run("--select", "variant:baseline")
    store, said = Store(study), []
    monkeypatch.setattr(mirroring, "_JOIN_SECONDS", 0.2)
    monkeypatch.setattr(tracking.Mirror, "connect", lambda self: time.sleep(5))
    slow = Mirroring(store, store.study("toy").manifest(), said.append)
    slow.start()
    started = time.monotonic()
    assert slow.finish("FINISHED", "", None) is None
    assert time.monotonic() - started < 2
    assert "no answer for" in said[0]
    assert store.study("toy").mirror()["complete"] is False


def start_server(home, port):
    command, environment = tracking.server_command(home, uri_of(home), "127.0.0.1", port)
    server = subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
            return server
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, "the MLflow server did not start"
            time.sleep(0.1)


def kill_server(server):
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def test_a_server_killed_in_mid_run_loses_nothing(study, monkeypatch, capsys):
    (study.parent / "toy.yaml").write_text(study_text(iteration_s=0.02))
    port = closed_port()
    uri = f"http://127.0.0.1:{port}"
    server = start_server(study, port)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(mirroring, "CALL_SECONDS", 0.05)
    log_batch, calls = tracking.Mirror._log, []

    def kill_at_the_third_call(mirror, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            kill_server(server)
        log_batch(mirror, *arguments)

    monkeypatch.setattr(tracking.Mirror, "_log", kill_at_the_third_call)
    assert ablate_run() == 0
    assert "WARNING: MLflow at" in capsys.readouterr().err
    assert server.poll() == -signal.SIGKILL
    # What is there is there: another server on the same database, and the gap is filled.
    server = start_server(study, port)
    try:
        assert run(["sync", "toy"]) == 0
        found = runs(uri)
        assert len(found) == 5
        assert {one.info.status for one in found.values()} == {"FINISHED"}
        for name, one in found.items():
            if name != "toy":
                assert len(points(uri, one)) == len({step for step, _ in points(uri, one)}) == 100
        assert "baseline/s0" in found
    finally:
        kill_server(server)
    shutil.rmtree(study / "mlartifacts", ignore_errors=True)
