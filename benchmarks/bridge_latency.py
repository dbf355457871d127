"""Microseconds per step of the ways to a simulator: in this process, over the bridge, gymnasium's workers, and a pipe.

    python benchmarks/bridge_latency.py --rounds 7
    python benchmarks/bridge_latency.py --python /path/to/python3.8      # the bridge's worker in another interpreter

The simulator does nothing (`echo_simulator.py`), so a step is all transport: actions there, observations, final
observations, rewards and flags back. Target: a step of the bridge takes at most 100 microseconds plus the copies: what
bare shared memory (one write, one read of every array, nothing else) takes longer than with 16 copies, and what a call
in this process does, which also makes trainers' fresh tensors of what it gets.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import gymnasium
import numpy as np
import torch
from echo_simulator import Echo
from gymnasium.vector import AsyncVectorEnv
from trainer_throughput import processor

from envs import registry
from envs.bridge import BridgeOptions
from envs.seed_stack import SeedStack

HERE = Path(__file__).parent
RESULTS = HERE / "results"
SHAPES = ((16, 8), (256, 48), (1024, 48), (4096, 48), (4096, 128), (16384, 128))
TARGET = 100.0
Step = Callable[[], object]


class InProcess:
    """The simulator as an `envs.seed_stack.SingleSeedEnv`, without any transport."""

    critic_observation_space = None
    max_episode_steps = Echo.max_episode_steps

    def __init__(self, simulator: Echo) -> None:
        self.simulator, self.num_envs, self.device = simulator, simulator.num_envs, torch.device("cpu")
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (simulator.observation_size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (4,), np.float32)

    def reset(self):
        return torch.from_numpy(self.simulator.reset()["obs"]), {}

    def step(self, actions):
        found = {key: torch.from_numpy(value) for key, value in self.simulator.step(actions.numpy()).items()}
        info = {"final_obs": found["final_obs"], "final_info": {}}
        return found["obs"], found["reward"], found["terminated"], found["truncated"], info


class Whole(gymnasium.Env):
    """All copies as one environment of gymnasium: `AsyncVectorEnv` then needs one worker; the reward is one number."""

    def __init__(self, num_envs, observation_size):
        self.simulator = Echo(num_envs, 0, "cpu", observation_size)
        self.observation_space = gymnasium.spaces.Box(-2, 2, (num_envs, observation_size), np.float32)
        self.action_space = gymnasium.spaces.Box(-1, 1, (num_envs, 4), np.float32)

    def reset(self, *, seed=None, options=None):
        return self.simulator.reset()["obs"], {}

    def step(self, action):
        return self.simulator.step(action)["obs"], float(action[0, 0]), False, False, {}


def served(connection: Connection, num_envs: int, observation_size: int) -> None:
    """The far end of the pipe."""
    simulator = Echo(num_envs, 0, "cpu", observation_size)
    while (actions := connection.recv()) is not None:
        connection.send(simulator.step(actions))


@contextmanager
def in_process(num_envs: int, size: int, python: str | None) -> Iterator[Step]:
    env = SeedStack([InProcess(Echo(num_envs, 0, "cpu", size))])
    actions = torch.rand(1, num_envs, 4) * 2 - 1
    yield lambda: env.step(actions)


@contextmanager
def bridge(num_envs: int, size: int, python: str | None) -> Iterator[Step]:
    options = BridgeOptions(python=python, kwargs={"observation_size": size})
    env = registry.make(f"bridge:{HERE / 'echo_simulator.py'}:make", num_envs=num_envs, seeds=(0,), options=options)
    env.reset()
    actions = torch.rand(1, num_envs, 4) * 2 - 1
    yield lambda: env.step(actions)
    env.close()


@contextmanager
def asynchronous(num_envs: int, size: int, python: str | None) -> Iterator[Step]:
    env = AsyncVectorEnv([lambda: Whole(num_envs, size)], context="spawn")
    env.reset()
    actions = np.random.default_rng(0).uniform(-1, 1, (1, num_envs, 4)).astype(np.float32)
    yield lambda: env.step(actions)
    env.close()


@contextmanager
def pipe(num_envs: int, size: int, python: str | None) -> Iterator[Step]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=served, args=(theirs, num_envs, size), daemon=True)
    process.start()
    actions = np.random.default_rng(0).uniform(-1, 1, (num_envs, 4)).astype(np.float32)

    def step() -> object:
        ours.send(actions)
        return {key: torch.from_numpy(value) for key, value in ours.recv().items()}

    yield step
    ours.send(None)
    process.join()


def served_bare(connection: Connection, name: str, num_envs: int, observation_size: int) -> None:
    """The far end of bare shared memory: wait for a byte, write the arrays, answer a byte."""
    simulator = Echo(num_envs, 0, "cpu", observation_size)
    actions = np.zeros((num_envs, 4), np.float32)
    memory = SharedMemory(name, track=False) if sys.version_info >= (3, 13) else SharedMemory(name)
    arrays = laid_out(memory, simulator.step(actions))
    while connection.recv_bytes() != b"end":
        for key, value in simulator.step(actions).items():
            arrays[key][...] = value
        connection.send_bytes(b"k")


def laid_out(memory: SharedMemory, like: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of the same shapes in shared memory, one after the other."""
    found, offset = {}, 0
    for key, value in like.items():
        found[key] = np.ndarray(value.shape, value.dtype, memory.buf, offset)
        offset += -(-value.nbytes // 256) * 256
    return found


@contextmanager
def bare(num_envs: int, size: int, python: str | None) -> Iterator[Step]:
    """The least that two processes can do: every array is written into shared memory once and read from it once."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    like = Echo(num_envs, 0, "cpu", size).step(np.zeros((num_envs, 4), np.float32))
    memory = SharedMemory(create=True, size=sum(one.nbytes + 256 for one in like.values()))
    arrays, target = laid_out(memory, like), {key: np.empty_like(value) for key, value in like.items()}
    process = context.Process(target=served_bare, args=(theirs, memory.name, num_envs, size), daemon=True)
    process.start()

    def step() -> None:
        ours.send_bytes(b"s")
        ours.recv_bytes()
        for key, value in arrays.items():
            target[key][...] = value

    yield step
    ours.send_bytes(b"end")
    process.join()
    memory.unlink()


CONTENDERS = {
    "in process": in_process,
    "bridge": bridge,
    "gymnasium AsyncVectorEnv": asynchronous,
    "pickle over a Pipe": pipe,
    "bare shared memory": bare,
}


def window(step: Step, seconds: float) -> float:
    """Median microseconds of the steps that fit into a window."""
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def measured(num_envs: int, size: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """Windows of all contenders, interleaved, so that what else the machine does hits all alike."""
    found: dict[str, list[float]] = {}
    opened = {name: make(num_envs, size, options.python) for name, make in CONTENDERS.items()}
    steps = {name: one.__enter__() for name, one in opened.items()}
    for step in steps.values():
        window(step, options.seconds)
    for _ in range(options.rounds):
        for name, step in steps.items():
            found.setdefault(name, []).append(window(step, options.seconds))
    for one in opened.values():
        one.__exit__(None, None, None)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--python", help="interpreter of the bridge's worker; this one by default")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load, rows = os.getloadavg()[0], []
    for num_envs, size in SHAPES:
        runs = measured(num_envs, size, options)
        rows.append({"num_envs": num_envs, "observation_size": size, "us": runs})
        print(num_envs, size, {name: round(statistics.median(one), 1) for name, one in runs.items()}, flush=True)
    lines = [
        f"{processor()}, {os.cpu_count()} cores, load {load:.1f} before; microseconds per step of a simulator that "
        f"does nothing, medians of {options.rounds} interleaved windows of {options.seconds:g} s.",
        "",
        "| copies x observation | " + " | ".join(CONTENDERS) + " | bridge less the copies |",
        "|---" * (len(CONTENDERS) + 2) + "|",
    ]
    smallest, reached = {name: statistics.median(one) for name, one in rows[0]["us"].items()}, True
    for row in rows:
        us = {name: statistics.median(one) for name, one in row["us"].items()}
        extra = us["bridge"] - sum(us[one] - smallest[one] for one in ("bare shared memory", "in process"))
        reached &= extra < TARGET
        figures = " | ".join(f"{us[name]:,.0f}" for name in CONTENDERS)
        lines.append(f"| {row['num_envs']:,} x {row['observation_size']} | {figures} | {extra:,.0f} |")
    lines += ["", f"Target {TARGET:.0f} microseconds plus the copies: {'reached' if reached else 'missed'}."]
    print("\n".join(lines))
    (RESULTS / "bridge_latency.md").write_text("\n".join(lines) + "\n")
    record = {"processor": processor(), "cores": os.cpu_count(), "load": load, "rounds": options.rounds, "rows": rows}
    (RESULTS / "bridge_latency.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
