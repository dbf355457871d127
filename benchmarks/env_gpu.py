"""MuJoCo Warp with tens of thousands of hands: rates, memory, and the compile time with an empty and a full cache.

python benchmarks/env_gpu.py                          # needs a CUDA device
python benchmarks/env_gpu.py --device cpu --envs 16   # the same code on Warp's CPU device, to try it
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def build(options):
    """The task on Warp, also where the device is a CPU."""
    import torch

    import envs.sim.env
    from envs import registry
    from envs.sim.model import Model
    from envs.sim.warp import WarpSim

    def warp(scene, *, sensed, num_worlds, device):
        return WarpSim(Model(scene), sensed=sensed, num_worlds=num_worlds, device=device)

    envs.sim.env.make_sim = warp
    env = registry.make(options.task, num_envs=options.envs, seeds=[0], device=options.device)
    generator = torch.Generator(options.device).manual_seed(0)
    shape = (1, options.envs, *env.action_space.shape)
    return env, [torch.rand(shape, generator=generator, device=options.device) * 2 - 1 for _ in range(64)]


def first_step(options):
    """Seconds from a bare process to the end of the first step."""
    begin = time.perf_counter()
    env, actions = build(options)
    env.reset()
    env.step(actions[0])
    wait(options)
    print(json.dumps({"seconds": time.perf_counter() - begin}))


def rates(options):
    """Env steps and physics steps per second, and the device memory that the task takes."""
    import torch

    cuda = options.device.startswith("cuda")
    free = torch.cuda.mem_get_info()[0] if cuda else 0
    env, actions = build(options)
    env.reset()
    for index in range(20):
        env.step(actions[index])

    def window(step):
        wait(options)
        begin, steps = time.perf_counter(), 0
        while steps < 3 or time.perf_counter() - begin < options.seconds:
            for _ in range(10 if cuda else 1):  # the host runs ahead of the device
                step(steps)
                steps += 1
            wait(options)
        return steps / (time.perf_counter() - begin)

    inner = env
    while not hasattr(inner, "sim"):
        inner = inner._env
    rounds = []
    for _ in range(options.rounds):
        whole = window(lambda index: env.step(actions[index % 64]))
        saved = inner.sim.state_dict()
        physics = window(lambda _: inner.sim.step(inner.substeps))
        inner.sim.load_state_dict(saved)
        rounds.append((whole, physics))
    whole, physics = (sorted(one[side] for one in rounds)[len(rounds) // 2] for side in (0, 1))
    return {
        "device": torch.cuda.get_device_name() if cuda else "Warp's CPU device",
        "task": options.task,
        "num_envs": options.envs,
        "env_steps_per_s": whole * options.envs,
        "physics_steps_per_s": physics * inner.substeps * options.envs,
        "physics_share": whole / physics,
        "memory_gib": (free - torch.cuda.mem_get_info()[0]) / 2**30 if cuda else 0.0,
        "rounds": rounds,
    }


def wait(options):
    import torch

    if options.device.startswith("cuda"):
        torch.cuda.synchronize()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="hand/reorient")
    parser.add_argument("--envs", type=int, default=24_576)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="print one JSON object only")
    parser.add_argument("--first-step", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first_step:
        first_step(options)
        return
    command = [sys.executable, __file__, "--first-step", "--task", options.task, "--device", options.device]
    command += ["--envs", str(options.envs)]
    with tempfile.TemporaryDirectory() as cache:
        os.environ |= {"WARP_CACHE_PATH": cache, "PYTHONPATH": str(HERE.parent)}
        sys.path.insert(0, str(HERE.parent))
        seconds = []
        for _ in ("cold", "cached"):
            lines = subprocess.check_output(command, cwd=HERE, text=True).splitlines()
            seconds.append(json.loads(lines[-1])["seconds"])
        figures = rates(options)
    figures |= {"first_step_cold_s": seconds[0], "first_step_cached_s": seconds[1]}
    print(json.dumps(figures, indent=None if options.json else 1))


if __name__ == "__main__":
    main()
