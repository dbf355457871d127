"""What the platform knows of an algorithm before it trains; imports no torch."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Algorithm:
    """One registered algorithm.

    Attributes:
        name: Name in study files.
        config: Frozen dataclass of hyper-parameters; its defaults are the paper's.
        trainer: ``module:Class`` of the trainer, imported only by the process that trains; see ``Trainer``.
        presets: Name -> config deltas that a study may start from (``preset: official``).
        sources: Packages or modules whose code decides the numbers; digested into the cell's hash.
        summary: One line for ``ablate list algorithms``.
    """

    name: str
    config: type
    trainer: str
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sources: tuple[str, ...]
    summary: str

    def load_trainer(self) -> type:
        """Import the trainer class (and with it torch)."""
        module, _, name = self.trainer.partition(":")
        found: type = getattr(importlib.import_module(module), name)
        return found
