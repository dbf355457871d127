"""The worker in other Pythons: its grammar, what it imports, and real interpreters where the machine has some."""

import ast
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import standin_simulator
import torch

from envs.bridge import BridgeOptions, worker
from envs.bridge.env import BridgeEnv
from envs.bridge.errors import SimulatorMissingError

WORKER = Path(worker.__file__)
STANDIN = Path(standin_simulator.__file__)


@functools.cache
def other_interpreters(package):
    """Pythons >= 3.7 of another version than ours that have a package, one per version, oldest first.

    Looked for in $ABLATE_BRIDGE_TEST_PYTHONS (paths between colons), among pyenv's and on PATH.
    """
    named = os.environ.get("ABLATE_BRIDGE_TEST_PYTHONS", "").split(":")
    of_pyenv = map(str, (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python"))
    on_path = (shutil.which(f"python3.{minor}") or "" for minor in range(7, 15))
    ask = f"import sys, {package}; sys.stdout.write('%d %d' % sys.version_info[:2])"
    found = {}
    for python in [*named, *of_pyenv, *on_path]:
        if not python or "/shims/" in python:  # pyenv's shims stand for what was looked at already
            continue
        asked = subprocess.run([python, "-c", ask], capture_output=True, text=True, timeout=60, check=False)
        if asked.returncode == 0:
            version = tuple(map(int, asked.stdout.split()))
            if (3, 7) <= version != sys.version_info[:2]:
                found.setdefault(version, python)
    return [found[version] for version in sorted(found)]


def bridge(python):
    options = BridgeOptions(python=python)
    return BridgeEnv(env_id=f"{STANDIN}:make", num_envs=6, seed=4, device="cpu", options=options)


def test_the_worker_is_written_in_the_grammar_of_python_3_7():
    ast.parse(WORKER.read_text(), feature_version=(3, 7))


def test_the_worker_imports_the_standard_library_numpy_and_torch_only():
    imported = set()
    for node in ast.walk(ast.parse(WORKER.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            imported |= {node.args[0].value} if isinstance(node.args[0], ast.Constant) else set()
    assert {"numpy", "torch"} < imported
    assert imported - {"numpy", "torch"} <= sys.stdlib_module_names


def test_an_older_python_runs_the_worker_with_its_standard_library_alone():
    """Without numpy and torch it still starts, and says what it lacks."""
    others = other_interpreters("sys")
    if not others:
        pytest.skip("there is no other Python")
    options = BridgeOptions(python=others[0])
    try:
        BridgeEnv(env_id=f"{STANDIN}:make", num_envs=1, seed=0, device="cpu", options=options).close()
    except SimulatorMissingError as error:
        assert "has neither numpy nor torch" in str(error)


def test_a_worker_without_numpy_makes_do_with_torch(tmp_path):
    (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError('no numpy here')\n")
    options = BridgeOptions(environment={"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore"})
    target = f"{STANDIN.with_name('standin_torch_simulator.py')}:make"
    env = BridgeEnv(env_id=target, num_envs=4, seed=0, device="cpu", options=options)
    first = env.reset()[0].clone()
    assert first.tolist() == [[0, 3], [0, 4], [0, 5], [0, 6]]
    for step in range(1, 4):
        observation, reward, terminated, truncated, info = env.step(torch.tensor([0, 1, 1, 0]))
        assert reward.tolist() == [0, 1, 1, 0]
        assert terminated.tolist() == [step == 3, False, False, False]
        assert not truncated.any()
    assert observation[:, 0].tolist() == [0, 3, 3, 3]
    assert info["final_obs"][:, 0].tolist() == [3, 3, 3, 3]
    env.close()


def test_an_older_and_a_newer_python_play_the_same_episodes():
    """Bit for bit, checkpoints included; both see the numbers of numpy's RandomState, which never change."""
    others = other_interpreters("numpy")
    if not others:
        pytest.skip("no other Python with numpy: name some in $ABLATE_BRIDGE_TEST_PYTHONS")
    generator = torch.Generator().manual_seed(0)
    actions = [torch.rand(6, 1, generator=generator) * 2 - 1 for _ in range(30)]
    ours = bridge(sys.executable)
    for python in {others[0], others[-1]}:
        theirs = bridge(python)
        assert theirs.facts.python.split(".")[:2] != ours.facts.python.split(".")[:2]
        assert torch.equal(theirs.reset()[0], bridge_reset(ours))
        for action in actions[:15]:
            left, right = ours.step(action), theirs.step(action)
            assert all(torch.equal(a, b) for a, b in zip(left[:4], right[:4], strict=True))
        resumed = bridge(python)
        resumed.load_state_dict(theirs.state_dict())
        for action in actions[15:]:
            left, right = ours.step(action), resumed.step(action)
            assert all(torch.equal(a, b) for a, b in zip(left[:4], right[:4], strict=True))
        theirs.close()
        resumed.close()
    ours.close()


def bridge_reset(env):
    """The first observation of a new life of ``env``."""
    fresh = bridge(sys.executable)
    env.load_state_dict(fresh.state_dict())
    fresh.close()
    return env.reset()[0]
