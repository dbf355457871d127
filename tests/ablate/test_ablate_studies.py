import dataclasses
from pathlib import Path

import pytest

from ablate.cells import cells
from ablate.configs import config_from_plain, config_to_plain, laid_over
from ablate.study import load
from algorithms import registry as algorithms
from envs import registry

STUDIES = sorted((Path(__file__).parents[2] / "studies").rglob("*.yaml"))


@pytest.mark.parametrize("file", STUDIES, ids=[file.name for file in STUDIES])
def test_every_shipped_study_and_profile_expands(file):
    study = load(file)
    for profile in (None, *study.profiles):
        chosen = load(file, profile)
        found = cells(chosen, chosen.variants)
        assert len({one.hash for one in found}) == len(chosen.variants) * len(chosen.tasks) * len(chosen.seeds)


def test_the_sapg_study_is_the_five_ablations_with_their_controls():
    study = load(next(file for file in STUDIES if file.name == "sapg_ablations.yaml"))
    assert {one.name: one.label for one in study.variants if one.role == "ablation"} == {
        "NoAggregate": "aggregation: leader_follower → on_policy_only",
        "SymmetricAggregate": "aggregation: leader_follower → symmetric",
        "NoLatents": "conditioning: latents(dim=128) → none",
        "NoEntropy": "entropy: ladder(sigma=0.01) → none",
        "VaryM[2]": "num_policies: 6 → 2",
        "VaryM[4]": "num_policies: 6 → 4",
        "VaryM[16]": "num_policies: 6 → 16",
    }
    assert {one.name for one in study.variants if one.role == "control"} == {"PPO", "PPOFixedMinibatch"}
    assert len(study.seeds) >= 8
    assert study.profiles == ("adaptive", "gpu", "paper")


SPLAGGER = {
    "splagger_baselines": {"RNN", "CNP", "AMRL", "PEARL"},
    "splagger_no_rnn": {"NoRNN", "NoRNNKeepSplit", "NoRNNMean", "NoRNNStraightThrough", "NoSplit", "RNN"},
    "splagger_operator": {"Operator", "NoRNNMax", "NoRNNMean", "NoRNNSoftmax", "NoRNNWSoftmax", "NoRNNAvgMax"},
    "splagger_split_ratio": {"Ratio"},
    "splagger_adaptive_split": {"LearnedGate", "Ratio"},
    "splagger_straight_through": {
        "StraightThrough", "NoSplit", "NoSplitStraightThrough", "NoRNN", "NoRNNStraightThrough", "Mean",
        "MeanStraightThrough",
    },
    "splagger_gradients": {"RNN", "AMRL", "Mean", "NoSplit", "NoRNN", "NoRNNStraightThrough", "CNP"},
}  # fmt: skip
# Frames, rollout, entropy bonus and steps of annealing per world, and the grid of learning rates (reference: the public
# code's experiment sets).
PAPER = {
    "memory/t_maze": (1_500_000, 700, 0.1, None),
    "memory/t_maze_latent": (1_500_000, 700, 0.1, None),
    "memory/t_maze_agreement": (10_000_000, 700, 0.1, None),
    "memory/planning_game": (50_000_000, 700, 0.0, None),
    "memory/planning_game_blind": (10_000_000, 700, 0.0, None),
    "memory/mc_ls": (60_000_000, 800, 0.1, 60_000_000),
}
GRID = (3e-3, 1e-3, 3e-4, 1e-4, 3e-5)


def splagger(name, profile=None):
    return load(next(file for file in STUDIES if file.stem == name), profile)


@pytest.mark.parametrize("name", SPLAGGER)
def test_a_splagger_study_asks_its_question_of_the_arms_it_names(name):
    study = splagger(name)
    assert study.question.endswith("?")
    assert set(study.ablations) == SPLAGGER[name]
    assert len(study.seeds) >= 5
    assert study.tune is None or not set(study.tune.seeds) & set(study.seeds)
    sizes = {one.config.encoder.hidden_size for one in study.variants}
    assert len(sizes) == 1, "an arm without the baseline's scale would be another comparison"


@pytest.mark.parametrize("name", SPLAGGER)
def test_the_larger_profiles_have_the_published_sizes_in_every_arm(name):
    assert {"full", "paper"} <= set(splagger(name).profiles)
    for profile in splagger(name).profiles:
        if profile == "full" or profile.startswith(("paper", "official")):
            study = splagger(name, profile)
            for one in study.variants:
                config = one.config
                assert (config.encoder.hidden_size, config.state_embedding, config.policy_hidden) == (
                    256,
                    256,
                    (256, 128),
                )
                assert (config.embed_state, config.latent_embedding, config.latent_dim) == (32, 25, 12)
            for task in study.tasks:
                assert task.options == registry.find(task.env).options()


@pytest.mark.parametrize("name", SPLAGGER)
def test_the_paper_profiles_have_the_papers_frames_rollouts_and_learning_rates(name):
    for profile in splagger(name).profiles:
        if not profile.startswith(("paper", "official")):
            continue
        study = splagger(name, profile)
        for task in study.tasks:
            frames, num_steps, ent_coef, anneal_steps = PAPER[task.env]
            assert (study.budget.env_steps, task.num_envs) == (frames, 16)
            for one in study.variants:
                config = one.config
                assert (config.num_steps, config.ent_coef, config.anneal_steps) == (num_steps, ent_coef, anneal_steps)
                assert (config.update_epochs, config.num_minibatches, config.minibatch_layout) == (2, 4, "transitions")
        if study.tune is not None:
            assert (study.tune.values, study.tune.env_steps) == (GRID, study.budget.env_steps)


def test_amrl_differs_from_splagger_by_its_gradient_alone_and_cnp_and_pearl_are_their_presets():
    presets = algorithms.find("splagger").presets
    arms = {one.name: one.config for one in splagger("splagger_baselines", "full").variants}
    base = arms.pop("baseline")
    assert {name: one.gradient.kind for name, one in arms.items()}["AMRL"] == "straight_through"
    assert dataclasses.replace(arms["AMRL"], gradient=base.gradient) == base
    for name, preset in (("RNN", "rnn"), ("CNP", "cnp"), ("AMRL", "amrl"), ("PEARL", "pearl")):
        assert arms[name] == config_from_plain(type(base), laid_over(config_to_plain(base), presets[preset])), name


def test_the_paper_profile_has_the_papers_numbers():
    study = load(next(file for file in STUDIES if file.name == "sapg_ablations.yaml"), "paper")
    assert (study.tasks[0].num_envs, study.budget.env_steps) == (24_576, 20_000_000_000)
    config = study.baseline.config
    assert (config.num_policies, config.network.hidden, config.clip_center) == (6, (512, 256, 128), "mu_old")
