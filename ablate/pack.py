"""One process trains one pack: cells of one variant and task, all seeds as one program.

The loop drives a trainer (an iterator of metrics) and writes the cells' files. A checkpoint every half minute holds
the trainer and the lengths of the journals at one moment, so a killed pack continues bit for bit and writes no row
twice. What only the machine is to blame for is raised, for the scheduler to try again; everything else ends in the
cells' status.
"""

import contextlib
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ablate import checkpoint, faults
from ablate.building import build_trainer
from ablate.capture import captured
from ablate.cell_writer import CellWriter
from ablate.configs import config_from_plain
from ablate.errors import StoreError
from ablate.locks import LockSet
from ablate.pulse import Pulse
from ablate.store import Json, PackDir, State, Store
from ablate.thinning import Thinning
from algorithms import registry as algorithm_registry
from algorithms.component import violations
from algorithms.trainer import Metrics, Trainer
from envs.gymnasium_snapshot import CheckpointUnsupportedError

_OURS = frozenset({"env_steps", "ts", "attempt"})
"""Columns of a row that the pack writes, whatever a trainer reports under these names."""


def run_pack(pack_dir: Path, home: Path, *, own_process: bool = True) -> None:
    """Train what is unfinished in a pack, from its checkpoint if it has one.

    Args:
        pack_dir: ``<home>/packs/<id>`` with its ``pack.json``.
        home: The store.
        own_process: Whether this process exists to train packs; False inside the driver.

    Raises:
        Exception: An infrastructure fault; the cells are INTERRUPTED and another try may succeed.
    """
    store, pack = Store(home), PackDir(pack_dir)
    spec = pack.spec()
    if spec is None:
        raise StoreError(f"pack {pack.id} has no readable pack.json in {pack.path}.")
    if pack.stop_path.exists():
        return
    with captured(pack.log_path, descriptors=own_process):
        pulse = Pulse(pack, budget=spec["budget"]["env_steps"], seeds=len(spec["seeds"]))
        locks = LockSet([store.cell(one).lock() for one in spec["cells"]])
        pulse.beat(phase="starting")

        def waiting() -> bool:
            pulse.beat(phase="waiting for another process that trains these cells")
            return not pack.stop_path.exists()

        if not locks.acquire(waiting):
            return
        try:
            _PackRun(store, pack, spec, pulse).run()
        finally:
            with contextlib.suppress(StoreError):
                pulse.beat(phase="ended")
            locks.release()


