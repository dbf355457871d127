"""One contender of ``memory_throughput.py`` in one process: updates on request, with the time of their parts.

Reads a number of updates per line, answers one JSON object per line: seconds of every update and of their parts.
"""

import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

TASK = "memory/t_maze"
NUM_ENVS = 16


class Parts:
    """Seconds by part of an update; of nested parts the outermost counts."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._busy = clock, False
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        if self._busy:
            yield
            return
        self._busy, begin = True, self._clock()
        yield
        self._busy = False
        self.seconds[part] += self._clock() - begin

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Time every call of ``owner.name``."""
        function = getattr(owner, name)

        def call(*values: Any, **named: Any) -> Any:
            with self.timed(part):
                return function(*values, **named)

        setattr(owner, name, call)


def ours(config: dict[str, Any], preset: str, seeds: list[int], parts: Parts) -> Callable[[], object]:
    """One update of our trainer; ``config`` is laid over the preset."""
    from ablate.configs import config_from_plain, defaults, laid_over
    from algorithms.registry import find
    from algorithms.splagger import update
    from envs.registry import make

    algorithm = find("splagger")
    plain = laid_over(laid_over(defaults(algorithm.config), algorithm.presets[preset]), config)
    trainer = algorithm.load_trainer()(
        config_from_plain(algorithm.config, plain),
        lambda num_envs, seeds: make(TASK, num_envs=num_envs, seeds=seeds),
        num_envs=NUM_ENVS,
        seeds=seeds,
        device="cpu",
    )
    parts.watch(trainer.collector, "collect", "rollout")
    parts.watch(trainer, "_targets", "advantages")
    parts.watch(trainer, "_checks", "checks")
    for name in ("tokens", "outputs"):
        parts.watch(trainer.agent, name, "memory forward")
    parts.watch(trainer.updater.memory, "backward", "memory backward")
    parts.watch(update, "objective", "policy forward")
    parts.watch(trainer.updater.policy, "backward", "policy backward")
    for optimizer in (trainer.updater.memory, trainer.updater.policy):
        parts.watch(optimizer, "step", "optimisers")
    rows = trainer.iterations(2**62)
    return lambda: next(rows)


def loop(parts: Parts) -> Callable[[], object]:
    """One update of the loop that works as the official code does."""
    from peers.splagger_loop import Loop, Options
    from peers.splagger_worlds import BatchedWorld

    made = Loop(BatchedWorld(NUM_ENVS), NUM_ENVS, Options())
    made.timed = parts.timed
    return made.iterate


def main() -> None:
    what = json.loads(sys.argv[1])
    clock = time.process_time if what["cpu_time"] else time.perf_counter
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever is printed must not enter the protocol
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(what["threads"])
    torch.manual_seed(0)
    parts = Parts(clock)
    iterate = loop(parts) if what["loop"] else ours(what["config"], what["preset"], what["seeds"], parts)
    for line in sys.stdin:
        parts.seconds.clear()
        seconds = []
        for _ in range(int(line)):
            begin = clock()
            iterate()
            seconds.append(clock() - begin)
        print(json.dumps({"seconds": seconds, "parts": parts.seconds}), file=answers)


if __name__ == "__main__":
    main()
