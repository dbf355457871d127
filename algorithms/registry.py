"""Names of algorithms: what a study file may write under ``algorithm:``.

Importing this module imports no torch. Third parties add theirs through the entry-point group ``ablate.algorithms``
(an entry whose object is an ``Algorithm``).
"""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from envs.entry_points import registered


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


class UnknownAlgorithmError(ValueError):
    """No algorithm of that name; the message names the nearest one."""


@cache
def algorithms() -> dict[str, Algorithm]:
    """All algorithms by name: our own, then those that installed packages register."""
    from algorithms.ppo import ALGORITHMS as PPO
    from algorithms.sapg import ALGORITHMS as SAPG
    from algorithms.splagger import ALGORITHMS as SPLAGGER

    own = {one.name: one for one in (*PPO, *SAPG, *SPLAGGER)}
    return own | dict(registered("ablate.algorithms", Algorithm, "name", own))


def find(name: str) -> Algorithm:
    """Look an algorithm up.

    Raises:
        UnknownAlgorithmError: No such name; the message holds the nearest one.
    """
    known = algorithms()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    raise UnknownAlgorithmError(f"no algorithm `{name}`.{hint} Known: {', '.join(sorted(known))}.")
