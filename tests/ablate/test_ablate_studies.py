from pathlib import Path

import pytest

from ablate.cells import cells
from ablate.study import load

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
    assert study.profiles == ("gpu", "paper")


def test_the_paper_profile_has_the_papers_numbers():
    study = load(next(file for file in STUDIES if file.name == "sapg_ablations.yaml"), "paper")
    assert (study.tasks[0].num_envs, study.budget.env_steps) == (24_576, 20_000_000_000)
    config = study.baseline.config
    assert (config.num_policies, config.network.hidden, config.clip_center) == (6, (512, 256, 128), "mu_old")
