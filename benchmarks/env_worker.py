"""One environment in one process: builds it, warms it up, then measures a window whenever the parent asks for one.

Started by ``env_throughput.py``; talks JSON lines over stdin and stdout. Imports only what its contender needs, so that
envpool's interpreter needs nothing of ours.
"""

import json
import os
import sys
import time
import warnings

from env_contenders import build

WARM_UP_S = 0.3


def window(contender, seconds, first):
    """Steps for about that long, three at least: rates by wall clock and CPU time, and the simulator's share."""
    physics, children = contender.physics_cpu, contender.children_cpu()
    wall, cpu, steps = time.perf_counter(), time.process_time(), 0
    while steps < 3 or time.perf_counter() - wall < seconds:
        contender.step(first + steps)
        steps += 1
    wall, own = time.perf_counter() - wall, time.process_time() - cpu
    spent = own + contender.children_cpu() - children
    env_steps = steps * contender.num_envs
    return steps, {
        "env_steps_per_s": env_steps / wall,
        "env_steps_per_cpu_s": env_steps / spent,
        "physics_share": (contender.physics_cpu - physics) / own or None,
    }


def main():
    kind, task, num_envs, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a framework prints must not enter the protocol
    warnings.simplefilter("ignore")
    if kind in ("ours", "raw"):
        import torch

        torch.set_num_threads(threads)
    begin = time.perf_counter()
    contender = build(kind, task, num_envs, threads)
    done, _ = window(contender, WARM_UP_S, 0)
    first = {"warm_up_s": time.perf_counter() - begin, "substeps": contender.substeps}
    print(json.dumps(first), file=answers)
    for line in sys.stdin:
        steps, figures = window(contender, float(line), done)
        done += steps
        print(json.dumps(figures), file=answers)


if __name__ == "__main__":
    main()
