import io
import os
import socket
import subprocess
import time

import psutil
import pytest
from rich.console import Console
from toy_packs import prepared, toy_cells

from ablate.executor import kill_hung
from ablate.progress import LiveProgress, PlainProgress, line, progress_on, table
from ablate.standing import Observer
from ablate.store import Store

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def manifest(cells, budget=1000):
    names = list(dict.fromkeys(cell.variant for cell in cells))
    return {
        "study": "toy",
        "primary": {"name": "eval/return"},
        "budget": {"env_steps": budget},
        "variants": [{"name": name, "color": "#0072B2"} for name in names],
        "cells": [{"hash": one.hash, "variant": one.variant, "task": 0, "seed": one.seed} for one in cells],
    }


def test_a_standing_counts_what_the_store_says(store):
    cells = toy_cells(range(4)) + toy_cells(range(4), variant="other", rate=0.5)
    running, done, failed, interrupted = cells[:4]
    store.cell(done.hash).write_status({"state": "DONE", "env_steps": 1000, "pack": "p"})
    store.cell(done.hash).append([{"env_steps": 500, "eval/return": 1.0}, {"env_steps": 1000, "eval/return": 3.0}])
    store.cell(failed.hash).write_status({"state": "FAILED", "env_steps": 100, "pack": "p", "error": "diverged"})
    store.cell(interrupted.hash).write_status({"state": "INTERRUPTED", "env_steps": 250, "pack": "p"})
    store.cell(running.hash).write_status({"state": "RUNNING", "env_steps": 200, "pack": "p"})
    store.pack("p").path.mkdir(parents=True)
    beat = {"env_steps": 750, "eval_return": 5.0, "env_steps_per_second": 100.0, "ts": time.time()}
    store.pack("p").beat(beat)
    with store.cell(running.hash).lock():
        standing = Observer(store, manifest(cells)).look()
    assert standing.counts == {"DONE": 1, "FAILED": 1, "INTERRUPTED": 1, "RUNNING": 1, "MISSING": 4}
    baseline, other = standing.variants
    assert baseline.share == (750 + 1000 + 1000 + 250) / 4000
    assert baseline.score == (5 + 3) / 2
    assert (baseline.rate, other.rate) == (100, 0)
    assert standing.eta_s == (250 + 750 + 4 * 1000) / 100
    text = line(standing)
    assert text.startswith(
        "toy: 1/8 cells done (38% of all steps), 1 failed, 1 interrupted, 1 running, 100 env steps/s"
    )


def test_a_dead_process_has_no_rate(store):
    cells = toy_cells(range(1))
    store.cell(cells[0].hash).write_status({"state": "RUNNING", "env_steps": 200, "pack": "p"})
    store.pack("p").path.mkdir(parents=True)
    store.pack("p").beat({"env_steps": 750, "env_steps_per_second": 100.0, "ts": time.time()})
    standing = Observer(store, manifest(cells)).look()
    assert (standing.counts["INTERRUPTED"], standing.rate, standing.eta_s) == (1, 0, None)


def test_a_long_table_keeps_the_running_variants(store):
    cells = [cell for index in range(30) for cell in toy_cells((0,), variant=f"v{index}", rate=index / 100)]
    store.cell(cells[25].hash).write_status({"state": "RUNNING", "env_steps": 200, "pack": "p"})
    with store.cell(cells[25].hash).lock():
        standing = Observer(store, manifest(cells)).look()
    console = Console(file=io.StringIO(), width=100)
    console.print(table(standing, 61.0, height=12))
    shown = console.file.getvalue()
    assert "v25" in shown
    assert "v20" not in shown
    assert "... 24 more" in shown
    assert "1:01 so far" in shown


def test_the_display_follows_where_the_output_goes(store, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    cells = toy_cells(range(1))
    observer = Observer(store, manifest(cells))
    plain, live = io.StringIO(), Terminal()
    assert isinstance(progress_on(plain), PlainProgress)
    assert isinstance(progress_on(live), LiveProgress)
    for stream in (plain, live):
        with progress_on(stream) as progress:
            for _ in range(3):
                progress.update(observer.look())
            progress.say("FAILED baseline, seed 0")
    assert plain.getvalue().splitlines() == ["toy: 0/1 cells done (0% of all steps)", "FAILED baseline, seed 0"]
    assert "FAILED baseline, seed 0" in live.getvalue()
    assert capsys.readouterr() == ("", "")


def test_only_a_silent_process_is_killed_and_slow_iterations_are_not_silence(store, tmp_path):
    (pack,) = prepared(store, toy_cells())
    process = subprocess.Popen(["sleep", "60"])
    created = psutil.Process(process.pid).create_time()
    beat = {"pid": process.pid, "created": created, "host": socket.gethostname(), "phase": "training"}
    silent = time.time() - 100
    place = store.pack(pack.id)
    for innocent in (
        {**beat, "ts": time.time()},
        {**beat, "ts": silent, "longest_s": 20.0},
        {**beat, "ts": silent, "phase": "ended"},
        {**beat, "ts": silent, "host": "elsewhere"},
        {**beat, "ts": silent, "created": created - 1000},  # another process got the number since
        {**beat, "ts": silent, "pid": os.getpid(), "created": psutil.Process().create_time()},
    ):
        place.beat(innocent)
        assert kill_hung([pack], store, 50) == []
    assert process.poll() is None
    place.beat({**beat, "ts": silent, "longest_s": 1.0})
    assert kill_hung([pack], store, 50) == [pack]
    assert process.wait(10) == -9
