"""Whether an interpreter can run Isaac Gym, and what ``ablate doctor`` says of it."""

import json
import sys
from pathlib import Path

import pytest

from ablate.cli import run
from envs.isaacgym.interpreter import IsaacGymError, examine, worker_environment

STANDIN = Path(__file__).parent / "isaacgym_standin"
ABLE = {
    "version": "3.8.18",
    "missing": [],
    "torch": "2.4.1+cu121",
    "capability": [8, 6],
    "codes": ["sm_50", "sm_80", "sm_86", "sm_90"],
}


@pytest.fixture
def interpreter(tmp_path):
    """``interpreter(**found)``: a program that answers as an interpreter with these findings would."""

    def make(**found):
        path = tmp_path / "bin" / "python"
        path.parent.mkdir(exist_ok=True)
        answer = json.dumps({**ABLE, **found})
        path.write_text(f"#!/bin/sh\necho 'Importing module gym_38'\necho 'ablate-isaacgym {answer}'\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_an_interpreter_that_can_is_described(interpreter):
    python = interpreter()
    assert examine(python) == f"{python}: Python 3.8.18, torch 2.4.1+cu121, GPU sm_86"
    assert examine(interpreter(capability=[8, 9])).endswith("GPU sm_89")  # the code for sm_86 runs on it
    assert examine(interpreter(capability=None)).endswith("it sees no GPU, so tasks run on the CPU")


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({"capability": [9, 0]}, r"GPU sm_90: Isaac Gym Preview 4 is known to crash .*Using GPU PhysX.*V100"),
        ({"capability": [12, 0]}, r"has no code for this GPU \(sm_120\), only for sm_50, sm_80, sm_86, sm_90"),
        (
            {"missing": ["isaacgym (ImportError: libpython3.8.so.1.0)"]},
            r"\(Python 3.8.18\) cannot import isaacgym \(ImportError: libpython3.8.so.1.0\); docs/isaacgym.md",
        ),
    ],
)
def test_one_that_cannot_is_told_apart_in_a_sentence(interpreter, found, sentence):
    with pytest.raises(IsaacGymError, match=sentence):
        examine(interpreter(**found))


@pytest.mark.parametrize(
    ("python", "sentence"),
    [("/nowhere/python", "does not run"), ("/bin/false", "ended with status 1 and said 'nothing'")],
)
def test_what_is_no_interpreter_is_refused(python, sentence):
    with pytest.raises(IsaacGymError, match=sentence):
        examine(python)


def test_the_question_is_answered_by_a_real_interpreter(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(STANDIN))
    found = examine(sys.executable)
    assert found.startswith(f"{sys.executable}: Python 3.") and "torch 2." in found
    monkeypatch.delenv("PYTHONPATH")
    with pytest.raises(IsaacGymError, match=r"isaacgym \(ModuleNotFoundError.*\), isaacgymenvs, hydra;"):
        examine(sys.executable)


def test_a_worker_finds_the_interpreter_s_own_library(tmp_path, monkeypatch):
    python = tmp_path / "env/bin/python"
    assert worker_environment(str(python)) == {}
    (tmp_path / "env/lib").mkdir(parents=True)
    (tmp_path / "env/lib/libpython3.8.so.1.0").touch()
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    assert worker_environment(str(python)) == {"LD_LIBRARY_PATH": str(tmp_path / "env/lib")}
    monkeypatch.setenv("LD_LIBRARY_PATH", "/cuda/lib64")
    assert worker_environment(str(python))["LD_LIBRARY_PATH"] == f"{tmp_path}/env/lib:/cuda/lib64"


def test_the_doctor_says_it_in_its_table(interpreter, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "home"))

    def doctor():
        code = run(["doctor", "--no-ray", "--json"])
        rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
        return code, rows["isaac gym"]

    monkeypatch.delenv("ABLATE_ISAACGYM_PYTHON", raising=False)
    code, row = doctor()
    assert (code, row["ok"]) == (0, True)
    assert "not set up" in row["found"] and "$ABLATE_ISAACGYM_PYTHON" in row["found"]
    monkeypatch.setenv("ABLATE_ISAACGYM_PYTHON", interpreter(capability=[9, 0]))
    code, row = doctor()
    assert (code, row["ok"]) == (3, False)
    assert "Hopper" in row["found"]
