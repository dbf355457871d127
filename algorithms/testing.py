"""A contract suite for trainers: give it a way to build yours and it tries every promise of ``algorithms.trainer``.

    def test_my_trainer_keeps_the_contract():
        check_trainer(lambda seeds: MyTrainer(MyConfig(), make_env, num_envs=6, seeds=seeds))

Use a small network and a task with episodes of a few steps: the suite builds a dozen trainers.
"""

import io
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from algorithms.trainer import Metrics, Trainer

MakeTrainer = Callable[[Sequence[int]], Trainer]
"""``make(seeds)``: a new trainer of K = ``len(seeds)`` seeds, everything else always the same."""

REQUIRED_METRICS = ("env_steps", "episode/return", "health/finite")
REQUIRED_EVALUATION = ("eval/return", "eval/length")
REQUIRED_FIGURES = (
    "parameters",
    "env_steps_per_iteration",
    "rows_per_iteration",
    "minibatches",
    "optimizer_steps_per_iteration",
    "flops_per_env_step",
)
SEEDS = (11, 12, 13)


class ContractError(AssertionError):
    """The trainer breaks the contract of ``algorithms.trainer``; the message says which sentence of it."""


def check_trainer(make: MakeTrainer, *, iterations: int = 2, episodes: int = 2) -> None:
    """Run every check below.

    Args:
        make: Builds the trainer.
        iterations: Updates before and after each interruption.
        episodes: Episodes of an evaluation.

    Raises:
        ContractError: The first broken rule.
    """
    check_description(make)
    check_rows(make, iterations)
    check_evaluation(make, iterations, episodes)
    check_repeatability(make, iterations, episodes)
    check_isolation(make, iterations, episodes)
    check_checkpoint(make, iterations, episodes)


def train(trainer: Trainer, iterations: int) -> list[Metrics]:
    """So many more updates of a trainer; their rows."""
    per_iteration = int(trainer.describe()["env_steps_per_iteration"])
    return list(trainer.iterations(trainer.env_steps + iterations * per_iteration))


def check_description(make: MakeTrainer) -> None:
    """``describe`` holds finite positive numbers of one seed, whatever K, and does not change with training."""
    trainer, single = make(SEEDS), make(SEEDS[:1])
    figures = trainer.describe()
    for name in REQUIRED_FIGURES:
        if name not in figures:
            raise ContractError(f"describe lacks `{name}`")
        if not (math.isfinite(figures[name]) and figures[name] > 0):
            raise ContractError(f"describe: {name} is {figures[name]}")
    if figures != single.describe():
        raise ContractError("describe must give figures of one seed, however many are trained together")
    train(trainer, 1)
    if figures != trainer.describe():
        raise ContractError("describe changed with training")
    for one in (trainer, single):
        one.close()
        one.close()


def check_rows(make: MakeTrainer, iterations: int) -> None:
    """One row per update: float64 arrays ``[K]``, the same keys, the steps taken; no update past the budget."""
    trainer = make(SEEDS)
    if trainer.seeds != SEEDS:
        raise ContractError(f"trainer.seeds is {trainer.seeds}, it was built for {SEEDS}")
    if trainer.env_steps != 0:
        raise ContractError(f"a new trainer has seen {trainer.env_steps} steps")
    per_iteration = int(trainer.describe()["env_steps_per_iteration"])
    rows = list(trainer.iterations(per_iteration * iterations - per_iteration + 1))
    if len(rows) != iterations or list(trainer.iterations(trainer.env_steps)):
        raise ContractError("iterations must update until env_steps reaches the budget and then stop")
    for index, row in enumerate(rows):
        _check_row(row, REQUIRED_METRICS, f"row {index}")
        if row.keys() != rows[0].keys():
            raise ContractError(f"the keys of a row changed: {sorted(row.keys() ^ rows[0].keys())}")
        if (row["env_steps"] != (index + 1) * per_iteration).any():
            raise ContractError(f"row {index} says env_steps = {row['env_steps']}, expected {per_iteration} a row")
        if (row["health/finite"] != 1).any():
            raise ContractError("health/finite must be 1 while parameters are finite")
    if trainer.env_steps != iterations * per_iteration:
        raise ContractError("trainer.env_steps is not what its rows said")
    for prefix in ("loss/", "policy/"):
        if not any(key.startswith(prefix) for key in rows[0]):
            raise ContractError(f"a row holds no `{prefix}...`")
    trainer.close()


