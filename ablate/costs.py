"""What a plan will cost: the packs a run would make, what each was measured to take, and when the last one ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ablate import machine
from ablate import probe as probing
from ablate.cells import Cell
from ablate.packing import MAX_SEEDS, Capacity, Pack, Slots, make_packs, slots
from ablate.probe import Probe
from ablate.store import Store
from ablate.study import Study
from ablate.variants import BASELINE


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long the missing cells take.

    Attributes:
        seconds: Until the last pack is done.
        pack_seconds: Sum over the packs.
        packs: How many there are.
        workers: How many train at the same time.
    """

    seconds: float
    pack_seconds: float
    packs: int
    workers: int


Pair = tuple[str, int]
"""Variant and index of the task: the cells that may share a pack."""


def packs_of(missing: Sequence[Cell], study: Study, store: Store) -> tuple[list[Pack], Slots]:
    """The packs a run on this machine would make of the missing cells."""
    asked = study.resources
    shares = slots(
        Capacity(cpus=machine.cores(), gpus=machine.gpus()),
        packs=max(1, len(missing)),
        gpus_per_pack=asked.gpus_per_pack,
        max_concurrent=asked.max_concurrent,
    )
    return make_packs(missing, store, workers=shares.workers, seeds_per_pack=asked.seeds_per_pack), shares


def probes_of(
    cells: Sequence[Cell],
    packs: Sequence[Pack],
    study: Study,
    store: Store,
    shares: Slots,
    progress: Callable[[str], None] | None,
    *,
    measure: bool,
) -> tuple[dict[Pair, Probe], list[str]]:
    """Remembered probes of every variant x task, and new ones of those with missing cells and of their baseline.

    Args:
        cells: All cells of the study.
        packs: Of the missing ones.
        study: The study.
        store: Where probes are kept.
        shares: Threads and device of a pack.
        progress: Told what is being probed.
        measure: False measures nothing.
    """
    first: dict[Pair, Cell] = {}
    for one in cells:
        first.setdefault((one.variant, one.task), one)
    sizes: dict[Pair, int] = {}
    for pack in packs:
        pair = (pack.cells[0].variant, pack.cells[0].task)
        sizes[pair] = max(sizes.get(pair, 0), len(pack.cells))
    usual = max(sizes.values(), default=min(len(study.seeds), MAX_SEEDS))
    wanted = sizes.keys() | {(BASELINE, task) for _, task in sizes}
    found: dict[Pair, Probe] = {}
    todo: dict[Pair, str] = {}
    for pair, cell in first.items():
        key = probing.key_of(cell.identity, sizes.get(pair, usual), shares.device)
        kept = probing.remembered(store, key)
        if kept is not None:
            found[pair] = kept
        elif pair in wanted:
            todo[pair] = key
    warnings: list[str] = []
    for number, (pair, key) in enumerate(todo.items() if measure else (), 1):
        name, task = pair
        what = f"probing {name} on {study.tasks[task].label}"
        if progress is not None:
            progress(f"{what} ({number} of {len(todo)})")
        seeds = study.seeds[: sizes.get(pair, usual)]
        try:
            found[pair] = probing.measure(
                study.variant(name),
                study.tasks[task],
                seeds,
                study.evaluation.episodes,
                threads=shares.cpus,
                device=shares.device,
            )
        except Exception as error:  # whatever a third party's trainer raises: the plan goes on without it
            warnings.append(f"{what} failed: {type(error).__name__}: {error}")
            continue
        probing.remember(store, key, found[pair])
    return found, warnings


def estimate_of(packs: Sequence[Pack], workers: int, probes: dict[Pair, Probe], study: Study) -> Estimate | None:
    """Longest packs first onto the workers; None when a missing pack was never probed."""
    times = []
    for pack in packs:
        probe = probes.get((pack.cells[0].variant, pack.cells[0].task))
        if probe is None:
            return None
        budget = pack.cells[0].identity["budget"]["env_steps"]
        times.append(probe.pack_s(budget, study.evaluation.points, len(pack.cells)))
    busy = [0.0] * workers
    for seconds in sorted(times, reverse=True):
        busy[busy.index(min(busy))] += seconds
    return Estimate(max(busy), sum(times), len(times), workers)
