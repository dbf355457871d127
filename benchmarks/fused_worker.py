"""Trains some seeds in one process and answers how fast; started by ``fused_seeds.py``."""

import os
import sys
import time

from fused_seeds import HIDDEN, NUM_ENVS
from peers.ours import trainer
from worker import WARMUP_ITERATIONS
from workload import HORIZON


def main() -> None:
    import torch

    first, last = (int(word) for word in sys.argv[1].split(":"))
    mode, threads = sys.argv[2], int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(threads)
    _, iterate = trainer("ppo", NUM_ENVS, mode, seeds=range(first, last), hidden=HIDDEN)
    for _ in range(WARMUP_ITERATIONS):
        iterate()
    print("warm", file=answers)
    for line in sys.stdin:
        iterations, begin = 0, time.perf_counter()
        while (passed := time.perf_counter() - begin) < float(line) or not iterations:
            iterate()
            iterations += 1
        print(iterations * NUM_ENVS * (last - first) * HORIZON / passed, file=answers)


if __name__ == "__main__":
    main()
