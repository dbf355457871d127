"""Environment steps per second of the simulated tasks: against bare physics, gymnasium's vector envs and envpool.

    python benchmarks/env_throughput.py --envpool-python /path/to/envpool/bin/python

Every contender lives in a process of its own; in each round the parent asks one after the other for a window while the
others sleep, so that drift of the machine hits all alike. Reported are medians over rounds, and medians of the ratios
within a round. With a CUDA device, ``env_gpu.py`` follows.
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

from env_table import markdown
from trainer_throughput import processor

HERE = Path(__file__).parent
CHEETAH = "locomotion/cheetah_vel"


@dataclass(frozen=True)
class Contender:
    """One line of the table.

    ``task`` is our id or gymnasium's; lines with the same ``world`` simulate the same.
    """

    kind: str
    task: str
    num_envs: int
    world: str = "HalfCheetah"


CONTENDERS = (
    *(Contender(kind, CHEETAH, n) for n in (64, 1024, 4096) for kind in ("ours", "raw")),
    *(Contender("sync", "HalfCheetah-v5", n) for n in (64, 1024)),
    *(Contender("async", "HalfCheetah-v5", n) for n in (8, 64, 1024)),
    *(Contender("envpool", "HalfCheetah-v5", n) for n in (64, 1024)),
    *(Contender(kind, task, 1024, task) for task in ("hand/reorient", "arm_hand/regrasp") for kind in ("ours", "raw")),
)


@dataclass
class Running:
    """A contender's process and what it measured."""

    contender: Contender
    process: subprocess.Popen
    first: dict = field(default_factory=dict)
    windows: list[dict] = field(default_factory=list)

    def wait_until_warm(self):
        """False where the contender cannot run here."""
        line = self.process.stdout.readline()
        self.first = json.loads(line) if line else {}
        return bool(line)

    def ask(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        self.windows.append(json.loads(self.process.stdout.readline()))

    def figures(self):
        def middle(name):
            values = [one[name] for one in self.windows]
            return None if None in values else statistics.median(values)

        rates = {name: middle(name) for name in ("env_steps_per_s", "env_steps_per_cpu_s", "physics_share")}
        return {**vars(self.contender), **self.first, **rates, "rounds": self.windows}

    def stop(self):
        """Closing its input ends the worker, and a vector environment's children with it."""
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(contender, options):
    python = options.envpool_python if contender.kind == "envpool" else sys.executable
    command = [python, "env_worker.py", contender.kind, contender.task, str(contender.num_envs), str(options.threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "PYTHONPATH": str(HERE.parent)}
    errors = None if options.only else subprocess.DEVNULL
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
    return Running(contender, subprocess.Popen(command, cwd=HERE, env=environment, text=True, **pipes))


def measure(options):
    """All contenders, round by round; those that cannot run here are named in ``skipped``."""
    fields, skipped = [], []
    try:
        for contender in CONTENDERS:
            name = f"{contender.kind} {contender.task} {contender.num_envs}"
            if not all(word in name.split() for word in options.only.split()):
                continue
            if contender.kind == "envpool" and not options.envpool_python:
                skipped.append(f"{name}: no interpreter that has envpool (--envpool-python)")
                continue
            running = start(contender, options)
            fields.append(running)
            if running.wait_until_warm():
                print(f"  {name}: warm after {running.first['warm_up_s']:.1f} s", file=sys.stderr)
            else:
                skipped.append(f"{name}: its process ended; --only '{name}' shows why")
                fields.pop().stop()
        for number in range(options.rounds):
            print(f"  round {number + 1} of {options.rounds}", file=sys.stderr)
            for running in fields:
                running.ask(options.seconds)
    finally:
        for running in fields:
            running.stop()
    return [running.figures() for running in fields], skipped


def gpu(options):
    """What ``env_gpu.py`` measures, or None without a CUDA device."""
    import torch

    if not torch.cuda.is_available() or options.only:
        return None
    answer = subprocess.check_output([sys.executable, "env_gpu.py", "--json"], cwd=HERE, text=True)
    return json.loads(answer.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one contender's window in a round")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--envpool-python", default=os.environ.get("ENVPOOL_PYTHON"), help="interpreter with envpool")
    parser.add_argument("--only", default="", help="contenders with all these words; prints, writes nothing")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    contenders, skipped = measure(options)
    result = {
        "machine": f"{options.threads} threads of {processor()}",
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "contenders": contenders,
        "skipped": skipped,
        "gpu": gpu(options),
    }
    table = markdown(result)
    print(table)
    if not options.only:
        options.out.mkdir(exist_ok=True)
        (options.out / "env_throughput.json").write_text(json.dumps(result, indent=1) + "\n")
        (options.out / "env_throughput.md").write_text(table)


if __name__ == "__main__":
    main()
