"""Missing cells become packs: which seeds one process trains together, in which order, on how much of the machine."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ablate.cells import Cell
from ablate.errors import InfrastructureError
from ablate.store import FINISHED, Json, Store

MAX_SEEDS = 16
"""Seeds per pack unless the study says otherwise: beyond it, fusing gains nothing more on any machine measured."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the machine or cluster offers."""

    cpus: int
    gpus: float


@dataclass(frozen=True, slots=True)
class Slots:
    """How the capacity is shared out.

    Attributes:
        workers: Packs that run at once.
        cpus: Per pack; also the threads of its tensor operators.
        gpus: Per pack; a fraction lets packs share a GPU.
    """

    workers: int
    cpus: int
    gpus: float

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where trainers live."""
        return "cuda" if self.gpus else "cpu"


@dataclass(frozen=True, slots=True)
class Pack:
    """What one process trains: cells that differ in their seed only.

    Attributes:
        id: Hash of its cells' hashes in order.
        cells: In the order of the axis K.
        missing: How many of them are unfinished.
        cost: Relative length, for longest-first order.
        resumed: A checkpoint exists.
    """

    id: str
    cells: tuple[Cell, ...]
    missing: int
    cost: float
    resumed: bool

    @property
    def name(self) -> str:
        """For people: arm and seeds."""
        seeds = [cell.seed for cell in self.cells]
        return f"{self.cells[0].arm}/s{seeds[0]}" + (f"-{seeds[-1]}" if len(seeds) > 1 else "")


def slots(
    capacity: Capacity,
    *,
    packs: int,
    gpus_per_pack: float | Literal["auto"],
    max_concurrent: int | Literal["auto"],
) -> Slots:
    """Share the capacity out.

    Args:
        capacity: What there is.
        packs: How many packs want to run; fewer packs get more threads each.
        gpus_per_pack: ``auto`` is one GPU per pack where there are GPUs; 0 forces the CPU.
        max_concurrent: ``auto`` is as many as fit.

    Raises:
        InfrastructureError: Not even one pack fits; a scheduler would wait for ever.
    """
    gpus = gpus_per_pack if gpus_per_pack != "auto" else (1.0 if capacity.gpus >= 1 else 0.0)
    fit = math.floor(capacity.gpus / gpus + 1e-9) if gpus else capacity.cpus
    if fit < 1:
        raise InfrastructureError(
            f"resources.gpus_per_pack is {gpus:g}, but there are {capacity.gpus:g} GPUs. Set it to `auto` or 0."
        )
    wanted = fit if max_concurrent == "auto" else min(fit, max_concurrent)
    workers = max(1, min(wanted, packs))
    return Slots(workers=workers, cpus=max(1, capacity.cpus // workers), gpus=gpus)


def pack_id(hashes: Sequence[str]) -> str:
    """The pack's address: the same cells in the same order are the same pack."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:16]


def make_packs(
    missing: Sequence[Cell],
    store: Store,
    *,
    workers: int,
    seeds_per_pack: int | Literal["auto"] = "auto",
    cost: Callable[[Cell], float] | None = None,
) -> list[Pack]:
    """Group missing cells into packs, longest first.

    An interrupted pack with a checkpoint comes back with the same cells in the same order, because only then its
    checkpoint fits; what is left is chunked anew.

    Args:
        missing: Cells to train; a hash that occurs twice is trained once.
        store: Where interrupted packs lie.
        workers: How many packs can run at once: fewer groups than workers are split so that none is idle.
        seeds_per_pack: Upper limit; ``auto`` is all seeds of a variant up to 16.
        cost: Expected length of a cell; None takes its environment steps.
    """
    todo: dict[str, Cell] = {}
    for cell in missing:
        todo.setdefault(cell.hash, cell)
    weigh = cost or (lambda cell: float(cell.identity["budget"]["env_steps"]))
    packs = [_pack(cells, todo, weigh, resumed=True) for cells in _interrupted(todo, store)]
    resumed = {cell.hash for pack in packs for cell in pack.cells}
    groups: dict[tuple[str, int], list[Cell]] = defaultdict(list)
    for cell in todo.values():
        if cell.hash not in resumed:
            groups[cell.arm, cell.task].append(cell)
    per_group = max(1, math.ceil((workers - len(packs)) / max(1, len(groups))))
    for cells in groups.values():
        limit = MAX_SEEDS if seeds_per_pack == "auto" else seeds_per_pack
        if seeds_per_pack == "auto":
            limit = min(limit, math.ceil(len(cells) / per_group))
        packs += [_pack(chunk, todo, weigh, resumed=False) for chunk in _even_chunks(cells, limit)]
    return sorted(packs, key=lambda pack: -pack.cost)


