"""Every way a simulator in another interpreter can fail: one clear sentence, and nothing left behind."""

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import standin_simulator
import torch

from ablate.faults import is_infrastructure, sentence
from envs import registry
from envs.bridge import BridgeOptions
from envs.bridge.env import BridgeEnv
from envs.bridge.errors import (
    InterpreterError,
    SimulatorContractError,
    SimulatorError,
    SimulatorMemoryError,
    SimulatorMissingError,
    WorkerDiedError,
    WorkerHungError,
)

STANDIN = Path(standin_simulator.__file__)


def bridge(target, **options):
    return BridgeEnv(env_id=target, num_envs=4, seed=0, device="cpu", options=BridgeOptions(**options))


def play(env, steps=5):
    try:
        env.reset()
        for _ in range(steps):
            env.step(torch.zeros(4, 1))
    finally:
        env.close()


def check_gone(pid):
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("killed", WorkerDiedError, r"worker \(pid \d+\) was killed by SIGKILL during step 3; what it printed"),
        ("leaves", WorkerDiedError, r"ended with exit status 3 during step 3"),
        ("raises", SimulatorError, r"step raised ValueError: the cart \(standin_simulator\.py, line \d+\)"),
        ("exits", SimulatorError, r"step raised SystemExit: 2"),
        ("memory", SimulatorMemoryError, r"step raised MemoryError: no room"),
    ],
)
def test_a_step_that_goes_wrong(what, kind, words, capfd):
    env = bridge(f"{STANDIN}:trap", kwargs={"what": what})
    pid = env._worker.pid
    with pytest.raises(kind, match=words) as caught:
        play(env)
    assert str(caught.value).startswith(f"`bridge:{STANDIN}:trap`: ")
    assert "\n" not in str(caught.value)
    assert is_infrastructure(caught.value) is (kind in (WorkerDiedError, SimulatorMemoryError))
    assert sentence(caught.value).startswith(kind.__name__)
    check_gone(pid)
    if kind is SimulatorError:
        assert "Traceback" in capfd.readouterr().err, "the simulator's own traceback is in the log"


def test_a_step_that_never_ends(monkeypatch):
    """Three ways at the same time: waiting in Python, in native code that keeps the interpreter's lock, and stopped."""
    # A heart beats every second and counts as beating for three of these; the limit here is below that.
    monkeypatch.setattr("envs.bridge.worker.BEAT_SECONDS", 0.75)
    beats, silent = "its heart beats, so the simulator waits", r"its last heartbeat came \d+ s ago"

    def hang(what):
        env = bridge(f"{STANDIN}:trap", kwargs={"what": what}, step_seconds=2.5)
        with pytest.raises(WorkerHungError) as caught:
            play(env)
        check_gone(env._worker.pid)
        return caught.value

    with ThreadPoolExecutor(3) as pool:
        errors = list(pool.map(hang, ["slow", "native", "stopped"]))
    for error, words in zip(errors, [beats, silent, silent], strict=True):
        assert re.search(r"did not finish step 3 within 2\.5 s and was killed; " + words, str(error))
        assert is_infrastructure(error)


@pytest.mark.parametrize(
    ("returns", "what", "words"),
    [
        ("obs", "narrow", r"`obs` has the shape \(4, 2\), not \(4, 3\)"),
        ("reward", "narrow", r"`reward` has the shape \(4, 2\), not \(4,\)"),
        ("final_obs", "flat", r"`final_obs` has the shape \(4,\), not \(4, 3\)"),
        ("travel", "list", r"`travel` is a list, not an array of numpy or torch"),
        ("terminated", "floats", r"`terminated` holds float64, not bool or integers"),
        ("obs", "objects", r"`obs` holds object, not numbers"),
        ("reward", "complex", r"`reward` holds complex128, not numbers"),
        ("truncated", "missing", r"step returned no `truncated`"),
        ("final_obs", "missing", r"step returned no `final_obs` \(a simulator that resets lazily says so"),
        ("travel", "missing", r"step returned no `travel`"),
        (None, "everything", r"step returned a list, not a dict"),
    ],
)
def test_a_simulator_that_returns_something_else(returns, what, words):
    with pytest.raises(SimulatorContractError, match=words) as caught:
        play(bridge(f"{STANDIN}:wrong", kwargs={"returns": returns, "what": what}))
    assert not is_infrastructure(caught.value)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ({"num_envs": 3}, r"the simulator has 3 copies, 4 were asked for"),
        ({"observation_size": 2.5}, r"`observation_size` is 2.5, not an integer of at least 1"),
        ({"max_episode_steps": 0}, r"`max_episode_steps` is 0, not an integer of at least 1"),
        ({"num_actions": 3}, r"either `action_size` \(continuous\) or `num_actions` \(discrete\)"),
        ({"num_actions": 1, "action_size": None}, r"`num_actions` is 1, not an integer of at least 2"),
        ({"device": "tpu"}, r"`device` is tpu, neither `cpu` nor `cuda:0`"),
        ({"arrays": "jax"}, r"`arrays` is jax, neither `numpy` nor `torch`"),
        ({"metrics": ["reward"]}, r"metric `reward` has a name that is taken"),
        ({"metrics": []}, r"the study counts on the metric `travel`; the simulator reports none"),
    ],
)
def test_a_simulator_that_says_something_wrong_about_itself(says, words):
    with pytest.raises(SimulatorContractError, match=words):
        bridge(f"{STANDIN}:wrong", kwargs={"says": says}, metrics=("travel",))


