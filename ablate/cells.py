"""Cells: variant x task x seed, addressed by a hash of everything that decides their numbers.

Two studies that ask for the same cell share it, so the baseline is never trained twice. The hash covers the resolved
configuration, the algorithm's and the task's code, the seed, the budget and the evaluation; it does not cover names
(study, ablation, part), resources or the machine.
"""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from algorithms import registry as algorithm_registry
from envs import registry as env_registry

if TYPE_CHECKING:
    from ablate.study import Study, Task
    from ablate.variants import Variant

HASH_VERSION = 1
"""Raise it when the meaning of an identity changes: every cell of an older version is then a new cell."""

Identity = dict[str, Any]

Stage = Literal["main", "tune", "retuned"]
"""``main`` is the arm as the study file has it, ``tune`` a run on the seeds of the study's ``tune:`` block, ``retuned``
the arm with the value chosen there. Where that value is the arm's own, its retuned cells are its main cells."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The unit of work, of caching and of statistics.

    Attributes:
        hash: 16 hex digits; the name of its directory in the store.
        variant: Name of the variant in this study.
        task: Index of the task in the study's list.
        seed: As the study lists it.
        identity: What the hash was taken of, as plain data; the content of ``cell.yaml``.
        stage: What it is for; no part of the hash.
        value: The tuned field's value as people write it, None in the stage ``main``.
    """

    hash: str
    variant: str
    task: int
    seed: int
    identity: Identity
    stage: Stage = "main"
    value: str | None = None

    @property
    def arm(self) -> str:
        """The variant, and what it was given to try: ``baseline``, ``baseline (tune 0.003)``."""
        return self.variant if self.stage == "main" else f"{self.variant} ({self.stage} {self.value})"


def identity(variant: "Variant", task: "Task", seed: int, study: "Study", *, env_steps: int | None = None) -> Identity:
    """Everything that decides a cell's numbers, as plain nested data; the budget is the study's unless given."""
    from ablate.configs import config_to_plain

    algorithm = algorithm_registry.find(variant.algorithm)
    spec = env_registry.find(task.env)
    return {
        "hash_version": HASH_VERSION,
        "algorithm": {
            "name": variant.algorithm,
            "config": config_to_plain(variant.config),
            "code": code_digest(algorithm.sources),
        },
        "task": {
            "env": task.env,
            "version": spec.version,
            "options": config_to_plain(task.options),
            "num_envs": task.num_envs,
            "code": code_digest(spec.code(task.env, task.options)),
        },
        "seed": seed,
        "budget": {"env_steps": env_steps or study.budget.env_steps},
        "evaluation": {"points": study.evaluation.points, "episodes": study.evaluation.episodes},
    }


def cell_hash(identity: Identity) -> str:
    """Hash an identity: sha256 of its canonical JSON under the hash version, cut to 16 hex digits.

    Raises:
        ValueError: The identity holds NaN or an infinity.
    """
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(f"ablate-cell/v{identity['hash_version']}\n{text}".encode()).hexdigest()[:16]


def cells(study: "Study", variants: "Sequence[Variant]") -> list[Cell]:
    """Every cell of a study's comparison: variants x tasks x seeds, in that order."""
    found = []
    for variant in variants:
        for index, task in enumerate(study.tasks):
            for seed in study.seeds:
                what = identity(variant, task, seed, study)
                found.append(Cell(cell_hash(what), variant.name, index, seed, what))
    return found


def without_code(identity: Identity) -> Identity:
    """The identity as it would be if no line of code had changed since: digests blanked."""
    return {
        **identity,
        "algorithm": {**identity["algorithm"], "code": None},
        "task": {**identity["task"], "code": None},
    }


@cache
def code_digest(sources: tuple[str, ...]) -> str:
    """Hash the ``.py`` files of packages and modules without importing them; 16 hex digits.

    Comments count, because telling them apart from meaning needs more trust than rerunning a cell costs. Line ends do
    not, so that checkouts on different systems agree.

    Args:
        sources: Dotted names, e.g. ``("algorithms.sapg", "envs.vector")``, and paths of ``.py`` files, which count by
            their names alone wherever they lie; overlaps are counted once.

    Raises:
        ValueError: A name that no installed file stands for.
    """
    files = {name: path for source in sources for name, path in _files(source)}
    digest = hashlib.sha256()
    for name in sorted(files):
        content = files[name].read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _files(source: str) -> list[tuple[str, Path]]:
    """``(dotted name, file)`` of every Python file a package or module consists of."""
    if source.endswith(".py"):
        return [(Path(source).name, Path(source))]
    top, *rest = source.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ValueError(f"no installed code called `{source}`")
    roots = [Path(one) for one in spec.submodule_search_locations or ()]
    if not roots and spec.origin is not None and not rest:
        return [(top, Path(spec.origin))]
    for root in roots:
        place = root.joinpath(*rest)
        if place.is_dir():
            inner = sorted(place.rglob("*.py"))
            return [(".".join((source, *one.relative_to(place).with_suffix("").parts)), one) for one in inner]
        module = place.with_name(place.name + ".py")
        if rest and module.is_file():
            return [(source, module)]
    raise ValueError(f"no installed code called `{source}`")
