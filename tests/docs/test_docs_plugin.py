"""The example of docs/plugins.md, as somebody who installed it would use it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ablate.study import load
from algorithms import registry as algorithm_registry
from algorithms.component import violations
from algorithms.testing import check_trainer
from envs import registry as env_registry
from envs.testing import check_vector_env

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "my_lab"

STUDY = EXAMPLE / "studies" / "mirrored.yaml"


@pytest.fixture(autouse=True)
def _one_thread():
    """Tiny tensors are slower on two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def ablate(lab_site, tmp_path):
    """The command line in a process of its own, with an empty store."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(lab_site),
        "ABLATE_HOME": str(tmp_path / "runs"),
        "OMP_NUM_THREADS": "1",
    }

    def called(*args):
        return subprocess.run(
            [sys.executable, "-c", "from ablate.cli import main; main()", *args],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
            env=environment,
        )

    return called


def docking(num_envs, seeds, **options):
    spec = env_registry.find("my_lab/docking")
    return env_registry.make("my_lab/docking", num_envs=num_envs, seeds=seeds, options=spec.options(**options))


def test_the_example_study_validates_plans_and_runs_to_the_end(ablate):
    validated = ablate("validate", str(STUDY))
    assert (validated.returncode, validated.stderr) == (0, "")
    assert "3 variants x 1 task x 5 seeds = 15 cells" in validated.stdout
    planned = ablate("plan", "--no-probe", str(STUDY))
    assert (planned.returncode, planned.stderr) == (0, "")
    assert "sampling: mirrored → independent" in planned.stdout
    ran = ablate("run", "--executor", "local", "--no-mlflow", "--no-report", str(STUDY), "seeds.count=3")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    status = json.loads(ablate("status", "--json", str(STUDY)).stdout)
    assert status["counts"] == {"DONE": 9}
    scores = [cell["score"] for cell in status["cells"]]
    assert all(-13.8 < score < 0 for score in scores)
    assert len(set(scores)) == 9


def test_validate_names_the_line_when_the_population_does_not_fit(ablate, tmp_path):
    (tmp_path / "bad.yaml").write_text(STUDY.read_text().replace("population: 8", "population: 6"))
    done = ablate("validate", "bad.yaml")
    assert done.returncode == 2
    assert "num_envs = 32 cannot be shared out evenly over a population of 6" in done.stderr
    assert "line 8" in done.stderr


def test_registering_imports_no_torch(lab_site):
    program = (
        "import sys; from algorithms.registry import find; from envs import registry;"
        "find('es'); registry.find('my_lab/docking'); print([m for m in ('torch', 'gymnasium') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(lab_site)},
    )
    assert done.stdout == "[]\n"


def test_docking_keeps_the_contract_of_environments(lab):
    metrics = env_registry.find("my_lab/docking").metrics
    check_vector_env(docking, metrics=metrics)
    # Far out at sea boats are lost, so that episodes end by termination too.
    check_vector_env(lambda num_envs, seeds: docking(num_envs, seeds, current=0.8, time_limit=20), metrics=metrics)


def test_a_lost_boat_pays_for_the_rest_of_its_episode(lab):
    env = docking(1, [0], current=10.0, start=1e-6, time_limit=30)
    env.reset()
    rewards, ended = [], False
    while not ended:
        _, reward, terminated, truncated, _ = env.step(torch.zeros(1, 1, 1))
        rewards.append(reward.item())
        ended = bool(terminated | truncated)
    # v += 0.2 * 10 and x += 0.2 * v a step: x = 0.4, 1.2, 2.4 m, beyond the 2 m of sea after the third.
    assert terminated.item()
    assert np.allclose(rewards, [-0.2 * 0.4**2, -0.2 * 1.2**2, -0.2 * (2.4**2 + 27 * 2.0**2)], atol=1e-4)


@pytest.mark.parametrize("sampling", ["mirrored", "independent"])
def test_es_keeps_the_contract_of_trainers(lab, sampling):
    algorithm = algorithm_registry.find("es")
    kinds = {"mirrored": "Mirrored", "independent": "Independent"}
    chosen = getattr(sys.modules["my_lab.es.config"], kinds[sampling])()
    config = algorithm.config(population=4, sampling=chosen)
    trainer = algorithm.load_trainer()

    def make(seeds):
        make_env = lambda num_envs, seeds: docking(num_envs, seeds, time_limit=6)  # noqa: E731
        return trainer(config, make_env, num_envs=8, seeds=seeds)

    check_trainer(make)


def test_es_plays_discrete_actions_too(lab):
    algorithm = algorithm_registry.find("es")
    options = env_registry.find("control/cartpole").options(time_limit=20)

    def make_env(num_envs, seeds):
        return env_registry.make("control/cartpole", num_envs=num_envs, seeds=seeds, options=options)

    trainer = algorithm.load_trainer()(algorithm.config(population=4), make_env, num_envs=8, seeds=[0, 1])
    rows = list(trainer.iterations(3 * 8 * 20))
    assert len(rows) == 3
    assert ((trainer.evaluate(4)["eval/return"] > 0) & (trainer.evaluate(4)["eval/return"] <= 20)).all()
    trainer.close()


def test_es_learns_to_dock(lab):
    algorithm = algorithm_registry.find("es")
    trainer = algorithm.load_trainer()(algorithm.config(population=8), docking, num_envs=32, seeds=[0, 1, 2])
    before = trainer.evaluate(16)["eval/return"]
    list(trainer.iterations(30 * 32 * 40))
    after = trainer.evaluate(16)["eval/return"]
    assert (before < -5).all()
    assert (after > -1.5).all()
    trainer.close()


def test_the_manipulation_check_tells_the_kinds_apart(lab):
    algorithm = algorithm_registry.find("es")
    trainer_type = algorithm.load_trainer()
    config_module = sys.modules["my_lab.es.config"]
    measured = {}
    for kind in (config_module.Mirrored(), config_module.Independent()):
        config = algorithm.config(population=4, sampling=kind)
        trainer = trainer_type(config, docking, num_envs=4, seeds=[0])
        row = next(iter(trainer.iterations(1)))
        measured[kind.kind] = {key: float(value[0]) for key, value in row.items()}
        trainer.close()
        assert violations(config, measured[kind.kind]) == []
    mirrored = algorithm.config(sampling=config_module.Mirrored())
    independent = algorithm.config(sampling=config_module.Independent())
    assert violations(mirrored, measured["independent"])[0].startswith("sampling `mirrored`: the perturbations' mean")
    assert violations(independent, measured["mirrored"]) == [
        "sampling `independent`: the perturbations cancel as if they were mirrored"
    ]


def test_the_example_study_expands_in_process(lab):
    study = load(STUDY)
    assert [one.name for one in study.variants] == ["baseline", "NoMirroring", "Careful"]
    assert study.variants[2].config.sigma == 0.05
