"""Frames per second of rollout plus update on the T-Maze: SplAgger here against a loop that works as its code does.

    python benchmarks/memory_throughput.py --rounds 3

T = 700 steps, N = 16 copies, 2 epochs of 4 minibatches, official sizes (``peers/splagger_loop.py`` says what the loop
does). Every contender is a process of its own; in each round the parent asks one after the other for an update while
the others sleep. Reported are medians over rounds. About ten minutes on two idle cores: an update of the loop takes
one.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memory_worker import NUM_ENVS, TASK
from trainer_throughput import MALLOC, processor

HERE = Path(__file__).parent
FRAMES = 700 * NUM_ENVS
FUSED = 4
TARGET = 8.0


@dataclass(frozen=True)
class Contender:
    """One line of the table; several processes run at once."""

    name: str
    preset: str = "splagger"
    config: dict[str, Any] = field(default_factory=dict)
    loop: bool = False
    malloc: bool = False
    """glibc keeps freed memory; our trainer sees to that itself."""
    seeds: int = 1
    processes: int = 1


LOOP = "loop as the official code"
LOOP_KEEPING = "the same, freed memory kept"
OFFICIAL, DEFAULT, ONE_FUSED = "ablate, preset official", "ablate, defaults", f"ablate, defaults, {FUSED} seeds fused"
CONTENDERS = (
    Contender(LOOP, loop=True),
    Contender(LOOP_KEEPING, loop=True, malloc=True),
    Contender(OFFICIAL, preset="official"),
    Contender(DEFAULT),
    Contender("ablate, minibatches of whole sequences", config={"minibatch_layout": "sequences"}),
    Contender(ONE_FUSED, seeds=FUSED),
    Contender("ablate, defaults, a process per core", processes=os.cpu_count() or 1),
)


class Running:
    """The processes of a contender and what they measured."""

    def __init__(self, contender: Contender, options: argparse.Namespace) -> None:
        self.contender, self.seconds = contender, []
        self.parts: list[dict[str, float]] = []
        threads = options.threads if contender.processes == 1 else 1
        self._processes = []
        for index in range(contender.processes):
            first = index * contender.seeds
            what = {
                "loop": contender.loop,
                "preset": contender.preset,
                "config": contender.config,
                "seeds": list(range(first, first + contender.seeds)),
                "threads": threads,
                "cpu_time": options.cpu_time,
            }
            environment = {**os.environ, **(MALLOC if contender.malloc else {}), "OMP_NUM_THREADS": str(threads)}
            self._processes.append(
                subprocess.Popen(
                    [sys.executable, "memory_worker.py", json.dumps(what)],
                    cwd=HERE,
                    env=environment | {"PYTHONPATH": str(HERE.parent)},
                    text=True,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )

    def ask(self, updates: int) -> list[dict]:
        """Let all processes of the contender run at the same time."""
        for process in self._processes:
            process.stdin.write(f"{updates}\n")
            process.stdin.flush()
        lines = [process.stdout.readline() for process in self._processes]
        if not all(lines):
            raise SystemExit(f"{self.contender.name} died; its traceback stands above")
        return [json.loads(line) for line in lines]

    def measure(self, updates: int) -> None:
        answers = self.ask(updates)
        self.seconds.append(statistics.fmean(statistics.median(one["seconds"]) for one in answers))
        self.parts.append({name: value / updates for name, value in answers[0]["parts"].items()})

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def result(self) -> dict:
        seconds = statistics.median(self.seconds)
        parts = {name: statistics.median(one.get(name, 0.0) for one in self.parts) for name in self.parts[-1]}
        return {
            "name": self.contender.name,
            "frames_per_s": FRAMES * self.contender.seeds * self.contender.processes / seconds,
            "update_s": seconds,
            "rounds_s": [round(value, 3) for value in self.seconds],
            "parts_s": {name: round(value, 3) for name, value in parts.items()},
        }


def measure(options: argparse.Namespace) -> list[dict]:
    """All contenders, in interleaved rounds."""
    fields: list[Running] = []
    chosen = [one for one in CONTENDERS if options.only in one.name and not (options.cpu_time and one.processes > 1)]
    try:
        for contender in chosen:
            running = Running(contender, options)
            fields.append(running)
            warm = running.ask(1)[0]["seconds"][0]
            print(f"  {contender.name}: first update {warm:.1f} s", file=sys.stderr)
        for _ in range(options.rounds):
            for running in fields:
                running.measure(1 if running.contender.loop else options.updates)
    finally:
        for running in fields:
            running.stop()
    return [running.result() for running in fields]


def markdown(result: dict) -> str:
    """Speeds, ratios and where the time goes."""
    rows = result["contenders"]
    speed = {one["name"]: one["frames_per_s"] for one in rows}
    lines = [
        "# Memory throughput",
        "",
        f"{result['machine']}, torch {result['torch']}, Python {result['python']}; {TASK}, T = 700, N = {NUM_ENVS}; "
        f"rollout and update, median of {result['rounds']} interleaved rounds"
        + ", CPU seconds of one thread" * result["cpu_time"]
        + ".",
        "",
        "| | frames/s | s per update | against the loop | against the loop, memory kept | rounds, s |",
        "|---|---|---|---|---|---|",
    ]
    for one in rows:
        against = [
            f"{one['frames_per_s'] / speed[name]:.1f}" if name in speed else "-" for name in (LOOP, LOOP_KEEPING)
        ]
        rounds = ", ".join(f"{value:.1f}" for value in one["rounds_s"])
        lines.append(
            f"| {one['name']} | {one['frames_per_s']:,.0f} | {one['update_s']:.2f} | {' | '.join(against)} | {rounds} |"
        )
    lines += ["", *sentences(speed), "", "Seconds of an update by part:", "", *parts_table(rows)]
    return "\n".join(lines) + "\n"


def sentences(speed: dict[str, float]) -> list[str]:
    """The target, and what fusing pays."""
    lines = []
    if OFFICIAL in speed and LOOP in speed:
        ratio = speed[OFFICIAL] / speed[LOOP]
        lines.append(
            f"- The same work (preset `official`) runs {ratio:.1f} times as fast as the loop; "
            f"target {TARGET:g}: {'met' if ratio >= TARGET else 'missed'}."
        )
    if ONE_FUSED in speed and DEFAULT in speed:
        ratio = speed[ONE_FUSED] / speed[DEFAULT]
        lines.append(
            f"- {FUSED} seeds as one program run {ratio:.2f} times as fast as {FUSED} processes one after the other, "
            "starting them not counted."
        )
    return lines


def parts_table(rows: list[dict]) -> list[str]:
    """A column per part of any contender."""
    names = list(dict.fromkeys(name for one in rows for name in one["parts_s"]))
    lines = [f"| | {' | '.join(names)} | rest |", "|---" * (len(names) + 2) + "|"]
    for one in rows:
        parts = one["parts_s"]
        cells = [f"{parts[name]:.2f}" if name in parts else "-" for name in names]
        lines.append(f"| {one['name']} | {' | '.join(cells)} | {one['update_s'] - sum(parts.values()):.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--updates", type=int, default=2, help="updates of our trainer per round; the loop runs one")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--cpu-time", action="store_true", help="count CPU seconds, of one thread: for a busy machine")
    parser.add_argument("--only", default="", help="contenders whose name holds this; prints, writes nothing")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    if options.cpu_time:
        options.threads = 1
    import torch

    result = {
        "machine": f"{options.threads} threads of {processor()}",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "rounds": options.rounds,
        "cpu_time": options.cpu_time,
        "contenders": measure(options),
    }
    table = markdown(result)
    print(table)
    if not options.only:
        name = "memory_throughput" + "_cpu_time" * options.cpu_time
        options.out.mkdir(exist_ok=True)
        (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        (options.out / f"{name}.md").write_text(table)


if __name__ == "__main__":
    main()
