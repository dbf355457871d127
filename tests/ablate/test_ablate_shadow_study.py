"""The study of SAPG on the Shadow hand: the published sizes in its larger profiles."""

from pathlib import Path

import pytest

from ablate.study import load
from envs import registry

FILE = Path(__file__).parents[2] / "studies" / "sapg_shadow.yaml"


def test_it_compares_the_ablations_of_the_sapg_study() -> None:
    study, other = load(FILE), load(FILE.with_name("sapg_ablations.yaml"))
    assert [task.env for task in study.tasks] == ["hand/shadow_reorient"]
    assert {one.name for one in study.variants} == {one.name for one in other.variants}
    assert study.metrics.primary.name == "eval/return"


@pytest.mark.parametrize(
    ("profile", "task", "clip_coef", "clip_center"),
    [("gpu", "hand/shadow_reorient", 0.2, "one"), ("paper", "isaacgym:ShadowHand", 0.1, "mu_old")],
)
def test_larger_profiles_have_the_published_numbers(
    profile: str, task: str, clip_coef: float, clip_center: str
) -> None:
    study = load(FILE, profile)
    assert [(one.env, one.num_envs) for one in study.tasks] == [(task, 24_576)]
    assert study.tasks[0].options == registry.find(task).options()
    assert study.budget.env_steps == 20_000_000_000 and len(study.seeds) == 5
    assert study.baseline.config.clip_center == clip_center and study.baseline.config.entropy.sigma == 0.005
    for one in study.variants:
        config = one.config
        assert (config.num_steps, config.learning_rate, config.clip_coef, config.update_epochs) == (
            8,
            5e-4,
            clip_coef,
            5,
        )
        assert config.network.hidden == (512, 512, 256, 128) and config.reward_scale == 0.01
