"""Short probes: build a variant's trainer as its pack would, run a few iterations, and remember what it cost.

A probe measures the time of an iteration and of an evaluation and takes ``describe()`` of the built trainer, from which
``plan`` computes the confounds. Results are kept per machine under the store, keyed by everything they depend on.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ablate import machine
from ablate.durable import make_dir, read_json, write_json
from ablate.store import Store

if TYPE_CHECKING:
    from ablate.study import Task
    from ablate.variants import Variant

VERSION = 1
SECONDS = 2.0
"""Iterations are repeated until this much time has passed."""
MAX_ITERATIONS = 10
ONE_SEED_ABOVE = 200_000
"""Copies x seeds beyond which one seed is probed and the time scaled, so that a plan on a laptop stays a plan."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one pack costs on this machine.

    Attributes:
        seeds: K that was measured.
        build_s: Seconds to build the trainer.
        iteration_s: Seconds per iteration of all K seeds.
        env_steps: Transitions per seed and iteration.
        evaluation_s: Seconds per evaluation.
        device: Where it ran.
        describe: The trainer's own figures; see ``Trainer.describe``.
    """

    seeds: int
    build_s: float
    iteration_s: float
    env_steps: int
    evaluation_s: float
    device: str
    describe: dict[str, float]

    def pack_s(self, env_steps: int, points: int, seeds: int) -> float:
        """Expected seconds of a pack of ``seeds`` seeds."""
        iterations = -(-env_steps // max(self.env_steps, 1))
        scale = max(1.0, seeds / self.seeds)
        return self.build_s + scale * (iterations * self.iteration_s + points * self.evaluation_s)


def key_of(identity: Mapping[str, Any], seeds: int, device: str) -> str:
    """Name of a probe's file: algorithm, config, task, code, number of seeds and machine, but no seed and no budget."""
    parts = [VERSION, identity["algorithm"], identity["task"], identity["evaluation"]["episodes"], seeds, device]
    text = json.dumps([*parts, machine.fingerprint()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def remembered(store: Store, key: str) -> Probe | None:
    """A probe's kept result, None when there is none that can be used."""
    content = read_json(store.probes / f"{key}.json")
    try:
        return Probe(**content) if content is not None else None
    except TypeError:
        return None


def remember(store: Store, key: str, probe: Probe) -> None:
    """Keep a result."""
    make_dir(store.probes)
    write_json(store.probes / f"{key}.json", asdict(probe))


def measure(
    variant: "Variant",
    task: "Task",
    seeds: Sequence[int],
    episodes: int,
    *,
    threads: int,
    device: str = "cpu",
    seconds: float = SECONDS,
) -> Probe:
    """Train for a moment and throw the result away.

    Args:
        variant: What to train.
        task: On what.
        seeds: Of one pack.
        episodes: Per evaluation.
        threads: CPU threads a pack will have.
        device: ``cuda`` falls back to the CPU where this installation of torch has none.
        seconds: How long to repeat iterations, after one that warms up.
    """
    import torch

    from algorithms import registry as algorithm_registry
    from envs import registry as env_registry

    device = device if torch.cuda.is_available() else "cpu"
    if len(seeds) * task.num_envs > ONE_SEED_ABOVE and device == "cpu":
        seeds = seeds[:1]

    def make_env(num_envs: int, seeds: Sequence[int]) -> Any:
        return env_registry.make(task.env, num_envs=num_envs, seeds=seeds, device=device, options=task.options)

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    began = time.perf_counter()
    try:
        trainer = algorithm_registry.find(variant.algorithm).load_trainer()(
            variant.config, make_env, num_envs=task.num_envs, seeds=list(seeds), device=device
        )
        try:
            build_s = time.perf_counter() - began
            iteration_s, env_steps = _timed_iterations(trainer, seconds)
            began = time.perf_counter()
            trainer.evaluate(episodes)
            evaluation_s = time.perf_counter() - began
            describe = {name: float(value) for name, value in trainer.describe().items()}
        finally:
            trainer.close()
    finally:
        torch.set_num_threads(before)
    return Probe(len(seeds), build_s, iteration_s, env_steps, evaluation_s, device, describe)


def _timed_iterations(trainer: Any, seconds: float) -> tuple[float, int]:
    """Median seconds and env steps per iteration; the first iteration counts only when it used up the time."""
    spent: list[float] = []
    end = 0
    steps = 0
    iterations = trainer.iterations(2**62)
    while len(spent) <= MAX_ITERATIONS and sum(spent) < seconds:
        began = time.perf_counter()
        next(iterations)
        spent.append(time.perf_counter() - began)
        steps, end = trainer.env_steps - end, trainer.env_steps
    warm = sorted(spent[1:] or spent)
    return warm[len(warm) // 2], steps
