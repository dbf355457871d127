"""The whole platform on Ray, with real kills: three drivers one after the other must equal one undisturbed run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from toy_packs import study_text

from ablate import tracking
from ablate.cli import run
from ablate.store import Store

pytestmark = pytest.mark.usefixtures("toy")

ITERATION_S = 0.02
BUDGET = 3200  # 200 iterations


def driver(home, *, log):
    """``ablate run`` as a shell starts it: a process group of its own, which a terminal's Ctrl-C reaches as a whole."""
    return subprocess.Popen(
        [sys.executable, "-c", "from ablate.cli import main; main()", "run", "toy.yaml", "--no-report"],
        cwd=home.parent,
        stdout=log.open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def by_name(store):
    cells = store.study("toy").manifest()["cells"]
    return {(one["variant"], one["seed"]): store.cell(one["hash"]) for one in cells}


def wait_until(condition, process, log, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the driver ended early:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"waited in vain:\n{log.read_text()}"
        time.sleep(0.05)


def checkpointed(store, *, attempt):
    """Whether the baseline has written a checkpoint in its so-manieth attempt."""

    def look():
        if store.study("toy").manifest() is None:
            return False
        status = by_name(store)["baseline", 0].status() or {}
        return status.get("attempt", 0) == attempt and status["env_steps"] > 0

    return look


def numbers(cell):
    return [
        {key: value for key, value in row.items() if key not in ("ts", "attempt") and not key.startswith("time/")}
        for row in cell.rows()
    ]


@pytest.mark.filterwarnings("ignore")
def test_killed_drivers_killed_workers_and_an_interrupt_change_no_number(mlflow_home, tmp_path):
    once = tmp_path / "once"
    controls = {
        "Dying": {"fault": "kill", "fault_at": 1600, "once": str(once)},
        "Broken": {"fault": "raise", "fault_at": 800, "iteration_s": 0.0},
    }
    study = {"controls": controls, "budget": BUDGET, "seeds": 2, "checkpoint_seconds": 0.2}
    (tmp_path / "toy.yaml").write_text(study_text(iteration_s=ITERATION_S, **study))
    store, log = Store(mlflow_home), tmp_path / "log"

    # The first driver is killed; its workers live on for seconds, and the second driver starts at once.
    first = driver(mlflow_home, log=log)
    wait_until(checkpointed(store, attempt=1), first, log)
    assert run(["run", "toy.yaml"]) == 4
    session = next(Path("/tmp").glob(f"ablate-ray-{first.pid}-*"))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()

    # The second gets Ctrl-C, and with it, as in a terminal, every process of its group.
    second = driver(mlflow_home, log=log)
    wait_until(checkpointed(store, attempt=2), second, log)
    os.killpg(second.pid, signal.SIGINT)
    assert second.wait(60) == 130, log.read_text()
    states = {name: cell.state() for name, cell in by_name(store).items()}
    assert states["baseline", 0] == states["baseline", 1] == "INTERRUPTED"
    assert "RUNNING" not in [(cell.status() or {}).get("state") for cell in store.cells]
    assert not list(Path("/tmp").glob(f"ablate-ray-{second.pid}-*"))

    third = driver(mlflow_home, log=log)
    assert third.wait(180) == 1, log.read_text()
    said = log.read_text()
    assert "from a checkpoint" in said
    assert once.exists()
    assert "FAILED Broken, seeds 0, 1: ZeroDivisionError: the toy was told to" in said
    cells = by_name(store)
    assert {name: cell.state() for name, cell in cells.items() if cell.state() != "DONE"} == {
        ("Broken", 0): "FAILED",
        ("Broken", 1): "FAILED",
    }
    assert [one["state"] for one in cells["baseline", 0].attempts()] == ["INTERRUPTED", "INTERRUPTED", "DONE"]
    assert [one["state"] for one in cells["Dying", 1].attempts()][-2:] == ["INTERRUPTED", "DONE"]
    assert len(cells["Broken", 0].attempts()) == 1  # an error of the experiment is not tried again

    # The same study without any disturbance, in this process.
    calm = tmp_path / "calm"
    controls["Dying"]["fault"] = "none"
    (tmp_path / "toy.yaml").write_text(study_text(iteration_s=0.0, **study))
    assert run(["run", "toy.yaml", "--executor", "local", "--no-mlflow", "--no-report", "--home", str(calm)]) == 1
    for name, cell in by_name(Store(calm)).items():
        assert numbers(cells[name]) == numbers(cell), name

    # One run per cell, none of them RUNNING, every step once.
    client = tracking._import_mlflow().MlflowClient(tracking_uri=f"sqlite:///{mlflow_home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("ablate/toy").experiment_id
    runs = client.search_runs([experiment], max_results=100)
    assert len(runs) == len(cells) + 1
    assert {one.info.status for one in runs} == {"FINISHED", "FAILED"}
    for one in runs:
        if one.data.tags["ablate.kind"] == "cell":
            rows = store.cell(one.data.tags["ablate.cell"]).rows()
            history = client.get_metric_history(one.info.run_id, "loss/weight")
            assert [point.step for point in history] == [row["env_steps"] for row in rows]

    # The killed driver's leavings are known to be its own.
    assert session.exists()
    assert run(["gc"]) == 0
    assert not session.exists()
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(mlflow_home) in str(one.info["cmdline"])]
