"""Ten updates of PPO and SAPG, and five of SplAgger, against figures recorded once, all digits.

A refactoring must leave them alone. They are compared to 1e-4 relative and 1e-5 absolute: another processor or BLAS
rounds a matrix product differently, by about 1e-7, and ten updates amplify that (measured: AVX-512 against plain SSE
kernels moves the figures by at most 2 % of the tolerance, a relative error of 1e-6 in the initial weights by 30 %),
while a change of a formula moves them by far more. Counts of clipped rows are left out: one row at the edge is a jump.

After a change that is meant to move them: ``python tests/algorithms/test_golden_losses.py``, in a commit of its own.
"""

from pathlib import Path

import numpy as np
import pydantic
import pytest
import torch
from tiny import LSTM, parameters, ppo, sapg
from tiny_memory import preset, splagger

from algorithms.ppo.config import Mlp
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.presets import PRESETS
from envs import registry
from envs.control import PendulumOptions

GOLDEN = Path(__file__).parent.parent / "golden"
COLUMNS = (
    "loss/policy",
    "loss/value",
    "loss/bounds",
    "policy/entropy",
    "policy/approx_kl",
    "policy/grad_norm",
    "policy/learning_rate",
    "episode/return",
)
MEMORY_COLUMNS = (
    "loss/policy",
    "loss/value",
    "loss/latent",
    "policy/entropy",
    "policy/approx_kl",
    "policy/grad_norm",
    "policy/memory_grad_norm",
    "episode/return",
)


def pendulum(num_envs, seeds):
    # Episodes of 20 steps end by time within the ten updates.
    return registry.make("control/pendulum", num_envs=num_envs, seeds=seeds, options=PendulumOptions(time_limit=20))


def official() -> dict:
    config = pydantic.TypeAdapter(SAPGConfig).validate_python(dict(PRESETS["official"]))
    return {name: getattr(config, name) for name in PRESETS["official"]}


COMMON = {"env": pendulum, "num_envs": 12, "num_steps": 8, "network": Mlp(hidden=(32, 32))}
# Trials of 8 steps, rollouts of 20: memories are carried, and emptied in mid-rollout.
MEMORY = {"num_envs": 6, "num_steps": 20, "learning_rate": 0.01}
RUNS = {
    "ppo": (ppo, COMMON),
    "ppo_lstm": (ppo, COMMON | {"network": LSTM}),
    "sapg": (sapg, COMMON),
    "sapg_official": (sapg, COMMON | official()),
    "splagger": (splagger, MEMORY),
    "splagger_official": (splagger, MEMORY | preset("official")),
    "splagger_pearl": (splagger, MEMORY | preset("pearl")),
}


def shape(name: str) -> tuple[int, tuple[str, ...]]:
    """Updates, and the columns of each."""
    return (5, MEMORY_COLUMNS) if RUNS[name][0] is splagger else (10, COLUMNS)


def norm(trainer) -> float:
    """Of all parameters."""
    if hasattr(trainer.updater, "memory"):
        both = torch.cat([trainer.updater.memory.parameters, trainer.updater.policy.parameters], dim=1)
        return both.double().norm().item()
    return parameters(trainer).double().norm().item()


def run(name: str, **changes) -> np.ndarray:
    """``[updates, columns + 1]``: the figures of every update and the norm of all parameters after it."""
    build, config = RUNS[name]
    updates, columns = shape(name)
    trainer = build(**config, **changes)
    rows = trainer.iterations(updates * config["num_envs"] * config["num_steps"])
    return np.array([[*(row[column][0] for column in columns), norm(trainer)] for row in rows])


def record() -> None:
    """Write the files anew."""
    torch.set_num_threads(1)
    GOLDEN.mkdir(exist_ok=True)
    for name in RUNS:
        lines = ["\t".join((*shape(name)[1], "parameters"))]
        lines += ["\t".join(repr(float(value)) for value in row) for row in run(name)]
        (GOLDEN / f"{name}.txt").write_text("\n".join(lines) + "\n")


def recorded(name: str) -> np.ndarray:
    header, *lines = (GOLDEN / f"{name}.txt").read_text().splitlines()
    assert header.split("\t") == [*shape(name)[1], "parameters"]
    return np.array([[float(value) for value in line.split("\t")] for line in lines])


def agree(name: str, table: np.ndarray) -> bool:
    return np.allclose(table, recorded(name), rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("name", RUNS)
def test_updates_are_as_recorded(name):
    table = run(name)
    updates, columns = shape(name)
    assert table.shape == (updates, len(columns) + 1)
    assert np.isfinite(table[-1, :-2]).all()
    np.testing.assert_allclose(table, recorded(name), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "change", [{"gamma": 0.985}, {"gae_lambda": 0.94}, {"clip_coef": 0.19}, {"vf_coef": 3.95}, {"seeds": (1,)}]
)
def test_a_small_change_is_noticed(change):
    assert agree("ppo", run("ppo"))
    assert not agree("ppo", run("ppo", **change))


@pytest.mark.parametrize(
    "change", [{"gamma": 0.94}, {"clip_coef": 0.049}, {"vf_coef": 0.49}, {"latent_dim": 4}, {"adam_eps": 2e-5}]
)
def test_a_small_change_of_splagger_is_noticed(change):
    assert agree("splagger", run("splagger"))
    assert not agree("splagger", run("splagger", **change))


if __name__ == "__main__":
    record()
