"""Throughput of PPO and SAPG against other trainers on the same work, in one run of interleaved rounds.

    python benchmarks/trainer_throughput.py --rounds 3

Every contender lives in a process of its own from start to end; in each round the parent asks one after the other for
a window of iterations while all others sleep, so that drift of the machine hits all alike. Reported are medians over
rounds, ratios, and the share of the floor (``gemm_floor.py``) measured in the same rounds.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from throughput_table import markdown

HERE = Path(__file__).parent
MALLOC = {  # glibc keeps freed memory instead of giving it back to the system between minibatches
    "MALLOC_TOP_PAD_": str(256 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "MALLOC_MMAP_MAX_": "0",
}


@dataclass(frozen=True)
class Contender:
    """One line of the table."""

    name: str
    module: str
    mode: str
    group: str
    """``fp32`` or ``bf16``: compared within the group."""
    ours: bool = False


CONTENDERS = (
    Contender("ablate PPO", "ours", "ppo-fp32", "fp32", ours=True),
    Contender("ablate PPO, compiled", "ours", "ppo-compile", "fp32", ours=True),
    Contender("rl_games 1.6.5", "rl_games", "fp32", "fp32"),
    Contender("CleanRL-style loop", "cleanrl", "fp32", "fp32"),
    Contender("rsl_rl 5.5.1", "rsl_rl", "fp32", "fp32"),
    Contender("rsl_rl 5.5.1, compiled", "rsl_rl", "compile", "fp32"),
    Contender("skrl 2.1.1", "skrl", "fp32", "fp32"),
    Contender("ablate PPO, bf16 compiled", "ours", "ppo-bf16", "bf16", ours=True),
    Contender("rsl_rl 5.5.1, bf16 compiled", "rsl_rl", "bf16", "bf16"),
    Contender("skrl 2.1.1, bf16", "skrl", "bf16", "bf16"),
    Contender("ablate SAPG M=6", "ours", "sapg-fp32", "sapg", ours=True),
    Contender("ablate SAPG M=6, compiled", "ours", "sapg-compile", "sapg", ours=True),
)
SAPG_AGAINST = {"ablate SAPG M=6": "ablate PPO", "ablate SAPG M=6, compiled": "ablate PPO, compiled"}
POLICIES = 6


@dataclass
class Running:
    """A contender's process and what it measured."""

    contender: Contender
    process: subprocess.Popen
    warm_up_s: float = 0.0
    env_steps_per_s: list[float] = field(default_factory=list)

    def ask(self, seconds: float) -> None:
        """Measure one window."""
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        self.env_steps_per_s.append(self._answer()["env_steps_per_s"])

    def _answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.contender.name} died; run it alone with --only to see why")
        return json.loads(line)

    def wait_until_warm(self) -> None:
        self.warm_up_s = self._answer()["warm_up_s"]


def start(contender: Contender, num_envs: int, options: argparse.Namespace, cache: str) -> Running:
    """Start a contender; SAPG gets the nearest number of environments that M divides."""
    copies = num_envs // POLICIES * POLICIES if contender.group == "sapg" else num_envs
    environment = {
        **os.environ,
        **(MALLOC if options.malloc else {}),
        "OMP_NUM_THREADS": str(options.threads),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TORCHINDUCTOR_CACHE_DIR": cache,
        "PYTHONPATH": str(HERE.parent),
    }
    python = sys.executable if contender.module == "ours" else options.peers_python
    command = [python, "worker.py", contender.module, contender.mode, str(copies), str(options.threads)]
    command += ["cpu-time"] if options.cpu_time else []
    process = subprocess.Popen(
        command,
        cwd=HERE,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if options.only else subprocess.DEVNULL,
    )
    return Running(contender, process)


def measure(num_envs: int, options: argparse.Namespace) -> dict:
    """All contenders at one number of environments."""
    chosen = [c for c in CONTENDERS if all(word in c.name for word in options.only.split())]
    floors, fields = [], []
    with tempfile.TemporaryDirectory() as cache:
        try:
            for contender in chosen:
                running = start(contender, num_envs, options, cache)
                fields.append(running)
                running.wait_until_warm()
                print(f"  N={num_envs} {contender.name}: warm after {running.warm_up_s:.1f} s", file=sys.stderr)
            for _ in range(options.rounds):
                command = [sys.executable, "gemm_floor.py", str(options.threads)]
                floors.append(json.loads(subprocess.check_output(command, cwd=HERE, text=True)))
                for running in fields:
                    running.ask(options.seconds)
        finally:
            for running in fields:
                running.process.kill()
                running.process.wait()
    return {
        "num_envs": num_envs,
        "floor": {name: statistics.median(one[name] for one in floors) for name in floors[0]},
        "contenders": [
            {
                "name": running.contender.name,
                "group": running.contender.group,
                "ours": running.contender.ours,
                "env_steps_per_s": statistics.median(running.env_steps_per_s),
                "rounds": [round(value) for value in running.env_steps_per_s],
                "warm_up_s": round(running.warm_up_s, 1),
            }
            for running in fields
        ],
    }


def processor() -> str:
    """What /proc/cpuinfo calls the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one contender's window")
    parser.add_argument("--envs", type=int, nargs="+", default=[4096, 1024])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--malloc", action="store_true", help="tell glibc, for every contender, to keep freed memory")
    parser.add_argument("--cpu-time", action="store_true", help="count CPU seconds, of one thread: for a busy machine")
    parser.add_argument("--peers-python", default=os.environ.get("PEERS_PYTHON", sys.executable))
    parser.add_argument("--only", default="", help="run only contenders whose name holds all these words")
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
        "seconds": options.seconds,
        "malloc": options.malloc,
        "cpu_time": options.cpu_time,
        "sapg_against": SAPG_AGAINST,
        "sizes": [measure(num_envs, options) for num_envs in options.envs],
    }
    name = "trainer_throughput" + "_malloc" * options.malloc + "_cpu_time" * options.cpu_time
    table = markdown(result)
    print(table)
    if not options.only:
        options.out.mkdir(exist_ok=True)
        (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        (options.out / f"{name}.md").write_text(table)


if __name__ == "__main__":
    main()
