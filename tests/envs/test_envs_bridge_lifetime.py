"""No worker outlives its parent, and nothing stays in shared memory, however either of them ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import standin_simulator
import torch

from envs.bridge import BridgeOptions
from envs.bridge.env import BridgeEnv
from envs.bridge.errors import WorkerDiedError

STANDIN = Path(standin_simulator.__file__)
PARENT = """
import json, sys, time
from envs.bridge import worker
from envs.bridge.process import WorkerProcess

target, pids = sys.argv[1:]
process = WorkerProcess("parent", sys.executable, {})
job = {"target": target, "kwargs": {"pids": pids}, "num_envs": 2, "seed": 0, "device": "cpu"}
process.begin(worker.JOB, json.dumps(job).encode(), 60, "its start")
time.sleep(600)
"""


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def lives(pid):
    """Whether a process runs; a zombie, which its new parent has not reaped yet, does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def bridge(factory, **kwargs):
    options = BridgeOptions(kwargs=kwargs)
    return BridgeEnv(env_id=f"{STANDIN}:{factory}", num_envs=3, seed=0, device="cpu", options=options)


@pytest.mark.parametrize("factory", ["family", "stuck"])
def test_a_worker_ends_with_a_parent_that_is_killed(factory, tmp_path):
    """Its own child, too; and even where it hangs in native code, so that no thread of it can do anything."""
    pids = tmp_path / "pids"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, f"{STANDIN}:{factory}", str(pids)])
    wait_for(lambda: pids.exists() and pids.read_text())
    found = [int(one) for one in pids.read_text().split()]
    time.sleep(0.2)
    assert all(map(lives, found))
    parent.kill()
    parent.wait()
    wait_for(lambda: not any(map(lives, found)))


def test_closing_ends_what_the_simulator_started(tmp_path):
    env = bridge("family", pids=str(tmp_path / "pids"))
    found = [int(one) for one in (tmp_path / "pids").read_text().split()]
    env.close()
    wait_for(lambda: not any(map(lives, found)))


def test_a_forgotten_environment_ends_its_worker():
    env = bridge("make")
    pid = env._worker.pid
    env.reset()
    del env
    wait_for(lambda: not lives(pid))


def test_nothing_stays_in_shared_memory_and_no_descriptor_open():
    def there():
        names = [one for one in Path("/dev/shm").iterdir() if "plasma" not in one.name]  # Ray's, of another test
        return sorted(names), len(list(Path("/proc/self/fd").iterdir()))

    before = there()
    env = bridge("make")
    env.reset()
    assert there()[0] == before[0], "the memory has no name even while it is used"
    env.close()
    env = bridge("make")
    env.reset()
    os.kill(env._worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match="killed by SIGKILL"):
        env.step(torch.zeros(3, 1))
    env.close()
    assert there() == before