@dataclass
class _PackRun:
    """The state of one attempt at a pack."""

    store: Store
    pack: PackDir
    spec: Json
    pulse: Pulse
    writers: list[CellWriter] = field(init=False)
    wall_before: float = 0.0
    clock: float = field(default_factory=time.monotonic)
    saved_clock: float = 0.0
    save_seconds: float = 0.0
    rate_clock: float = 0.0
    rate_steps: int = 0
    env_steps: int = 0
    can_checkpoint: bool = True

    def __post_init__(self) -> None:
        share = 1 / len(self.spec["cells"])
        self.writers = [
            CellWriter(self.store.cell(one), self.pack, seed=seed, share=share)
            for one, seed in zip(self.spec["cells"], self.spec["seeds"], strict=True)
        ]
        self.save_seconds = self.spec["checkpoint_seconds"]
        self.budget: int = self.spec["budget"]["env_steps"]
        self.thinning = Thinning(self.budget, self.spec["evaluation"]["points"])

    @property
    def wall_s(self) -> float:
        """Seconds of training over all attempts."""
        return self.wall_before + time.monotonic() - self.clock

    @property
    def live(self) -> list[tuple[int, CellWriter]]:
        """Seeds that are still written, with their index on the axis K."""
        return [(k, writer) for k, writer in enumerate(self.writers) if writer.live]

    def run(self) -> None:
        """Train; whatever happens, no live cell stays RUNNING."""
        if not self.live:
            return
        _say(f"pack {self.pack.id}: {self.spec['variant']}, seeds {[writer.seed for _, writer in self.live]}")
        trainer: Trainer | None = None
        try:
            checkpoint.clean_process(self.spec["seeds"][0], self.spec["threads"])
            saved = checkpoint.load(self.pack.checkpoint_path, self.spec["device"])
            if saved and any(writer.is_shorter_than(saved.journals) for _, writer in self.live):
                _say("a journal is shorter than the checkpoint says: starting again from step 0")
                saved = None
            for _, writer in self.live:
                writer.start(saved.journals[writer.cell.hash] if saved else None)
            self.pulse.beat(phase="building", attempt=max(writer.attempt for _, writer in self.live))
            trainer = build_trainer(self.spec)
            facts = trainer.describe()
            for _, writer in self.live:
                writer.describe(facts)
            if saved:
                self._resume(trainer, saved)
            self._train(trainer)
        except Exception as error:
            traceback.print_exc()
            infrastructure = faults.is_infrastructure(error)
            self._try_to_end_all("INTERRUPTED" if infrastructure else "FAILED", faults.sentence(error))
            if infrastructure:
                raise
        except BaseException:
            self._try_to_end_all("INTERRUPTED", "stopped")
            raise
        finally:
            for writer in self.writers:
                writer.close()
            if trainer is not None:
                trainer.close()

    def _resume(self, trainer: Trainer, saved: checkpoint.Checkpoint) -> None:
        trainer.load_state_dict(saved.trainer)
        self.thinning.load_state_dict(saved.thinning)
        checkpoint.restore_generators(saved.generators)
        self.env_steps, self.wall_before = saved.env_steps, saved.wall_s
        _say(f"resumed at env step {saved.env_steps}")

    def _train(self, trainer: Trainer) -> None:
        """Drive the trainer to the end of the budget, or to a stop."""
        config = config_from_plain(algorithm_registry.find(self.spec["algorithm"]).config, self.spec["config"])
        self.clock = self.rate_clock = self.saved_clock = time.monotonic()
        self.rate_steps = self.env_steps
        for reported in trainer.iterations(self.budget):
            metrics = {key: np.asarray(values) for key, values in reported.items() if key not in _OURS}
            self.env_steps = trainer.env_steps
            self.thinning.add(metrics)
            self._close_diverged(metrics)
            if self.live and self.thinning.row_due(self.env_steps):
                self._write_rows(trainer, config, metrics)
            if not self.live:
                return
            self.pulse.iteration(phase="training", env_steps=self.env_steps, live=len(self.live))
            stop = self.pack.stop_path.exists()
            if stop or time.monotonic() - self.saved_clock > self.save_seconds:
                self._save(trainer)
            if stop and self.env_steps < self.budget:
                self._end_all("INTERRUPTED", "stopped on request")
                return
        if self.env_steps < self.budget:
            raise ValueError(f"the trainer stopped at env step {self.env_steps} of {self.budget}")
        self._save(trainer)
        self._end_all("DONE")

    def _close_diverged(self, metrics: Metrics) -> None:
        """Fail the seeds whose numbers are not finite any more; the others share nothing with them and go on."""
        finite = metrics.get("health/finite")
        if finite is None:
            losses = [values for key, values in metrics.items() if key.startswith("loss/")]
            finite = np.isfinite(np.sum(losses, axis=0)) if losses else np.ones(len(self.writers))
        for k, writer in self.live:
            if not finite[k]:
                writer.row(self.env_steps, _of_seed(metrics, k))
                writer.end("FAILED", self.env_steps, self.wall_s, f"diverged at env step {self.env_steps}")
                _say(f"seed {writer.seed} diverged at env step {self.env_steps}")

    def _write_rows(self, trainer: Trainer, config: Any, metrics: Metrics) -> None:
        """One row per live seed, with an evaluation when one is due; failed manipulation checks end the cell."""
        evaluate = self.thinning.evaluation_due(self.env_steps)
        row = self.thinning.take(self.env_steps)
        now = time.monotonic()
        rate = (self.env_steps - self.rate_steps) * len(self.writers) / max(now - self.rate_clock, 1e-9)
        self.rate_clock, self.rate_steps = now, self.env_steps
        row["time/env_steps_per_second"] = np.full(len(self.writers), round(rate, 1))
        if evaluate:
            self.pulse.beat(phase="evaluating")
            row |= trainer.evaluate(self.spec["evaluation"]["episodes"])
        self.pulse.beat(env_steps_per_second=rate, **_headline(row, [k for k, _ in self.live]))
        for k, writer in self.live:
            writer.row(self.env_steps, _of_seed(row, k))
            measured = {key: value for key, value in _of_seed(metrics, k).items() if key.startswith("check/")}
            wrong = violations(config, measured)
            if wrong:
                writer.end("FAILED", self.env_steps, self.wall_s, f"manipulation check: {wrong[0]}", tuple(wrong))
                _say(f"seed {writer.seed} failed a manipulation check: {wrong[0]}")

    def _save(self, trainer: Trainer) -> None:
        """Replace the checkpoint, if the environment can be continued at all."""
        started = time.monotonic()
        if self.can_checkpoint:
            try:
                state = trainer.state_dict()
            except CheckpointUnsupportedError as error:
                self.can_checkpoint = False
                _say(f"no checkpoints: {error}; an interrupted pack starts again from step 0")
            else:
                self._write_checkpoint(state)
        # Never spend more than a twentieth of the time on checkpoints, however slow the disk.
        self.save_seconds = max(self.spec["checkpoint_seconds"], 20 * (time.monotonic() - started))
        self.saved_clock = time.monotonic()

    def _write_checkpoint(self, state: Json) -> None:
        checkpoint.Checkpoint(
            trainer=state,
            thinning=self.thinning.state_dict(),
            journals={writer.cell.hash: writer.position() for _, writer in self.live},
            env_steps=self.env_steps,
            wall_s=self.wall_s,
            generators=checkpoint.generators(),
        ).save(self.pack.checkpoint_path)
        for _, writer in self.live:
            writer.saved(self.env_steps, self.wall_s)

    def _end_all(self, state: State, error: str | None = None) -> None:
        for _, writer in self.live:
            writer.end(state, self.env_steps, self.wall_s, error)
        _say(f"{state.lower()} at env step {self.env_steps}" + (f": {error}" if error else ""))

    def _try_to_end_all(self, state: State, error: str) -> None:
        """The disk may be what failed: then a status cannot be written, and the free lock says INTERRUPTED."""
        for _, writer in self.live:
            with contextlib.suppress(StoreError):
                writer.end(state, self.env_steps, self.wall_s, error)


def _of_seed(metrics: Metrics, k: int) -> dict[str, float]:
    return {key: float(values[k]) for key, values in metrics.items()}


def _headline(row: Metrics, live: list[int]) -> dict[str, float]:
    """What a progress display shows: means over the live seeds."""
    keys = {"train_return": "episode/return", "eval_return": "eval/return"}
    return {
        name: float(np.nanmean(row[key][live])) for name, key in keys.items() if np.isfinite(row.get(key, np.nan)).any()
    }


def _say(sentence: str) -> None:
    """A line in the pack's log (stdout is captured)."""
    sys.stdout.write(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] {sentence}\n")
