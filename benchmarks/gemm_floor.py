"""How fast the matrix products alone would run: the floor no PPO iteration of this shape can beat.

One environment step costs one forward pass in the rollout and, in each of the epochs, a forward pass, the weights'
gradient and (beyond the first layer) the inputs' gradient. The products are timed with preallocated results and
nothing in between, for several numbers of rows and both libraries torch can send float32 to; the fastest counts.
"""

import itertools
import json
import sys
import time

import torch
from workload import ACTION_SIZE, EPOCHS, HIDDEN, OBS_SIZE

ROWS = (1024, 4096, 16384)
REPEATS = 5


def layers() -> list[tuple[int, int, bool]]:
    """(inputs, outputs, has an input gradient) of every layer of both networks."""
    found = []
    for outputs in (ACTION_SIZE, 1):
        sizes = (OBS_SIZE, *HIDDEN, outputs)
        found += [(a, b, depth > 0) for depth, (a, b) in enumerate(itertools.pairwise(sizes))]
    return found


def flops_per_env_step() -> int:
    """Floating-point operations of the matrix products per environment step."""
    forward = sum(2 * a * b for a, b, _ in layers())
    backward = sum(2 * a * b * (2 if inner else 1) for a, b, inner in layers())
    return forward + EPOCHS * (forward + backward)


def seconds_per_row(rows: int, dtype: torch.dtype) -> tuple[float, float]:
    """Best time per row of (a forward pass, a forward and backward pass)."""
    operands = []
    for a, b, inner in layers():
        x, w, g = (torch.randn(*shape).to(dtype) for shape in ((rows, a), (a, b), (rows, b)))
        operands.append((x, w, g, torch.empty_like(g), torch.empty_like(w), torch.empty_like(x), inner))

    def forward() -> None:
        for x, w, _, y, _, _, _ in operands:
            torch.mm(x, w, out=y)

    def both() -> None:
        forward()
        for x, w, g, _, dw, dx, inner in operands:
            torch.mm(x.t(), g, out=dw)
            if inner:
                torch.mm(g, w.t(), out=dx)

    return best(forward, rows), best(both, rows)


def best(work, rows: int) -> float:
    """Seconds per row, the best of several batches of about 16,384 rows."""
    calls = max(1, ROWS[-1] // rows)
    work()
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        for _ in range(calls):
            work()
        times.append((time.perf_counter() - begin) / (calls * rows))
    return min(times)


def floor(dtype: torch.dtype) -> float:
    """Environment steps per second if only the matrix products cost time."""
    return max(1 / (forward + EPOCHS * both) for forward, both in (seconds_per_row(rows, dtype) for rows in ROWS))


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]))
    switch = torch.backends.mkldnn.matmul
    answer = {"fp32_default_library": floor(torch.float32), "bf16": floor(torch.bfloat16)}
    switch.fp32_precision = "bf16"  # lets float32 reach oneDNN; see algorithms/ppo/matmul.py for when that is exact
    a, b = torch.randn(512, 256), torch.randn(256, 128)
    exact = a.double() @ b.double()
    answer["fp32_onednn_error"] = float((a @ b - exact).norm() / exact.norm())
    answer["fp32_onednn"] = floor(torch.float32)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
