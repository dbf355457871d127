"""Packs of the toy algorithm for tests, and what to compare of a cell."""

import yaml

from ablate.cells import Cell, cell_hash, code_digest
from ablate.packing import Slots, make_packs, write_packs

SHARES = Slots(workers=1, cpus=1, gpus=0.0)


def toy_cells(seeds=(0, 1, 2), *, budget=3200, points=4, variant="baseline", options=None, **config):
    code = code_digest(("toy_plugin",))
    cells = []
    for seed in seeds:
        identity = {
            "hash_version": 1,
            "algorithm": {"name": "toy", "config": config, "code": code},
            "task": {"env": "toy/walk", "version": 1, "options": options or {}, "num_envs": 4, "code": code},
            "seed": seed,
            "budget": {"env_steps": budget},
            "evaluation": {"points": points, "episodes": 3},
        }
        cells.append(Cell(cell_hash(identity), variant, 0, seed, identity))
    return cells


def prepared(store, cells, *, checkpoint_seconds=30.0, **kwargs):
    """The packs of some cells, written to the store."""
    found = make_packs(cells, store, workers=1, **kwargs)
    write_packs(found, store, SHARES, checkpoint_seconds=checkpoint_seconds)
    return found


def numbers(store, cell):
    """A cell's rows without what differs between two equal runs: clocks and the number of the attempt."""
    return [
        {key: value for key, value in row.items() if key not in ("ts", "attempt") and not key.startswith("time/")}
        for row in store.cell(cell.hash).rows()
    ]


def study_text(
    name="toy", *, seeds=2, budget=1600, controls=None, checkpoint_seconds=30, resources=None, tune=None, **config
):
    """A study of the toy: the baseline, one ablation, controls as ``name -> config``, a ``tune:`` block.

    ``seeds`` is their number, or the whole section.
    """
    document = {
        "schema": "ablate/v1",
        "study": name,
        "question": "Does momentum carry the toy?",
        "baseline": {"algorithm": "toy", "config": config},
        "tasks": [{"env": "toy/walk", "num_envs": 4}],
        "budget": {"env_steps": budget},
        "evaluation": {"points": 4, "episodes": 3},
        "seeds": seeds if isinstance(seeds, dict) else {"count": seeds},
        "ablations": {"NoMomentum": {"part": "momentum", "component": "drift", "action": "REMOVE"}},
        "controls": {key: {"algorithm": "toy", "config": one} for key, one in (controls or {}).items()},
        "resources": {"checkpoint_seconds": checkpoint_seconds, **(resources or {})},
        **({"tune": tune} if tune else {}),
    }
    return yaml.safe_dump(document, sort_keys=False)
