"""studies/splagger_mujoco.yaml: five methods on four bodies, at the published sizes where it says so."""

from pathlib import Path

import pytest

from ablate.configs import config_from_plain, config_to_plain, laid_over
from ablate.study import load
from algorithms import registry as algorithms
from envs import registry

STUDIES = Path(__file__).parents[2] / "studies"
TASKS = ["cheetah_dir", "cheetah_vel", "ant_dir", "walker_params"]
PROFILES = ("full", "paper", "paper_ant", "paper_walker", "official", "official_ant")
# Rollout, minibatches, clip and units of the latent's, the action's and the reward's embedding (the public code's
# experiment sets); 75 M frames on 16 environments everywhere.
PAPER = {
    "locomotion/cheetah_dir": (400, 4, 0.1, 25, 16, 16),
    "locomotion/cheetah_vel": (400, 4, 0.1, 25, 16, 16),
    "locomotion/ant_dir": (200, 1, 0.1, 10, 16, 16),
    "locomotion/walker_params": (200, 2, 0.05, 25, 32, 32),
}


def mujoco(profile=None):
    return load(STUDIES / "splagger_mujoco.yaml", profile)


def test_the_study_has_the_arms_of_the_memory_worlds_and_all_four_tasks():
    study, memory = mujoco(), load(STUDIES / "splagger_baselines.yaml")
    assert study.profiles == PROFILES
    assert [task.env for task in study.tasks] == [f"locomotion/{name}" for name in TASKS]
    assert {one.name: one.label for one in study.variants} == {one.name: one.label for one in memory.variants}
    assert study.metrics.primary.name == "eval/return"
    assert len(study.seeds) >= 5


@pytest.mark.parametrize("profile", [None, *PROFILES])
def test_every_arm_is_its_preset_over_the_studys_baseline(profile):
    presets = algorithms.find("splagger").presets
    arms = {one.name: one.config for one in mujoco(profile).variants}
    base = arms.pop("baseline")
    for name, config in arms.items():
        preset = dict(presets[name.lower()])
        if "encoder" in preset:
            preset["encoder"] = {**preset["encoder"], "hidden_size": base.encoder.hidden_size}
        assert config == config_from_plain(type(base), laid_over(config_to_plain(base), preset)), name


@pytest.mark.parametrize("profile", PROFILES[1:])
def test_the_paper_profiles_have_the_papers_numbers(profile):
    study = mujoco(profile)
    assert (study.budget.env_steps, study.tune.env_steps) == (75_000_000, 75_000_000)
    assert study.tune.values == (3e-3, 1e-3, 3e-4, 1e-4, 3e-5)
    for task in study.tasks:
        assert task.num_envs == 16
        for one in study.variants:
            config = one.config
            assert (
                config.num_steps,
                config.num_minibatches,
                config.clip_coef,
                config.latent_embedding,
                config.embed_action,
                config.embed_reward,
            ) == PAPER[task.env]
            assert (config.encoder.hidden_size, config.state_embedding, config.policy_hidden) == (256, 256, (256, 128))
            assert (config.gamma, config.gae_lambda, config.ent_coef, config.adam_eps) == (0.97, 0.9, 0.01, 1e-8)
            assert (config.update_epochs, config.minibatch_layout) == (2, "transitions")


@pytest.mark.parametrize("profile", PROFILES)
def test_only_official_profiles_have_the_public_codes_quirks(profile):
    study, official = mujoco(profile), profile.startswith("official")
    for task in study.tasks:
        defaults = registry.find(task.env).options()
        assert (task.options == defaults) == (not official)
        assert task.options.steps == 200
        if official:
            assert task.options.actions == "unbounded"
            assert getattr(task.options, "angle", "radians") == "radians"
    assert {one.config.terminal_transition for one in study.variants} == {"leaked" if official else "dropped"}
    assert (list(study.seeds) == [73, 20, 3]) == official
