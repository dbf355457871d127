import json
import os
import signal
import socket
import sys
import threading
import time

import pytest
from toy_packs import study_text

from ablate.cli import run
from ablate.store import Store

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def study(home):
    (home.parent / "toy.yaml").write_text(study_text())
    return Store(home)


def ablate_run(*arguments):
    return run(["run", "toy.yaml", "--executor", "local", "--no-mlflow", "--no-report", *arguments])


def signal_in_training(store, number, *, after):
    """Send this process a signal so many seconds after its first cell has begun to train."""

    def wait_and_send():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any(cell.state() == "RUNNING" for cell in store.cells):
            time.sleep(0.02)
        time.sleep(after)
        os.kill(os.getpid(), number)

    threading.Thread(target=wait_and_send, daemon=True).start()


def states(store, study="toy"):
    return {
        (entry["variant"], entry["seed"]): store.cell(entry["hash"]).state()
        for entry in store.study(study).manifest()["cells"]
    }


def write(study, **kwargs):
    (study.home.parent / "toy.yaml").write_text(study_text(**kwargs))


def test_running_twice_trains_once_and_starts_no_ray(study, capsys, monkeypatch):
    assert ablate_run() == 0
    before = {cell.hash: cell.status() for cell in study.cells}
    assert len(before) == 4
    assert "+ 4 new  = 0 cached" in capsys.readouterr().out
    # The default executor this time: with nothing to do it must not even be imported.
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(["run", "toy.yaml", "--no-mlflow", "--no-report"]) == 0
    assert {cell.hash: cell.status() for cell in study.cells} == before
    out = capsys.readouterr().out
    assert "= 4 cached" in out
    assert "Nothing to train." in out


