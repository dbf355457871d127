"""The hyper-parameter tables of SAPG (ICML 2024, Tables 2 to 4) and SplAgger as literals, against the configs."""

import dataclasses

import gymnasium
import numpy as np
import pydantic
import pytest
from tiny import Point

from algorithms import registry
from algorithms.ppo.config import Lstm, Mlp, PPOConfig
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.presets import PRESETS
from algorithms.sapg.trainer import SAPGTrainer
from algorithms.splagger.config import SplAggerConfig
from envs.spec import TaskFacts

# Table 4, AllegroHand; the baseline PPO has the same.
ALLEGRO_HAND = {
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "learning_rate": 5e-4,
    "target_kl": 0.016,
    "max_grad_norm": 1.0,
    "ent_coef": 0.0,
    "clip_coef": 0.2,
    "minibatch_rows_per_env": 4,
    "num_steps": 8,
    "update_epochs": 5,
    "vf_coef": 4.0,
    "bounds_coef": 1e-4,
    "clip_vloss": True,
    "reward_scale": 0.01,
    "normalize_advantages": True,
    "normalize_observations": True,
    "normalize_values": True,
    "learning_rate_range": (1e-6, 1e-2),
    "network": Mlp(hidden=(512, 256, 128), activation="elu"),
}
SHADOW_HAND = ALLEGRO_HAND | {"clip_coef": 0.1, "network": Mlp(hidden=(512, 512, 256, 128))}
ALLEGRO_KUKA = ALLEGRO_HAND | {
    "learning_rate": 1e-4,
    "clip_coef": 0.1,
    "num_steps": 16,
    "update_epochs": 2,
    "network": Lstm(hidden_size=768, hidden=(768, 512, 256), position="after_mlp"),
}
# Sec. 4 and 5: the choices of the text. `None` stands for what the code alone decides.
TEXT = {
    "num_policies": 6,
    "clip_center": "mu_old",
    "subsample": "uniform_union",
    "on_target": "n_step",
    "n_step": 3,
    "off_policy_norm": "mean_over_sources",
    "sigma": "per_policy",
    "leader_block": "first",
}
# What the public code does instead (reference sheet, section 0 and 8).
CODE = {
    "num_policies": 6,
    "clip_center": "one",
    "subsample": "one_block",
    "on_target": "gae",
    "off_policy_norm": "per_row",
    "sigma": "per_policy",
    "leader_block": "last",
    "trunk": "shared",
    "kl_rows": "all",
    "minibatch_layout": "shuffled",
    "normalizer_update": "first_epoch",
}

# SplAgger's experiments on the T-Mazes (reference sheet: table 3.2, and 1.1 to 1.5 for the architecture).
T_MAZE = {
    "num_steps": 700,
    "update_epochs": 2,
    "num_minibatches": 4,
    "clip_coef": 0.05,
    "ent_coef": 0.1,
    "gamma": 0.95,
    "gae_lambda": 0.95,
    "adam_eps": 1e-5,
    "vf_coef": 0.5,
    "max_grad_norm": 0.5,
    "anneal_steps": None,
    "normalize_observations": True,
    "normalize_rewards": True,
    "minibatch_layout": "transitions",
    "embed_state": 32,
    "embed_action": 8,
    "embed_reward": 8,
    "latent_dim": 12,
    "state_embedding": 256,
    "latent_embedding": 25,
    "policy_hidden": (256, 128),
}


def preset(name: str) -> SAPGConfig:
    return pydantic.TypeAdapter(SAPGConfig).validate_python(dict(PRESETS[name]))


def differences(config, table) -> dict:
    return {key: (getattr(config, key), value) for key, value in table.items() if getattr(config, key) != value}


@pytest.mark.parametrize(
    ("config", "table"),
    [
        (PPOConfig(), ALLEGRO_HAND),
        (SAPGConfig(), ALLEGRO_HAND | TEXT),
        (preset("paper"), ALLEGRO_HAND | TEXT),
        (preset("paper_shadow_hand"), SHADOW_HAND | TEXT),
        (preset("paper_allegro_kuka"), ALLEGRO_KUKA | TEXT),
        (preset("official"), ALLEGRO_HAND | CODE | {"chunk_steps": 4, "timeout_bootstrap": "previous_obs"}),
        (
            preset("official_shadow_hand"),
            SHADOW_HAND | CODE | {"clip_coef": 0.2, "chunk_steps": 4, "timeout_bootstrap": "previous_obs"},
        ),
        (
            preset("official_allegro_kuka"),
            ALLEGRO_KUKA
            | CODE
            | {
                "chunk_steps": 16,
                "timeout_bootstrap": "none",
                "network": Lstm(hidden_size=768, hidden=(768, 512, 256), position="before_mlp"),
            },
        ),
    ],
    ids=["ppo", "sapg", "paper", "paper-shadow", "paper-kuka", "official", "official-shadow", "official-kuka"],
)
def test_the_tables(config, table):
    assert differences(config, table) == {}