@pytest.mark.parametrize(
    ("target", "options", "kind", "words"),
    [
        ("no/such/file.py:make", {}, SimulatorMissingError, r"there is no file no/such/file\.py"),
        (f"{STANDIN}:mak", {}, SimulatorMissingError, r"has no factory `mak`"),
        ("no_such_lab.sim:make", {}, SimulatorMissingError, r"cannot import no_such_lab\.sim: No module named"),
        (f"{STANDIN}:nothing", {}, SimulatorContractError, r"the simulator has no attribute `num_envs`"),
        (f"{STANDIN}:raises", {}, SimulatorError, r"the factory raised KeyError: 'assets'"),
        (f"{STANDIN}:make", {"kwargs": {"edges": 1}}, SimulatorError, r"the factory raised TypeError: .*'edges'"),
    ],
)
def test_a_simulator_that_does_not_start(target, options, kind, words):
    with pytest.raises(kind, match=words) as caught:
        bridge(target, **options)
    assert not is_infrastructure(caught.value)


def test_a_simulator_that_takes_too_long_to_start(tmp_path):
    with pytest.raises(WorkerHungError, match=r"did not finish its start within 0\.5 s"):
        bridge(f"{STANDIN}:stuck", kwargs={"pids": str(tmp_path / "pid")}, start_seconds=0.5)
    check_gone(int((tmp_path / "pid").read_text()))


def test_interpreters_that_are_none(tmp_path, monkeypatch):
    def refused(python, words):
        with pytest.raises(InterpreterError, match=words) as caught:
            bridge(f"{STANDIN}:make", python=str(python))
        assert not is_infrastructure(caught.value)

    def program(name, text):
        file = tmp_path / name
        file.write_text(text)
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return file

    refused(tmp_path / "missing", "there is no interpreter")
    (tmp_path / "plain").write_text("not executable")
    refused(tmp_path / "plain", "may not be executed")
    refused(program("broken", "not a program"), "is not a Python interpreter")
    refused(program("shell", "#!/bin/sh\necho hello\n"), "is not a Python interpreter: .* it said 'hello'")
    refused(program("old", "#!/bin/sh\nprintf 'ablate-bridge 2 7 18'\n"), r"is Python 2\.7\.18; the bridge needs 3\.7")
    monkeypatch.setenv("ABLATE_BRIDGE_PYTHON", str(tmp_path / "elsewhere"))
    with pytest.raises(InterpreterError, match="elsewhere"):
        bridge(f"{STANDIN}:make")


def test_names_that_can_be_refused_before_anything_starts(tmp_path):
    def refused(target, words):
        with pytest.raises(registry.UnknownEnvError, match=words):
            registry.find(f"bridge:{target}")

    refused("simulator", "write `bridge:path/file.py:factory`")
    refused(f"{tmp_path}/sim.py:make", "there is no file")
    refused(f"{STANDIN}:mak", "defines no `mak`. Did you mean `make`")
    assert registry.find("bridge:some_lab.sim:make").id == "bridge:"
    (tmp_path / "new.py").write_text("print 'only another Python knows this grammar'")
    assert registry.find(f"bridge:{tmp_path}/new.py:make").id == "bridge:"
    with pytest.raises(ValueError, match="given by the study"):
        BridgeOptions(kwargs={"seed": 1})
    with pytest.raises(ValueError, match="neither a file nor a directory"):
        BridgeOptions(code=("no/such/place",))


def test_where_one_seed_cannot_start_no_worker_of_another_is_left(tmp_path):
    def workers():
        here = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
        return set(Path(here).read_text().split())

    before = workers()
    options = BridgeOptions(kwargs={"what": "x", "unknown": 1})
    with pytest.raises(SimulatorError, match="unknown"):
        registry.make(f"bridge:{STANDIN}:trap", num_envs=2, seeds=(1, 2, 3), options=options)
    assert workers() <= before
