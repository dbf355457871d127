"""Numbers of parameters and widths, against those of the public code (reference sheet, section 7)."""

import gymnasium
import numpy as np
import pytest
import torch
from tiny_memory import preset

from algorithms.ppo.distributions import distribution_for
from algorithms.splagger.aggregator import AvgMax, Gauss, Max, WeightedSoftmax
from algorithms.splagger.config import SplAggerConfig, Widths
from algorithms.splagger.encoder import GRU, LSTM, MLP
from algorithms.splagger.memory import Memory
from algorithms.splagger.policy import ActorCritic
from algorithms.splagger.split import FixedSplit, LearnedGate
from algorithms.splagger.trainer import SplAggerTrainer
from envs import registry

OFFICIAL = SplAggerConfig(**preset("official"))
WIDE = {"embed_action": 16, "embed_reward": 16}


def count(module: torch.nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def memory_size(obs: int, action: int, config: SplAggerConfig = OFFICIAL) -> int:
    return count(Memory(config, (0,), obs, action))


@pytest.mark.parametrize(
    ("obs", "action", "embeddings", "parameters"),
    [
        (5, 1, {}, 265_976),
        (301, 1, {}, 275_448),
        (18, 1, {}, 266_392),
        (20, 6, WIDE, 278_856),
        (27, 8, WIDE, 279_112),
        (17 + 1, 6, {"embed_action": 32, "embed_reward": 32}, 303_512),
    ],
    ids=["T-Maze", "MC-LS", "Planning", "Cheetah-Dir", "Ant-Dir", "Walker"],
)
def test_the_memory_has_the_public_codes_parameters(obs, action, embeddings, parameters):
    assert memory_size(obs, action, SplAggerConfig(**preset("official") | embeddings)) == parameters


@pytest.mark.parametrize(
    ("obs", "actions", "parameters"),
    [(5, 4, 5_150_707), (301, 3, 5_223_129), (18, 5, 5_157_389)],
    ids=["T-Maze", "MC-LS", "Planning"],
)
def test_policy_and_hypernetwork_have_the_public_codes_parameters(obs, actions, parameters):
    distribution = distribution_for(gymnasium.spaces.Discrete(actions), torch.device("cpu"))
    assert count(ActorCritic(OFFICIAL, (0,), obs, distribution)) == parameters


@pytest.mark.parametrize(
    ("env", "total"),
    [
        ("memory/t_maze", 265_976 + 5_150_707),
        ("memory/mc_ls", 275_448 + 5_223_129),
        ("memory/planning_game", 266_392 + 5_157_389),
    ],
)
def test_the_built_trainer_has_them_on_the_worlds_themselves(env, total):
    trainer = SplAggerTrainer(
        SplAggerConfig(**preset("official") | {"num_steps": 800}),
        lambda n, seeds: registry.make(env, num_envs=n, seeds=seeds),
        num_envs=1,
        seeds=(0,),
    )
    assert trainer.describe()["parameters"] == total
    assert trainer.describe()["memory_parameters"] == count(trainer.agent.memory)


class TestWeightedSoftmax:
    def test_doubled_it_has_the_public_codes_width_and_three_and_a_half_times_the_parameters(self):
        config = SplAggerConfig(**preset("official") | {"aggregator": WeightedSoftmax(width="doubled")})
        assert config.widths == Widths(encoder=512, aggregated=256, summary=128, head=384)
        # 922 k in the reference sheet: GRU 512 and head 384 -> 24 (and embeddings), and here a learned temperature.
        gru, head, embeddings = 3 * 512 * (80 + 512 + 2), 24 * 385, 32 * 6 + 8 * 2 + 8 * 2
        assert memory_size(5, 1, config) == gru + head + embeddings + 1
        assert memory_size(5, 1, config) == pytest.approx(922_000, rel=2e-3)

    def test_at_equal_size_it_differs_by_less_than_a_fifth_of_a_percent(self):
        config = SplAggerConfig(**preset("official") | {"aggregator": WeightedSoftmax()})
        assert memory_size(5, 1, config) == pytest.approx(265_976, rel=2e-3)
        assert config.widths.summary * 2 == config.widths.aggregated

    @pytest.mark.parametrize("encoder", [GRU(), LSTM(), MLP()])
    @pytest.mark.parametrize("ratio", [0.25, 0.5, 0.75, 1.0])
    def test_every_split_and_encoder_comes_within_a_percent(self, encoder, ratio):
        split = FixedSplit(ratio=ratio)
        weighted = SplAggerConfig(encoder=encoder, split=split, aggregator=WeightedSoftmax())
        plain = SplAggerConfig(encoder=encoder, split=split, aggregator=Max())
        assert memory_size(5, 4, weighted) == pytest.approx(memory_size(5, 4, plain), rel=0.01)
        if ratio == 1:
            assert weighted.widths.aggregated == weighted.widths.encoder


@pytest.mark.parametrize("encoder", [GRU, LSTM, MLP])
@pytest.mark.parametrize(("num_in", "size"), [(80, 256), (7, 5)])
def test_an_encoder_says_how_many_parameters_it_will_have(encoder, num_in, size):
    assert encoder().num_parameters(num_in, size) == count(encoder().build((0,), num_in, size))


class TestSplit:
    @pytest.mark.parametrize(
        ("ratio", "width", "group", "aggregated"),
        [
            (0.5, 256, 1, 128),
            (0.25, 256, 1, 64),
            (0.0, 256, 2, 0),
            (1.0, 256, 2, 256),
            (0.3, 8, 1, 2),
            (0.5, 6, 2, 4),  # 3 is no pair; Python rounds 1.5 to 2
            (1.0, 7, 1, 7),
            (1.0, 7, 2, 6),
            (0.9, 7, 2, 6),
        ],
    )
    def test_channels_that_are_aggregated(self, ratio, width, group, aggregated):
        assert FixedSplit(ratio=ratio).aggregated(width, group) == aggregated

    def test_the_first_half_skips_and_the_last_is_aggregated(self):
        assert OFFICIAL.widths == Widths(encoder=256, aggregated=128, summary=128, head=256)
        memory = Memory(OFFICIAL, (0,), 5, 1)
        hidden = torch.arange(256.0).view(1, 1, 256)
        assert memory._aggregated(hidden).flatten().tolist() == list(range(128, 256))
        mixed = memory._mixed(hidden, -torch.ones(1, 1, 128)).flatten().tolist()
        assert mixed == [*range(128), *[-1] * 128]

    @pytest.mark.parametrize("aggregator", [AvgMax(), Gauss()])
    def test_a_gate_mixes_every_channel(self, aggregator):
        config = SplAggerConfig(split=LearnedGate(), aggregator=aggregator)
        assert config.widths == Widths(encoder=256, aggregated=256, summary=256, head=256)
        assert Memory(config, (0, 1), 5, 4).gate.shape == (2, 1, 256)


def test_the_flops_of_a_step_count_the_memory_once_per_minibatch_of_transitions():
    def flops(**changes):
        config = SplAggerConfig(**{"num_steps": 400, "policy_hidden": (4,), "state_embedding": 4} | changes)
        trainer = SplAggerTrainer(
            config, lambda n, seeds: registry.make("memory/t_maze", num_envs=n, seeds=seeds), num_envs=4, seeds=(0,)
        )
        figures = trainer.describe()
        return figures["flops_per_env_step"], figures["memory_parameters"]

    (transitions, parameters), (sequences, _) = flops(), flops(minibatch_layout="sequences")
    # 2 epochs of 4 minibatches: forward and backward (3 times 2 FLOPs per weight) 8 times or twice.
    assert np.isclose(transitions - sequences, 6 * 3 * 2 * parameters)
