"""The baseline of ``studies/splagger_mujoco.yaml`` on its first task."""

from pathlib import Path

import pytest

from ablate.study import load
from algorithms.splagger.trainer import SplAggerTrainer
from envs import registry

STUDY = Path(__file__).parents[2] / "studies" / "splagger_mujoco.yaml"


@pytest.mark.slow
def test_splagger_finds_out_which_way_to_run_and_runs():
    study = load(STUDY)
    task = study.tasks[0]

    def make_env(num_envs, seeds):
        return registry.make(task.env, num_envs=num_envs, seeds=seeds, options=task.options)

    trainer = SplAggerTrainer(study.baseline.config, make_env, num_envs=task.num_envs, seeds=(0, 1, 2))
    # One who runs without asking which way is paid for half of the trials and pays for the other half.
    assert (trainer.evaluate(64)["eval/return"] < 20).all()
    list(trainer.iterations(study.budget.env_steps))
    played = trainer.evaluate(64)
    assert (played["eval/return"] > 70).all()
    assert (played["eval/unhealthy"] == 0).all()
