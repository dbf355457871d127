"""Films of a task: a contact sheet (PNG) and a short moving picture (GIF), of random actions or of a checkpoint."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablate import checkpoint
from ablate.building import build_trainer
from ablate.durable import make_dir, replacing
from ablate.errors import StoreError, UsageError
from ablate.store import CellDir, Store
from algorithms.ppo.fused_trainer import FusedTrainer
from envs import registry as env_registry
from envs.pictured import Pictured, pictured
from envs.sim.camera import NoRendererError
from envs.sim.require import MissingPackageError, require
from envs.testing import random_actions
from envs.vector import VectorEnv

FRAMES_PER_SECOND = 20.0
"""Of the film; players show GIFs no faster than about 50."""
SHEET_COLUMNS, SHEET_ROWS = 4, 3


@dataclass(kw_only=True, slots=True)
class Film:
    """Frames of one copy, in simulated time.

    Attributes:
        width: Pixels.
        height: Pixels.
        seconds: Simulated time after which nothing more is recorded.
        frames: uint8 ``[height, width, 3]`` each.
        frame_seconds: Simulated time between two frames.
    """

    width: int
    height: int
    seconds: float
    frames: list[np.ndarray] = field(default_factory=list)
    frame_seconds: float = 0.0

    def write(self, directory: Path, name: str) -> tuple[Path, Path]:
        """Write ``<name>.png`` and ``<name>.gif``.

        Returns:
            The contact sheet and the moving picture.
        """
        iio = require("imageio.v3", extra="mujoco", purpose="writing pictures")
        make_dir(directory)
        sheet, moving = directory / f"{name}.png", directory / f"{name}.gif"
        with replacing(sheet) as file:
            iio.imwrite(file, self.sheet(), extension=".png")
        with replacing(moving) as file:
            duration = round(1000 * self.frame_seconds)
            iio.imwrite(file, np.stack(self.frames), extension=".gif", duration=duration, loop=0)
        return sheet, moving

    def sheet(self) -> np.ndarray:
        """Evenly spaced frames, left to right, then down."""
        wanted = SHEET_COLUMNS * SHEET_ROWS
        chosen = np.linspace(0, len(self.frames) - 1, wanted).round().astype(int)
        tiles = np.stack([self.frames[index] for index in chosen])
        tiles = tiles.reshape(SHEET_ROWS, SHEET_COLUMNS, self.height, self.width, 3)
        return tiles.swapaxes(1, 2).reshape(SHEET_ROWS * self.height, SHEET_COLUMNS * self.width, 3)


class Filmed:
    """A ``VectorEnv`` that is filmed while somebody steps it; everything else is the environment's own."""

    def __init__(self, env: VectorEnv, film: Film, *, seed: int, copy: int) -> None:
        self._env, self._film, self._seed, self._copy = env, film, seed, copy
        self._subject = _subject(env)
        step = self._subject.step_seconds
        self._every = max(1, math.ceil(1 / (step * FRAMES_PER_SECOND) - 1e-6))
        film.frame_seconds = self._every * step
        self._steps = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    def reset(self, *args: Any, **kwargs: Any) -> Any:
        """As the environment's."""
        returned = self._env.reset(*args, **kwargs)
        self._shoot()
        return returned

    def step(self, actions: torch.Tensor) -> Any:
        """As the environment's."""
        returned = self._env.step(actions)
        self._steps += 1
        self._shoot()
        return returned

    def _shoot(self) -> None:
        film = self._film
        if self._steps % self._every == 0 and len(film.frames) * film.frame_seconds < film.seconds:
            picture = self._subject.picture(seed=self._seed, copy=self._copy, width=film.width, height=film.height)
            film.frames.append(picture)


def best_cells(manifest: Mapping[str, Any], store: Store) -> list[CellDir]:
    """The finished cell that ended best, of every task, whatever its variant."""
    primary = manifest["primary"]
    sign = 1 if primary["goal"] == "max" else -1
    best: dict[int, tuple[float, CellDir]] = {}
    for entry in manifest["cells"]:
        cell = store.cell(entry["hash"])
        if cell.state() != "DONE":
            continue
        ends = [row[primary["name"]] for row in cell.rows() if row.get(primary["name"]) is not None]
        if ends and (entry["task"] not in best or sign * ends[-1] > best[entry["task"]][0]):
            best[entry["task"]] = (sign * ends[-1], cell)
    return [best[task][1] for task in sorted(best)]


def film_random(env_id: str, options: Any, film: Film, *, seed: int) -> None:
    """Film one copy of a task under random actions, over as many episodes as the film has time for.

    Raises:
        UsageError: The task draws no pictures, or this machine cannot.
    """
    with _explained():
        env = env_registry.make(env_id, num_envs=1, seeds=[seed], options=options)
        try:
            filmed = Filmed(env, film, seed=0, copy=0)
            filmed.reset()
            steps = math.ceil(film.seconds / _subject(env).step_seconds)
            for actions in random_actions(env, steps):
                filmed.step(actions)
        finally:
            env.close()


def film_checkpoint(cell: CellDir, store: Store, film: Film) -> Mapping[str, float]:
    """Film what a cell's checkpoint does in one evaluation episode of the policy it reports.

    Returns:
        What the evaluation measured.

    Raises:
        StoreError: The cell has no checkpoint that can be read.
        UsageError: The task draws no pictures, or this machine cannot.
    """
    pack = store.pack((cell.status() or {}).get("pack", ""))
    spec = pack.spec() if cell.status() else None
    if spec is None or cell.hash not in spec["cells"]:
        raise StoreError(f"cell {cell.hash} has no pack that says how to build its trainer; run it first.")
    device = spec["device"] if torch.cuda.is_available() else "cpu"
    saved = checkpoint.load(pack.checkpoint_path, device)
    if saved is None:
        raise StoreError(f"cell {cell.hash} has no checkpoint that can be read in {pack.path}; run it again.")
    seed = spec["seeds"].index((cell.identity() or {})["seed"])
    training: list[VectorEnv] = []

    def watch(env: VectorEnv) -> VectorEnv:
        if not training:
            training.append(env)  # a trainer builds the environment it trains in first
            return env
        # Trainers of third parties need not say; most evaluate one policy.
        copy = trainer.reported_copy(env.num_envs) if isinstance(trainer, FusedTrainer) else 0
        return Filmed(env, film, seed=seed, copy=copy)

    with _explained():
        trainer = build_trainer({**spec, "device": device}, watch)
        try:
            _subject(training[0])
            trainer.load_state_dict(saved.trainer)
            return {name: float(values[seed]) for name, values in trainer.evaluate(1).items()}
        finally:
            trainer.close()


def _subject(env: VectorEnv) -> Pictured:
    found = pictured(env)
    if found is None:
        raise UsageError(f"{type(env).__name__} draws no pictures; simulated tasks (hand, arm_hand, locomotion) do.")
    return found


@contextmanager
def _explained() -> Iterator[None]:
    """What is missing on this machine, as one sentence."""
    try:
        yield
    except (NoRendererError, MissingPackageError) as error:
        raise UsageError(f"{error}.") from error
