"""Eight seeds fused into one program against eight processes of one seed each, on the same cores.

    python benchmarks/fused_seeds.py

Small networks (64-64) with 64 environments per seed are bound by overhead, not arithmetic, which is where fusing pays.
The processes start first and wait for each other, so neither imports nor the first iterations count; then all run for
the same time. They are measured twice: all eight at once, and as many at a time as there are cores (what a scheduler
with one slot per core does).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from workload import HORIZON

HERE = Path(__file__).parent
SEEDS = 8
NUM_ENVS = 64
HIDDEN = (64, 64)
TARGET = 2.0


class Child:
    """One process that trains ``seeds`` seeds; see ``fused_worker.py``."""

    def __init__(self, seeds: range, mode: str, threads: int) -> None:
        command = [sys.executable, "fused_worker.py", f"{seeds.start}:{seeds.stop}", mode, str(threads)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(HERE.parent)}
        self.process = subprocess.Popen(
            command, cwd=HERE, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def begin(self, seconds: float) -> None:
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()

    def env_steps_per_s(self) -> float:
        return float(self.process.stdout.readline())

    def wait_until_warm(self) -> None:
        self.process.stdout.readline()


def together(children: list[Child], seconds: float) -> float:
    """Environment steps per second of all children running at the same time."""
    for child in children:
        child.begin(seconds)
    return sum(child.env_steps_per_s() for child in children)


def in_turns(children: list[Child], seconds: float, slots: int) -> float:
    """The same when only ``slots`` run at a time; the mean over the turns."""
    groups = [children[at : at + slots] for at in range(0, len(children), slots)]
    return statistics.fmean(together(group, seconds / len(groups)) for group in groups)


def compare(mode: str, options: argparse.Namespace) -> dict:
    """One mode: medians over rounds in which every arrangement is measured in turn."""
    cores = os.cpu_count() or 1
    fused = Child(range(SEEDS), mode, cores)
    fused.wait_until_warm()
    single = [Child(range(seed, seed + 1), mode, 1) for seed in range(SEEDS)]
    for child in single:
        child.wait_until_warm()
    try:
        rounds = [
            {
                "fused": together([fused], options.seconds),
                "processes_at_once": together(single, options.seconds),
                "processes_per_core": in_turns(single, options.seconds, cores),
            }
            for _ in range(options.rounds)
        ]
    finally:
        for child in (fused, *single):
            child.process.kill()
            child.process.wait()
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    return {"mode": mode, **{name: round(value) for name, value in medians.items()}}


def markdown(result: dict) -> str:
    """The result as a table and a sentence per mode."""
    lines = [
        "# Fused seeds",
        "",
        f"{SEEDS} seeds, {'-'.join(map(str, HIDDEN))} networks, {NUM_ENVS} environments per seed, "
        f"{result['cores']} cores; env steps/s of all seeds together, median of {result['rounds']} rounds.",
        "",
        "| mode | one fused program | 8 processes at once | 8 processes, one per core at a time | fused / at once "
        "| fused / per core |",
        "|---|---|---|---|---|---|",
    ]
    for one in result["modes"]:
        ratios = [one["fused"] / one[name] for name in ("processes_at_once", "processes_per_core")]
        lines.append(
            f"| {one['mode']} | {one['fused']:,} | {one['processes_at_once']:,} | {one['processes_per_core']:,} | "
            f"{ratios[0]:.2f} | {ratios[1]:.2f} |"
        )
    best = max(one["fused"] / max(one["processes_at_once"], one["processes_per_core"]) for one in result["modes"])
    lines += [
        "",
        f"Target {TARGET:g} times the better of the two: {'met' if best >= TARGET else 'missed'} ({best:.2f}).",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of one arrangement's window")
    parser.add_argument("--modes", nargs="+", default=["fp32", "compile"], choices=["fp32", "compile", "bf16"])
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    result = {
        "cores": os.cpu_count(),
        "horizon": HORIZON,
        "rounds": options.rounds,
        "modes": [compare(mode, options) for mode in options.modes],
    }
    print(markdown(result))
    options.out.mkdir(exist_ok=True)
    (options.out / "fused_seeds.json").write_text(json.dumps(result, indent=1) + "\n")
    (options.out / "fused_seeds.md").write_text(markdown(result))


if __name__ == "__main__":
    main()