def write_packs(packs: Iterable[Pack], store: Store, shares: Slots, *, checkpoint_seconds: float) -> None:
    """Put packs and their cells into the store, ready to be trained.

    A resumed pack keeps its device and threads: another split of the sums would round differently.
    """
    for pack in packs:
        place = store.pack(pack.id)
        before = (place.spec() if pack.resumed else None) or {}
        for cell in pack.cells:
            store.cell(cell.hash).write_identity(cell.identity)
        place.write_spec(
            _spec(pack, before.get("device", shares.device), before.get("threads", shares.cpus), checkpoint_seconds)
        )
        place.stop_path.unlink(missing_ok=True)
        if not pack.resumed:
            # Left by an earlier life of the same cells, whose journals are gone.
            place.checkpoint_path.unlink(missing_ok=True)


def _spec(pack: Pack, device: str, threads: int, checkpoint_seconds: float) -> Json:
    first = pack.cells[0].identity
    return {
        "id": pack.id,
        "variant": pack.cells[0].variant,
        "algorithm": first["algorithm"]["name"],
        "config": first["algorithm"]["config"],
        "task": first["task"],
        "seeds": [cell.seed for cell in pack.cells],
        "cells": [cell.hash for cell in pack.cells],
        "budget": first["budget"],
        "evaluation": first["evaluation"],
        "device": device,
        "threads": threads,
        "checkpoint_seconds": checkpoint_seconds,
    }


def _pack(cells: Sequence[Cell], todo: dict[str, Cell], cost: Callable[[Cell], float], *, resumed: bool) -> Pack:
    unfinished = sum(cell.hash in todo for cell in cells)
    return Pack(
        id=pack_id([cell.hash for cell in cells]),
        cells=tuple(cells),
        missing=unfinished,
        cost=sum(map(cost, cells)),
        resumed=resumed,
    )


def _interrupted(todo: dict[str, Cell], store: Store) -> list[list[Cell]]:
    """Packs with a checkpoint whose unfinished cells are all wanted; each cell in at most one of them."""
    last_pack = {one: (store.cell(one).status() or {}).get("pack") for one in todo}
    found: list[list[Cell]] = []
    taken: set[str] = set()
    for candidate in sorted({one for one in last_pack.values() if one}):
        place = store.pack(candidate)
        spec = place.spec() if place.checkpoint_path.exists() else None
        hashes: list[str] = (spec or {}).get("cells", [])
        wanted = [one for one in hashes if last_pack.get(one) == candidate]
        others = [one for one in hashes if one not in wanted]
        if not wanted or taken & set(hashes) or not all(store.cell(one).state() in FINISHED for one in others):
            continue
        like = todo[wanted[0]]
        seeds = dict(zip(hashes, (spec or {})["seeds"], strict=True))
        found.append([todo.get(one) or _finished_cell(one, like, seeds[one]) for one in hashes])
        taken |= set(wanted)
    return found


def _finished_cell(cell_hash: str, like: Cell, seed: int) -> Cell:
    """A cell of an interrupted pack that has ended: it is trained along, so that the others' bits stay, not written."""
    return replace(like, hash=cell_hash, seed=seed, identity={**like.identity, "seed": seed})


def _even_chunks(cells: list[Cell], limit: int) -> list[list[Cell]]:
    """Chunks of at most ``limit`` cells whose sizes differ by one at most."""
    count = math.ceil(len(cells) / limit)
    base, extra = divmod(len(cells), count)
    sizes = [base + (index < extra) for index in range(count)]
    starts = [sum(sizes[:index]) for index in range(count)]
    return [cells[start : start + size] for start, size in zip(starts, sizes, strict=True)]
