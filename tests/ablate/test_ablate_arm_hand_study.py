"""The study of SAPG on the arm-hand tasks: the published sizes in its larger profiles."""

from pathlib import Path

import pytest

from ablate.study import load
from algorithms.ppo.config import Lstm
from envs import registry

FILE = Path(__file__).parents[2] / "studies" / "sapg_arm_hand.yaml"
OURS = ["arm_hand/regrasp", "arm_hand/throw", "arm_hand/reorient", "arm_hand/two_arms_reorient"]
KUKA = ["Regrasping", "Throw", "Reorientation", "TwoArmsReorientation"]


def test_it_compares_the_ablations_of_the_sapg_study_on_the_four_tasks() -> None:
    study, other = load(FILE), load(FILE.with_name("sapg_ablations.yaml"))
    assert [task.env for task in study.tasks] == OURS
    assert {one.name for one in study.variants} == {one.name for one in other.variants}
    assert study.metrics.primary.name == "eval/successes"


@pytest.mark.parametrize(
    ("profile", "tasks", "clip_center"),
    [("gpu", OURS, "one"), ("paper", [f"isaacgym:AllegroKuka{name}" for name in KUKA], "mu_old")],
)
def test_larger_profiles_have_the_published_numbers(profile: str, tasks: list[str], clip_center: str) -> None:
    study = load(FILE, profile)
    assert [task.env for task in study.tasks] == tasks
    assert study.budget.env_steps == 20_000_000_000 and len(study.seeds) == 5
    for task in study.tasks:
        assert task.num_envs == 24_576 and task.options == registry.find(task.env).options()
    assert study.baseline.config.clip_center == clip_center
    for one in study.variants:
        config = one.config
        assert (config.num_steps, config.learning_rate, config.clip_coef, config.update_epochs) == (16, 1e-4, 0.1, 2)
        assert isinstance(config.network, Lstm) and config.network.hidden_size == 768
        assert config.network.hidden == (768, 512, 256)
