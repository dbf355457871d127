"""Everything one moment of a pack consists of, in one file, replaced atomically.

The journals are cut back to the lengths stored here, so a resumed pack writes every row once, and the global random
states are stored too, so that even a third-party trainer that draws from them continues bit for bit.
"""

import logging
import pickle
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablate.durable import replacing
from envs.streams import stream_seed

logger = logging.getLogger(__name__)

VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """One moment of a pack.

    Attributes:
        trainer: ``Trainer.state_dict()``.
        thinning: ``Thinning.state_dict()``.
        journals: Cell hash -> bytes of its metrics journal.
        env_steps: Transitions seen by each seed.
        wall_s: Seconds of training so far, over all attempts.
        generators: States of the global random generators.
    """

    trainer: dict[str, Any]
    thinning: dict[str, Any]
    journals: dict[str, int]
    env_steps: int
    wall_s: float
    generators: dict[str, Any]

    def save(self, path: Path) -> None:
        """Replace the file atomically.

        Raises:
            StoreError: The disk is full or the like; the old checkpoint is then still there.
        """
        with replacing(path) as file:
            try:
                torch.save({"version": VERSION, **{name: getattr(self, name) for name in self.__slots__}}, file)
            except RuntimeError as error:
                # torch's zip writer hides the OSError of a full disk behind its own.
                cause = error.__context__
                raise cause if isinstance(cause, OSError) else error from None


def load(path: Path, device: str) -> Checkpoint | None:
    """Read a checkpoint; None when there is none, or when it cannot be read (said as a warning).

    Checkpoints hold whatever a trainer's ``state_dict`` holds, so they are pickles: open only stores you trust.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location=device, weights_only=False)
        if content.pop("version") != VERSION:
            raise ValueError("written by another version of ablate")
        return Checkpoint(**content)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        logger.warning("%s cannot be read (%s); the pack starts again from step 0", path, error)
        return None


def generators() -> dict[str, Any]:
    """States of the global random generators of Python, numpy and torch."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],  # type: ignore[no-untyped-call]
    }


def restore_generators(states: dict[str, Any]) -> None:
    """Continue the global random generators."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]][: torch.cuda.device_count()])


def clean_process(seed: int, threads: int) -> None:
    """Undo what earlier packs of this process may have left behind, so that a cell's bytes do not depend on them.

    Args:
        seed: Of the pack; the global generators are derived from it. Our own trainers draw from named streams only.
        threads: Of torch's operators; part of the pack, because a sum's rounding depends on how it is split.
    """
    random.seed(stream_seed(seed, "global", "python"))
    np.random.seed(stream_seed(seed, "global", "numpy") % 2**32)
    torch.manual_seed(stream_seed(seed, "global", "torch"))
    torch.set_num_threads(threads)
    torch.set_grad_enabled(True)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_float32_matmul_precision("highest")
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = False
