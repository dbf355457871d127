"""Copies in processes of their own: the same numbers as in this process, and nobody left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from envs import registry
from envs.gymnasium_spec import GymnasiumOptions

DRIVER = """
import time
from envs import registry
from envs.gymnasium_spec import GymnasiumOptions

if __name__ == "__main__":
    env = registry.make("gymnasium:CartPole-v1", num_envs=2, seeds=[0], options=GymnasiumOptions(vectorization="async"))
    env.reset()
    print(*(process.pid for process in env._copies.vectors[0].processes), flush=True)
    time.sleep(60)
"""


def make(vectorization):
    return registry.make(
        "gymnasium:CartPole-v1", num_envs=2, seeds=[0], options=GymnasiumOptions(vectorization=vectorization)
    )


def test_processes_give_the_same_numbers_save_and_end():
    actions = torch.randint(0, 2, (30, 1, 2), generator=torch.Generator().manual_seed(0))
    sync, workers = make("sync"), make("async")
    pids = [process.pid for process in workers._copies.vectors[0].processes]
    assert len(set(pids) | {os.getpid()}) == 3
    assert torch.equal(sync.reset()[0], workers.reset()[0])
    for step, action in enumerate(actions):
        if step == 12:
            workers.load_state_dict(sync.state_dict())
        one, other = sync.step(action), workers.step(action)
        assert all(torch.equal(left, right) for left, right in zip(one[:4], other[:4], strict=True))
        assert torch.equal(one[4]["final_obs"], other[4]["final_obs"])
    workers.close()
    workers.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_workers_end_when_their_driver_is_killed(tmp_path):
    script = Path(tmp_path, "driver.py")
    script.write_text(DRIVER)
    root = str(Path(registry.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
    ) as driver:
        pids = [int(pid) for pid in driver.stdout.readline().split()]
        assert len(pids) == 2
        driver.kill()
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its driver"
        time.sleep(0.05)