def test_a_run_ends_with_verdicts_and_a_report_that_can_be_rendered_again(study, capsys):
    write(study, seeds=3)
    assert run(["run", "toy.yaml", "--executor", "local", "--no-mlflow"]) == 0
    out = capsys.readouterr().out
    pdf = study.study("toy").report / "report.pdf"
    assert f"Report  {pdf}" in out
    assert "NoMomentum" in out
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    pdf.unlink()
    assert run(["report", "toy"]) == 0
    assert pdf.read_bytes() == content
    capsys.readouterr()
    assert run(["report", "toy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pdf"] == str(pdf)


def test_only_what_is_selected_is_trained(study):
    assert ablate_run("--select", "seed:0", "--exclude", "variant:NoMomentum") == 0
    found = states(study)
    assert found.pop(("baseline", 0)) == "DONE"
    assert set(found.values()) == {"MISSING"}


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(study, capsys):
    assert ablate_run("--dry-run") == 0
    out = capsys.readouterr().out
    assert out.count("would train") == 4
    assert list(study.home.iterdir()) == []


def test_a_failure_is_told_when_it_happens_with_its_log_and_what_to_do(study, capsys):
    write(study, controls={"Broken": {"fault": "raise", "fault_at": 800}})
    assert ablate_run() == 1
    said = capsys.readouterr()
    message = said.err[said.err.index("FAILED Broken, seeds 0, 1: ZeroDivisionError: the toy was told to") :]
    assert "  | ZeroDivisionError: the toy was told to" in message
    assert "Try again: ablate run --rerun failed" in message
    assert "2 of 6 cells failed" in said.out
    broken = [cell for cell in study.cells if cell.state() == "FAILED"]
    assert f"ablate logs {broken[0].hash}" in said.err or f"ablate logs {broken[1].hash}" in said.err
    # Failed is for good: another run trains nothing, until asked to.
    assert ablate_run() == 1
    assert "Nothing to train." in capsys.readouterr().out
    assert [len(cell.attempts()) for cell in broken] == [1, 1]
    assert ablate_run("--rerun", "failed") == 1
    assert [len(cell.attempts()) for cell in broken] == [2, 2]
    capsys.readouterr()
    assert run(["logs", broken[0].hash[:10], "--lines", "1"]) == 0
    assert "failed at env step 800" not in capsys.readouterr().err
    assert run(["retry", "toy.yaml", "--dry-run"]) == 0
    assert [cell.state() for cell in broken] == ["FAILED", "FAILED"]
    assert run(["retry", "toy.yaml", "--select", "seed:1"]) == 0
    assert sorted(cell.state() for cell in broken) == ["FAILED", "MISSING"]


def test_fail_fast_stops_after_the_first_failure(study, capsys):
    # Packs of equal length run in the order of the study, and controls inherit the baseline's config.
    write(study, fault="raise", fault_at=100, controls={"Slow": {"fault": "none", "iteration_s": 0.05}})
    assert ablate_run("--fail-fast") == 1
    assert "Stopping after a failure (--fail-fast)" in capsys.readouterr().err
    assert states(study)["Slow", 0] in ("INTERRUPTED", "MISSING")


def test_a_fault_of_the_machine_is_tried_again_and_then_left_for_the_next_run(study, capsys, tmp_path):
    once = tmp_path / "once"
    write(study, controls={"Once": {"fault": "oom", "fault_at": 800, "once": str(once)}})
    assert ablate_run() == 0
    attempts = {cell.identity()["algorithm"]["config"]["fault"]: cell.attempts() for cell in study.cells}
    assert [one["state"] for one in attempts["oom"]] == ["INTERRUPTED", "DONE"]
    write(study, controls={"Always": {"fault": "oom", "fault_at": 400}}, resources={"retries": 1})
    capsys.readouterr()
    assert ablate_run() == 3
    said = capsys.readouterr().err
    assert "Not finished: Always/s0, Always/s1: MemoryError: the toy was told to. Run again to resume." in said
    assert states(study)["Always", 0] == "INTERRUPTED"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_checkpoints_and_a_run_resumes(study, capsys, number, code):
    write(study, iteration_s=0.01)
    before = signal.getsignal(number)
    signal_in_training(study, number, after=0.3)
    assert ablate_run() == code
    said = capsys.readouterr()
    assert "Stopping: the packs write checkpoints and leave." in said.err
    assert "Stopped; `ablate run toy.yaml` resumes." in said.out
    assert "RUNNING" not in states(study).values()
    assert "INTERRUPTED" in states(study).values()
    assert signal.getsignal(number) == before
    assert ablate_run() == 0
    assert "1 of them from a checkpoint" in capsys.readouterr().err
    assert set(states(study).values()) == {"DONE"}


def test_a_second_signal_ends_at_once(study):
    write(study, iteration_s=2.0)
    for delay in (0.1, 0.6):
        signal_in_training(study, signal.SIGINT, after=delay)
    assert ablate_run() == 130
    assert set(states(study).values()) == {"INTERRUPTED", "MISSING"}


def test_a_second_driver_is_sent_away(study, capsys):
    with study.study("toy").lock():
        assert ablate_run() == 4
        assert f"study `toy` is locked by process {os.getpid()} on" in capsys.readouterr().err
        assert run(["status", "toy.yaml"]) == 2  # nothing was ever run
    assert not list(study.cells)


def test_a_store_that_cannot_be_written_is_one_sentence(study, monkeypatch, capsys):
    monkeypatch.setenv("ABLATE_HOME", "/proc/nowhere")
    assert ablate_run() == 3
    said = capsys.readouterr().err
    assert said.startswith("cannot create /proc/nowhere")
    assert said.count("\n") == 1


def test_status_counts_cells_from_another_terminal(study, capsys):
    write(study, controls={"Broken": {"fault": "raise", "fault_at": 800}})
    ablate_run("--exclude", "variant:NoMomentum")
    capsys.readouterr()
    assert run(["status", "toy", "--failed"]) == 0
    out = capsys.readouterr().out
    assert "toy: 2/6 cells done" in out
    assert "No driver is at work." in out
    assert out.count("ZeroDivisionError: the toy was told to") == 2
    assert run(["status", "toy.yaml", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["counts"] == {"DONE": 2, "FAILED": 2, "MISSING": 2}
    assert data["driven"] is False
    assert run(["status", "tyo"]) == 2
    assert "Did you mean `toy`?" in capsys.readouterr().err


def test_gc_deletes_what_no_study_asks_for_and_nothing_else(study, capsys):
    ablate_run()
    write(study, seeds=1)
    assert ablate_run() == 0
    assert len(list(study.cells)) == 4
    capsys.readouterr()
    assert run(["gc", "--dry-run"]) == 0
    assert "would delete 2 cells, 0 packs" in capsys.readouterr().out
    assert len(list(study.cells)) == 4
    (orphan,) = [cell for cell in study.cells if cell.identity()["seed"] == 1][:1]
    with orphan.lock():
        assert run(["gc"]) == 0
    assert "deleted 1 cells" in capsys.readouterr().out
    assert orphan.state() == "DONE"
    assert run(["gc", "--checkpoints"]) == 0
    assert len(list(study.cells)) == 2
    assert not list(study.home.glob("packs/*/checkpoint.pt"))
    assert ablate_run() == 0


def test_the_doctor_names_what_is_broken(home, monkeypatch, capsys):
    assert run(["doctor", "--no-ray", "--json"]) == 0
    found = {row["check"]: row["found"] for row in json.loads(capsys.readouterr().out)}
    assert "toy" in found["plug-ins"]
    assert str(home) in found["store"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("ABLATE_HOME", "/proc/nowhere")
    assert run(["doctor", "--no-ray"]) == 3
    out = capsys.readouterr().out
    assert "BROKEN  store" in out
    assert "BROKEN  mlflow" in out


def test_the_ui_names_the_server_and_a_taken_port(home, capsys, monkeypatch):
    assert run(["ui", "--dry-run", "--port", "5123"]) == 0
    assert f"--backend-store-uri sqlite:///{home}/mlflow.db" in capsys.readouterr().out
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run(["ui", "--port", str(taken.getsockname()[1])]) == 3
    assert "Address already in use. Choose another --port." in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somewhere:5000")
    assert run(["ui"]) == 0
    assert "http://somewhere:5000" in capsys.readouterr().out
