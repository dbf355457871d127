import errno
import json
import os
import resource
import subprocess
import sys

import pytest
import torch

from ablate import faults
from ablate.durable import Journal, read_lines, replacing, write_json
from ablate.errors import LockedError, StoreError, UsageError
from ablate.locks import Lock, held
from ablate.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def test_reading_a_store_that_does_not_exist_creates_nothing(store):
    assert list(store.cells) == list(store.packs) == list(store.studies) == []
    assert store.cell("0" * 16).state() == "MISSING"
    assert store.cell("0" * 16).rows() == []
    assert not store.home.exists()


def test_the_default_store_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "elsewhere"))
    assert Store.default().home == tmp_path / "elsewhere"
    monkeypatch.delenv("ABLATE_HOME")
    monkeypatch.chdir(tmp_path)
    assert Store.default().home == tmp_path / "runs"


def test_an_error_while_replacing_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "status.json"
    write_json(path, {"state": "RUNNING"})
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"half of it")
        raise ZeroDivisionError
    assert json.loads(path.read_text()) == {"state": "RUNNING"}
    assert [one.name for one in tmp_path.iterdir()] == ["status.json"]


def test_non_finite_numbers_become_null_in_files_any_reader_accepts(tmp_path):
    path = tmp_path / "status.json"
    write_json(path, {"a": float("nan"), "b": [float("inf"), 1.5]})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {"a": None, "b": [None, 1.5]}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"state": "DO'])
def test_a_damaged_status_counts_as_missing_with_a_warning(store, caplog, content):
    cell = store.cell("a" * 16)
    cell.write_status({"state": "DONE"})
    (cell.path / "status.json").write_bytes(content)
    assert cell.state() == "MISSING"
    assert f"{cell.path}/status.json is damaged and treated as missing" in caplog.text


def test_a_torn_last_line_is_left_for_later_and_a_damaged_one_is_dropped(tmp_path, caplog):
    path = tmp_path / "metrics.jsonl"
    with Journal(path) as journal:
        journal.append([{"env_steps": 1}, {"env_steps": 2}])
        whole = journal.position()
    with path.open("ab") as file:
        file.write(b'{"env_steps"')
    rows, place = read_lines(path)
    assert ([row["env_steps"] for row in rows], place) == ([1, 2], whole)
    with path.open("ab") as file:
        file.write(b': 3}\nnot json\n{"env_steps": 4}\n')
    assert [row["env_steps"] for row in read_lines(path, place)[0]] == [3, 4]
    assert "a damaged line is ignored" in caplog.text


def test_cutting_a_journal_drops_everything_behind_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with Journal(path) as journal:
        journal.append([{"env_steps": 1}])
        keep = journal.position()
        journal.append([{"env_steps": 2}])
    with path.open("ab") as file:
        file.write(b'{"torn')
    with Journal(path) as journal:
        journal.cut(keep)
        journal.append([{"env_steps": 3}])
    assert [row["env_steps"] for row in read_lines(path)[0]] == [1, 3]


def test_a_cell_says_interrupted_when_its_process_is_gone(store):
    cell = store.cell("a" * 16)
    cell.write_status({"state": "RUNNING"})
    assert cell.state() == "INTERRUPTED"
    with cell.lock():
        assert cell.state() == "RUNNING"
    assert cell.state() == "INTERRUPTED"


def test_a_second_holder_is_told_who_holds_the_lock(tmp_path):
    path = tmp_path / "lock"
    code = (
        "import sys, pathlib; from ablate.locks import Lock\n"
        "with Lock(pathlib.Path(sys.argv[1]), 'x'): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    assert held(path)
    with (
        pytest.raises(LockedError, match=rf"study `s` is locked by process {other.pid} on ") as error,
        Lock(path, "study `s`"),
    ):
        pass
    assert error.value.exit_code == 4
    other.kill()  # no chance to clean up
    other.communicate()
    assert not held(path)
    with Lock(path, "study `s`"):
        assert held(path)


def test_a_store_inside_a_file_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file, not a directory"):
        Store(tmp_path / "file").check_writable()
    with pytest.raises(StoreError, match=r"cannot create .*: Not a directory"):
        Store(tmp_path / "file" / "runs").check_writable()


def test_an_unwritable_store_is_one_clear_error(tmp_path):
    # Permissions do not stop root; /proc stops everybody.
    with pytest.raises(StoreError, match=r"cannot create /proc/runs: "):
        Store("/proc/runs").check_writable()
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(StoreError, match=r"Permission denied\. Check who owns the store, or choose another"):
            Store(tmp_path / "runs").check_writable()


def test_a_limit_on_file_sizes_is_one_clear_error_and_damages_nothing(store):
    cell = store.cell("a" * 16)
    cell.append([{"env_steps": 1}])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot write .*metrics\.jsonl: File too large\. A limit on file sizes"):
            cell.append([{"env_steps": step} for step in range(1000)])
        with pytest.raises(StoreError, match="File too large"):
            store.check_writable()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert cell.rows()[0] == {"env_steps": 1}
    assert not list(store.home.glob(".writable*"))


def test_a_cell_is_found_by_the_beginning_of_its_hash(store):
    for one in ("ab00", "ab11", "cd22"):
        store.cell(one).write_status({"state": "DONE"})
    assert store.find_cell("cd").hash == "cd22"
    with pytest.raises(UsageError, match=r"2 cells in .* begin with `ab`"):
        store.find_cell("ab")
    with pytest.raises(UsageError, match=r"no cell in .* begins with `zz`"):
        store.find_cell("zz")


def test_forgetting_a_cell_keeps_its_attempts(store):
    cell = store.cell("a" * 16)
    cell.write_status({"state": "FAILED"})
    cell.append([{"env_steps": 1}])
    cell.add_attempt({"attempt": 1, "state": "FAILED"})
    cell.forget()
    assert (cell.state(), cell.rows(), len(cell.attempts())) == ("MISSING", [], 1)


def test_a_status_that_cannot_be_read_is_an_error_not_a_missing_cell(store):
    # A directory in its place stands for any read error: permissions would not stop root.
    (store.cell("a" * 16).path / "status.json").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"cannot read .*status\.json: Is a directory"):
        store.cell("a" * 16).state()


@pytest.mark.parametrize(
    ("error", "of_the_machine"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (FileNotFoundError(errno.ENOENT, "no such texture"), False),
        (MemoryError(), True),
        (BrokenPipeError(errno.EPIPE, "the simulator died"), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("num_envs must be divisible by M"), False),
        (StoreError("cannot write"), True),
    ],
)
def test_only_the_machines_errors_are_tried_again(error, of_the_machine):
    assert faults.is_infrastructure(error) is of_the_machine
    assert "\n" not in faults.sentence(error)
