import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from toy_packs import numbers, prepared, toy_cells

from ablate import checkpoint
from ablate.cells import cells as all_cells
from ablate.errors import StoreError
from ablate.pack import run_pack
from ablate.store import Store
from ablate.study import load

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def run(store, pack):
    run_pack(store.pack(pack.id).path, store.home, own_process=False)


def states(store, cells):
    return [store.cell(cell.hash).state() for cell in cells]


def test_a_pack_writes_every_file_of_its_cells(store):
    cells = toy_cells()
    (pack,) = prepared(store, cells)
    run(store, pack)
    for cell in cells:
        place = store.cell(cell.hash)
        status = place.status()
        assert status["state"] == "DONE"
        assert status["env_steps"] == 3200
        assert status["describe"]["parameters"] == 3
        assert place.identity() == cell.identity
        assert [one["state"] for one in place.attempts()] == ["DONE"]
        steps = [row["env_steps"] for row in place.rows()]
        assert steps == sorted(set(steps))
        assert len(steps) == 200
        evaluated = [row["env_steps"] for row in place.rows() if "eval/return" in row]
        assert evaluated == [800, 1600, 2400, 3200]
    assert "about to" not in "\n".join(store.pack(pack.id).log_tail(50))


def test_training_rows_are_thinned_and_keep_means(store):
    cells = toy_cells(seeds=(0,), budget=16_000)
    (pack,) = prepared(store, cells)
    run(store, pack)
    rows = store.cell(cells[0].hash).rows()
    assert len(rows) == 200  # of 1000 iterations
    # Episodes end every second iteration; a mean over five iterations always has one.
    assert all(row["episode/return"] is not None for row in rows)


def test_a_diverged_seed_fails_alone(store):
    cells = toy_cells(fault="nan", fault_at=1600, fault_seed=1)
    clean = toy_cells(fault="nan", fault_at=10**9, fault_seed=1)
    for group in (cells, clean):
        (pack,) = prepared(store, group)
        run(store, pack)
    assert states(store, cells) == ["DONE", "FAILED", "DONE"]
    assert store.cell(cells[1].hash).status()["error"] == "diverged at env step 1600"
    assert store.cell(cells[1].hash).rows()[-1]["loss/weight"] is None
    for kept in (0, 2):
        assert numbers(store, cells[kept]) == numbers(store, clean[kept])


def test_a_failed_manipulation_check_fails_the_cell_with_its_sentence(store):
    cells = toy_cells(fault="no_op", fault_at=1600)
    (pack,) = prepared(store, cells)
    run(store, pack)
    status = store.cell(cells[0].hash).status()
    assert status["state"] == "FAILED"
    assert status["checks"] == ["drift `momentum`: nothing was carried over"]
    assert 1600 <= status["env_steps"] < 1700


def test_an_error_of_the_experiment_is_final_and_leaves_its_traceback(store):
    cells = toy_cells(fault="raise", fault_at=800)
    (pack,) = prepared(store, cells)
    run(store, pack)
    assert states(store, cells) == ["FAILED"] * 3
    assert store.cell(cells[0].hash).status()["error"] == "ZeroDivisionError: the toy was told to"
    log = "\n".join(store.pack(pack.id).log_tail(50))
    assert "about to divide by zero" in log
    assert "Traceback" in log


def test_a_trainer_that_ends_early_is_an_error(store):
    cells = toy_cells(fault="early_end", fault_at=800)
    (pack,) = prepared(store, cells)
    run(store, pack)
    assert store.cell(cells[0].hash).status()["error"] == "ValueError: the trainer stopped at env step 800 of 3200"


def test_an_error_of_the_machine_is_raised_and_resumed(store, tmp_path):
    cells = toy_cells(fault="oom", fault_at=1600, once=str(tmp_path / "once"))
    calm = toy_cells()
    for group in (cells, calm):
        (pack,) = prepared(store, group, checkpoint_seconds=0.0)
        if group is cells:
            with pytest.raises(MemoryError):
                run(store, pack)
            assert states(store, cells) == ["INTERRUPTED"] * 3
        run(store, pack)
    assert states(store, cells) == ["DONE"] * 3
    assert [one["state"] for one in store.cell(cells[0].hash).attempts()] == ["INTERRUPTED", "DONE"]
    assert numbers(store, cells[0]) == numbers(store, calm[0])


