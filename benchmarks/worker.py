"""One contender in one process: builds it, warms it up, then measures a window whenever the parent asks for one.

Started by ``trainer_throughput.py``; talks JSON lines over stdin and stdout. A fresh process per contender keeps
threads, allocator state and global switches apart.
"""

import importlib
import json
import os
import statistics
import sys
import time
import warnings

from workload import HORIZON

WARMUP_ITERATIONS = 3


def window(iterate, seconds: float, clock) -> list[float]:
    """Seconds of every iteration that began within the window; at least three."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        begin = clock()
        iterate()
        times.append(clock() - begin)
    return times


def main() -> None:
    module, mode, num_envs, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    clock = time.process_time if "cpu-time" in sys.argv else time.perf_counter
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a framework prints must not enter the protocol
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    begin = time.perf_counter()
    iterate = importlib.import_module(f"peers.{module}").build(num_envs, mode)
    for _ in range(WARMUP_ITERATIONS):
        iterate()
    print(json.dumps({"warm_up_s": time.perf_counter() - begin}), file=answers)
    for line in sys.stdin:
        times = window(iterate, float(line), clock)
        median = statistics.median(times)
        print(json.dumps({"env_steps_per_s": num_envs * HORIZON / median, "iterations": len(times)}), file=answers)


if __name__ == "__main__":
    main()