def test_the_t_maze_row_of_splagger():
    config = SplAggerConfig()
    assert differences(config, T_MAZE) == {}
    assert config.learning_rate in {3e-3, 1e-3, 3e-4, 1e-4, 3e-5}  # the grid it was chosen from
    assert config.token_size == 80


def test_the_components_of_splagger():
    config = SplAggerConfig()
    assert dataclasses.asdict(config.encoder) == {"kind": "gru", "hidden_size": 256}
    assert dataclasses.asdict(config.split) == {"kind": "fixed", "ratio": 0.5}
    assert config.aggregator.kind == "max"
    assert config.gradient.kind == "true"
    assert config.hypernetwork.kind == "bias_hyperinit"
    assert config.latent.kind == "deterministic"


def test_splaggers_default_is_its_preset():
    splagger = registry.find("splagger")
    default = pydantic.TypeAdapter(SplAggerConfig).validate_python(dict(splagger.presets["splagger"]))
    assert default == SplAggerConfig()


def test_the_components_of_the_paper():
    config = SAPGConfig()
    assert dataclasses.asdict(config.aggregation) == {"kind": "leader_follower", "off_policy_coef": 1.0}
    assert dataclasses.asdict(config.conditioning) == {"kind": "latents", "dim": 16, "position": "input"}
    assert dataclasses.asdict(config.entropy) == {"kind": "ladder", "sigma": 0.005, "form": "sigma_times_index"}


def test_the_length_of_phi_is_the_tasks_in_the_paper_and_32_in_the_code():
    assert {name: preset(name).conditioning.dim for name in PRESETS} == {
        "paper": 16,
        "paper_shadow_hand": 16,
        "paper_allegro_kuka": 32,
        "official": 32,
        "official_shadow_hand": 32,
        "official_allegro_kuka": 32,
    }


def test_the_entropy_ladder_of_the_code():
    assert {preset(name).entropy.form for name in PRESETS if name.startswith("official")} == {"half_linspace"}


def test_the_default_is_the_preset_paper():
    assert preset("paper") == SAPGConfig()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_fields_that_exist_and_builds(name):
    algorithm = registry.find("sapg")
    assert algorithm.presets[name] is PRESETS[name]
    config = preset(name)
    assert config.problems(TaskFacts(num_envs=24_576, max_episode_steps=None, task_parameters=False)) == []
    # The paper's own widths are for the parameter counts below; training is tried with narrow layers.
    narrow = {"hidden": (8,)} | ({"hidden_size": 6} if isinstance(config.network, Lstm) else {})
    config = dataclasses.replace(config, network=dataclasses.replace(config.network, **narrow))
    trainer = SAPGTrainer(config, Point, num_envs=6, seeds=(0,))
    (row,) = trainer.iterations(1)
    assert row["health/finite"] == 1
    trainer.close()


@pytest.mark.parametrize(
    ("name", "obs", "actions", "millions"),
    [
        # Reference sheet 1.6, counted in the public code (M = 6); its LSTM has a second bias, 0.003 M.
        ("official", 88, 16, 0.229),
        ("official_shadow_hand", 211, 20, 0.555),
        ("official_allegro_kuka", 117, 23, 3.95),
    ],
)
def test_the_public_codes_networks_have_its_number_of_parameters(name, obs, actions, millions):
    class Hand(Point):
        """Only its sizes matter: nothing is stepped."""

        def __init__(self, num_envs, seeds):
            super().__init__(num_envs, seeds)
            self.observation_space = gymnasium.spaces.Box(-1, 1, (obs,), np.float32)
            self.action_space = gymnasium.spaces.Box(-1, 1, (actions,), np.float32)

    trainer = SAPGTrainer(preset(name), Hand, num_envs=6, seeds=(0,))
    assert trainer.describe()["parameters"] / 1e6 == pytest.approx(millions, rel=0.002)


def test_every_registered_algorithm_names_its_trainer_and_config():
    for name in ("ppo", "ppo_fixed_minibatch", "sapg", "splagger"):
        algorithm = registry.find(name)
        assert algorithm.load_trainer().__name__ in {"PPOTrainer", "SAPGTrainer", "SplAggerTrainer"}
        assert dataclasses.is_dataclass(algorithm.config())
    with pytest.raises(registry.UnknownAlgorithmError, match="Did you mean `sapg`"):
        registry.find("sapgg")