def test_a_stopped_pack_resumes_bit_for_bit(store):
    cells, calm = toy_cells(rate=0.1, iteration_s=0.001), toy_cells(rate=0.1)
    (pack,) = prepared(store, cells)
    stopper = subprocess.Popen(["sh", "-c", f"sleep 0.1; touch {store.pack(pack.id).stop_path}"])
    run(store, pack)
    stopper.wait()
    assert states(store, cells) == ["INTERRUPTED"] * 3
    assert 0 < store.cell(cells[0].hash).status()["env_steps"] < 3200
    (again,) = prepared(store, cells)
    assert again.resumed
    assert again.id == pack.id
    run(store, again)
    (undisturbed,) = prepared(store, calm)
    run(store, undisturbed)
    for one, other in zip(cells, calm, strict=True):
        assert numbers(store, one) == numbers(store, other)


def start_worker(store, pack):
    code = "import sys, pathlib; from ablate.pack import run_pack; run_pack(*map(pathlib.Path, sys.argv[1:]))"
    return subprocess.Popen([sys.executable, "-c", code, str(store.pack(pack.id).path), str(store.home)])


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_killed_worker_resumes_bit_for_bit(store):
    cells, calm = toy_cells(iteration_s=0.005), toy_cells()
    (pack,) = prepared(store, cells, checkpoint_seconds=0.05)
    worker = start_worker(store, pack)
    wait_until(lambda: len(store.cell(cells[0].hash).rows()) > 60)
    # A kill in the middle of a line, too.
    worker.send_signal(signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL
    with store.cell(cells[1].hash).journal_path.open("a") as file:
        file.write('{"env_steps": 99')
    assert states(store, cells) == ["INTERRUPTED"] * 3
    (again,) = prepared(store, cells)
    assert again.resumed
    run(store, again)
    assert "resumed at env step" in "\n".join(store.pack(pack.id).log_tail(20))
    (undisturbed,) = prepared(store, calm)
    run(store, undisturbed)
    for one, other in zip(cells, calm, strict=True):
        assert numbers(store, one) == numbers(store, other)
        assert store.cell(one.hash).status()["attempt"] == 2
        first, second = store.cell(one.hash).attempts()
        assert (first["state"], first["pid"]) == ("INTERRUPTED", worker.pid)
        assert second["state"] == "DONE"


def test_a_pack_killed_after_its_last_checkpoint_only_needs_its_status(store):
    cells = toy_cells()
    (pack,) = prepared(store, cells)
    run(store, pack)
    before = numbers(store, cells[0])
    for cell in cells[1:]:  # the kill came between two cells
        place = store.cell(cell.hash)
        place.write_status({**place.status(), "state": "RUNNING"})
    (again,) = prepared(store, cells[1:])
    assert again.resumed
    run(store, again)
    assert states(store, cells) == ["DONE"] * 3
    assert numbers(store, cells[0]) == before
    assert len(numbers(store, cells[1])) == 200


def test_cells_do_not_depend_on_what_the_process_ran_before(store, tmp_path):
    cells, same = toy_cells(), Store(tmp_path / "other")
    for place in (store, same):
        if place is same:
            torch.manual_seed(7)
            torch.set_num_threads(2)
            torch.set_default_dtype(torch.float64)
            (other,) = prepared(place, toy_cells(seeds=(5, 6), variant="other", rate=0.5))
            run(place, other)
            torch.set_default_dtype(torch.float64)
        (pack,) = prepared(place, cells)
        run(place, pack)
    for cell in cells:
        assert numbers(store, cell) == numbers(same, cell)


def test_an_environment_without_checkpoints_starts_again(store):
    cells = toy_cells(iteration_s=0.001, options={"continuable": False})
    (pack,) = prepared(store, cells, checkpoint_seconds=0.0)
    stopper = subprocess.Popen(["sh", "-c", f"sleep 0.1; touch {store.pack(pack.id).stop_path}"])
    run(store, pack)
    stopper.wait()
    assert "no checkpoints: this walk cannot be stored" in "\n".join(store.pack(pack.id).log_tail(20))
    assert states(store, cells) == ["INTERRUPTED"] * 3
    (again,) = prepared(store, cells)
    assert not again.resumed
    run(store, again)
    assert states(store, cells) == ["DONE"] * 3
    assert len(store.cell(cells[0].hash).rows()) == 200


def test_a_damaged_checkpoint_means_starting_again(store, caplog):
    cells = toy_cells(iteration_s=0.001)
    (pack,) = prepared(store, cells)
    stopper = subprocess.Popen(["sh", "-c", f"sleep 0.1; touch {store.pack(pack.id).stop_path}"])
    run(store, pack)
    stopper.wait()
    store.pack(pack.id).checkpoint_path.write_bytes(b"not a checkpoint")
    (again,) = prepared(store, cells)
    run(store, again)
    assert "starts again from step 0" in caplog.text
    assert states(store, cells) == ["DONE"] * 3


def test_two_processes_never_train_the_same_cell(store):
    cells = toy_cells(iteration_s=0.01)
    (pack,) = prepared(store, cells)
    worker = start_worker(store, pack)
    wait_until(lambda: len(store.cell(cells[0].hash).rows()) > 5)
    # Another study wants two of the three, in a pack of its own.
    (other,) = prepared(store, cells[:2])
    assert other.id != pack.id
    run(store, other)
    assert worker.wait() == 0
    assert states(store, cells) == ["DONE"] * 3
    assert {store.cell(cell.hash).status()["pack"] for cell in cells} == {pack.id}
    assert not store.cell(cells[0].hash).is_locked()


def test_a_full_disk_keeps_the_last_checkpoint(store, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs a small file system of its own")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("cannot mount a file system here")
    try:
        store = Store(small / "runs")
        cells = toy_cells(seeds=range(8), budget=3200)
        (pack,) = prepared(store, cells, checkpoint_seconds=0.0)
        filler = small / "filler"
        filler.write_bytes(b"." * (700 * 1024))
        with pytest.raises(StoreError, match=r"cannot write .*: No space left on device\. Free some space"):
            run(store, pack)
        saved = checkpoint.load(store.pack(pack.id).checkpoint_path, "cpu")
        assert saved.env_steps > 0
        with contextlib.suppress(OSError), filler.open("ab") as file:
            while True:
                file.write(b"." * 4096)
        with pytest.raises(StoreError, match="No space left"):
            store.check_writable()
        filler.unlink()
        store.check_writable()
        (again,) = prepared(store, cells)
        assert again.resumed
        run(store, again)
        assert states(store, cells) == ["DONE"] * 8
        assert len({row["env_steps"] for row in store.cell(cells[0].hash).rows()}) == 200
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.parametrize(
    ("file", "override"),
    [
        ("maze.yaml", "budget.env_steps=1280"),
        ("gymnasium.yaml", "budget.env_steps=640"),
    ],
)
def test_sapg_resumes_bit_for_bit_on_real_tasks(tmp_path, file, override):
    study = load(Path(__file__).parents[2] / "studies" / "smoke" / file, None, (override,))
    baseline = [cell for cell in all_cells(study, study.variants) if cell.variant == "baseline"]
    calm, stopped = Store(tmp_path / "calm"), Store(tmp_path / "stopped")
    (pack,) = prepared(calm, baseline)
    run(calm, pack)
    (pack,) = prepared(stopped, baseline)

    def stop_in_the_middle():
        wait_until(lambda: len(stopped.cell(baseline[0].hash).rows()) >= 4)
        stopped.pack(pack.id).stop_path.touch()

    stopper = threading.Thread(target=stop_in_the_middle)
    stopper.start()
    run(stopped, pack)
    stopper.join()
    assert states(stopped, baseline) == ["INTERRUPTED"] * len(baseline)
    (again,) = prepared(stopped, baseline)
    assert again.resumed
    run(stopped, again)
    for cell in baseline:
        assert stopped.cell(cell.hash).state() == "DONE"
        assert numbers(stopped, cell) == numbers(calm, cell)
        assert len(numbers(calm, cell)) >= 20
