"""Environment steps per CPU second of the memory worlds: batched tensors against a Python object per copy.

    python benchmarks/memory_worlds.py

All sides play uniform random actions, drawn before the clock starts, in N copies on one thread. Windows of the batched
world and of three loops (``scalar_worlds.py``) follow each other round by round, so drift of the machine hits all;
figures are medians over the rounds, of CPU time, because the machine may be shared. glibc keeps freed memory for all
sides, as the trainers have it. The mean reward per step stands beside them: it is the same world.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from scalar_worlds import LOOPS, WORLDS

from algorithms.ppo.allocator import keep_freed_memory
from envs import registry

RESULTS = Path(__file__).parent / "results"
TARGET = 50.0


class Batched:
    """The registered world, one seed."""

    def __init__(self, name, num_envs):
        self.env = registry.make(name, num_envs=num_envs, seeds=[0])
        self.env.reset()
        generator = torch.Generator().manual_seed(0)
        count = int(self.env.action_space.n)
        self.actions = [torch.randint(0, count, (1, num_envs), generator=generator) for _ in range(64)]

    def step(self, index):
        return self.env.step(self.actions[index % 64])[1]


class Looped:
    """The same world as a loop over objects."""

    def __init__(self, name, kind, num_envs):
        self.loop = LOOPS[kind](WORLDS[name], num_envs)
        draws = np.random.default_rng(0).integers(0, WORLDS[name].num_actions, (64, num_envs))
        self.actions = draws.tolist()

    def step(self, index):
        return self.loop.step(self.actions[index % 64])[1]


class Side:
    """One contender: windows of a given length, and the mean of all rewards it saw."""

    def __init__(self, player, num_envs):
        self.player, self.num_envs, self.index, self.reward = player, num_envs, 0, 0.0
        self.rates = []
        for _ in range(3):
            self.window(0.0)  # warm up
        self.rates.clear()

    def window(self, seconds):
        start, steps, rewards = time.thread_time(), 0, []
        while True:
            rewards.append(self.player.step(self.index))
            self.index += 1
            steps += 1
            elapsed = time.thread_time() - start
            if elapsed >= seconds:
                break
        self.rates.append(steps * self.num_envs / elapsed)
        self.reward += sum(float(reward.mean()) for reward in rewards)


def measure(name, options):
    sides = {"batched": Side(Batched(name, options.envs), options.envs)}
    sides |= {kind: Side(Looped(name, kind, options.envs), options.envs) for kind in LOOPS}
    for _ in range(options.rounds):
        for side in sides.values():
            side.window(options.seconds)
    figures = {}
    for kind, side in sides.items():
        figures[kind] = {
            "steps_per_s": statistics.median(side.rates),
            "rounds": side.rates,
            "reward_per_step": side.reward / side.index,
            "ratio": statistics.median(
                fast / slow for fast, slow in zip(sides["batched"].rates, side.rates, strict=True)
            ),
        }
    return figures


def table(results, options):
    lines = [
        "# Memory worlds",
        "",
        f"{options.envs} copies, one seed, uniform random actions, one thread; env steps per CPU second, medians of "
        f"{options.rounds} rounds of {options.seconds:g} s. Ratio: batched over the loop, median over the rounds.",
        "",
        "| world | batched | SyncVectorEnv | ratio | loop of gym envs | ratio | bare loop | ratio | reward per step |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in results.items():
        rewards = ", ".join(f"{side['reward_per_step']:.4f}" for side in one.values())
        cells = [name, f"{one['batched']['steps_per_s']:,.0f}"]
        for kind in LOOPS:
            cells += [f"{one[kind]['steps_per_s']:,.0f}", f"{one[kind]['ratio']:.0f}"]
        lines.append(f"| {' | '.join([*cells, rewards])} |")
    missed = [name for name, one in results.items() if one["gym_loop"]["ratio"] < TARGET]
    verdict = f"missed by {', '.join(missed)}" if missed else "met by all"
    return "\n".join([*lines, "", f"Target {TARGET:g} times the loop of gym envs: {verdict}.", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", type=int, default=1024, help="copies")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4, help="length of one side's window in a round")
    parser.add_argument("--only", default="", help="worlds whose name holds this; prints, writes nothing")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    results = {name: measure(name, options) for name in WORLDS if options.only in name}
    text = table(results, options)
    print(text)
    if not options.only:
        (RESULTS / "memory_worlds.md").write_text(text)
        (RESULTS / "memory_worlds.json").write_text(
            json.dumps({"options": vars(options), "worlds": results}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