def check_evaluation(make: MakeTrainer, iterations: int, episodes: int) -> None:
    """``evaluate`` reports whole episodes, the same ones when asked again, and leaves training where it was."""
    trainer, undisturbed = make(SEEDS), make(SEEDS)
    rows = train(trainer, iterations)
    played = trainer.evaluate(episodes)
    _check_row(played, REQUIRED_EVALUATION, "evaluate")
    for name in REQUIRED_EVALUATION:
        if not np.isfinite(played[name]).all():
            raise ContractError(f"{name} is not finite: evaluation must play whole episodes")
    if not _same([played], [trainer.evaluate(episodes)]):
        raise ContractError("two evaluations without training in between differ")
    if not _same(rows + train(trainer, iterations), train(undisturbed, 2 * iterations)):
        raise ContractError("evaluate advanced the training environment or a training stream")
    trainer.close()
    undisturbed.close()


def check_repeatability(make: MakeTrainer, iterations: int, episodes: int) -> None:
    """The same seeds give the same bytes, twice in one process."""
    if not _same(_run(make, SEEDS, iterations, episodes), _run(make, SEEDS, iterations, episodes)):
        raise ContractError("the same seeds gave other numbers")


def check_isolation(make: MakeTrainer, iterations: int, episodes: int) -> None:
    """Changing one seed leaves every other seed of the pack bit-identical, and changes the one."""
    rows = _run(make, SEEDS, iterations, episodes)
    for changed in range(len(SEEDS)):
        seeds = [seed + 100 * (place == changed) for place, seed in enumerate(SEEDS)]
        other = _run(make, seeds, iterations, episodes)
        for place in range(len(SEEDS)):
            same = _same(_of(rows, place), _of(other, place))
            if place != changed and not same:
                raise ContractError(f"changing seed {changed} of the pack changed seed {place}")
            if place == changed and same:
                raise ContractError(f"another seed gave the same numbers: seed {place} is not used")


def check_checkpoint(make: MakeTrainer, iterations: int, episodes: int) -> None:
    """``state_dict`` through a file of tensors and plain containers continues bit for bit in a new trainer."""
    trainer = make(SEEDS)
    train(trainer, iterations)
    file = io.BytesIO()
    torch.save(trainer.state_dict(), file)
    expected = [*train(trainer, iterations), trainer.evaluate(episodes)]
    trainer.close()
    file.seek(0)
    continued = make(SEEDS)
    train(continued, 1)  # whatever it did before must not matter
    continued.load_state_dict(torch.load(file, weights_only=True))
    played = continued.evaluate(episodes)
    if not _same(expected, [*train(continued, iterations), continued.evaluate(episodes)]):
        raise ContractError("after load_state_dict the run continued differently")
    _check_row(played, REQUIRED_EVALUATION, "evaluate after load_state_dict")
    continued.close()


def _run(make: MakeTrainer, seeds: Sequence[int], iterations: int, episodes: int) -> list[Metrics]:
    trainer = make(seeds)
    rows = [*train(trainer, iterations), trainer.evaluate(episodes)]
    trainer.close()
    return rows


def _check_row(row: Metrics, required: Sequence[str], name: str) -> None:
    for key in required:
        if key not in row:
            raise ContractError(f"{name} lacks `{key}`")
    for key, value in row.items():
        if not isinstance(value, np.ndarray) or value.shape != (len(SEEDS),) or value.dtype != np.float64:
            raise ContractError(f"{name}: `{key}` is not a float64 array [{len(SEEDS)}] but {value!r}")


def _of(rows: Sequence[Metrics], place: int) -> list[Metrics]:
    return [{key: value[place : place + 1] for key, value in row.items()} for row in rows]


def _same(left: Sequence[Metrics], right: Sequence[Metrics]) -> bool:
    """Bit for bit, NaN included."""
    return len(left) == len(right) and all(
        a.keys() == b.keys() and all(a[key].tobytes() == b[key].tobytes() for key in a)
        for a, b in zip(left, right, strict=True)
    )
