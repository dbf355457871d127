"""What a reading of the public code says must hold (preset `official`): 12 environments, M = 6, T = 4, ratio 1."""

import pydantic
import pytest
import torch
from tiny import MLP, Point, train

from algorithms.ppo.config import PPOConfig
from algorithms.ppo.trainer import PPOTrainer
from algorithms.sapg.aggregation import HighRatio, LeaderFollower, OnPolicyOnly, Symmetric
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.presets import PRESETS
from algorithms.sapg.trainer import SAPGTrainer

N, M, T, CHUNK = 12, 6, 4, 4
ON, OFF = N * T, N * T // M


def config(preset="official", **changes) -> SAPGConfig:
    raw = {**PRESETS[preset], "network": MLP, **changes}
    return pydantic.TypeAdapter(SAPGConfig).validate_python(raw)


def official(**changes) -> SAPGTrainer:
    settings = {"num_steps": T, "minibatch_rows_per_env": 1, "update_epochs": 3, **changes}
    return SAPGTrainer(config(**settings), Point, num_envs=N, seeds=(0, 1))


@pytest.fixture
def assembled():
    trainer = official()
    trainer.collector.collect(trainer._rollout, trainer.layout)
    rewards = trainer._rollout.rewards.clone()
    return trainer, trainer._assemble(trainer._rollout), rewards


def test_the_leader_is_the_last_block_and_the_first_has_the_highest_entropy(assembled):
    trainer, batch, _ = assembled
    layout = trainer.layout
    own = batch.rows[:, : ON // CHUNK]
    policy = layout(own, "policy").argmax(-1)[0, :, 0]
    # 2 environments a block, one chunk of 4 steps each
    assert policy.tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    coefs = layout(own, "ent_coef")[0, ::2, 0]
    torch.testing.assert_close(coefs, torch.tensor([2.5e-3, 2e-3, 1.5e-3, 1e-3, 5e-4, 0]))


def test_48_rows_grow_to_56_in_14_chunks_of_4(assembled):
    trainer, batch, _ = assembled
    assert batch.rows.shape[:3] == (2, 14, CHUNK)
    assert batch.num_rows == ON + OFF == 56
    figures = trainer.describe()
    assert figures["rows_per_iteration"] == 56
    assert figures["rows_per_iteration"] / figures["env_steps_per_iteration"] == pytest.approx(1 + 1 / M)


def test_minibatches_of_12_are_12_12_12_20_in_every_epoch(assembled):
    trainer, batch, _ = assembled
    sizes = []
    step = trainer.updater._step
    trainer.updater._step = lambda rows, state: (sizes.append(rows.shape[1] * rows.shape[2]), step(rows, state))[1]
    trainer.updater.update(batch)
    assert sizes == [12, 12, 12, 20] * 3
    assert trainer.describe()["minibatches"] == 4
    assert trainer.describe()["optimizer_steps_per_iteration"] == 12


def test_relabelled_rows_are_one_followers_block_with_another_policy_value_and_return(assembled):
    trainer, batch, _ = assembled
    layout = trainer.layout
    own, off = batch.rows[:, : ON // CHUNK], batch.rows[:, ON // CHUNK :]
    for seed in range(2):
        blocks = own[seed].unflatten(0, (M, -1))
        matches = [
            block for block in range(M) if torch.equal(layout(blocks[block], "action"), layout(off[seed], "action"))
        ]
        assert len(matches) == 1, "the relabelled rows are not one whole block"
        assert matches[0] != M - 1, "the leader learns off-policy from itself"
        source = blocks[matches[0]]
        for name in ("obs", "action", "params", "logp_behaviour", "reset"):
            assert torch.equal(layout(source, name), layout(off[seed], name)), name
        for name in ("value", "return", "advantage"):
            assert not torch.equal(layout(source, name), layout(off[seed], name)), name
    assert (layout(off, "policy").argmax(-1) == 0).all()
    assert (layout(off, "ent_coef") == 0).all()
    assert (layout(off, "log_center") == 0).all(), "the public code clips around 1"
    assert (layout(off, "weight") == 1).all()


def test_off_policy_returns_use_the_stored_reward_and_the_leaders_values(assembled):
    trainer, _, rewards = assembled
    layout, rollout = trainer.layout, trainer._rollout
    raw, _ = trainer._relabeller(trainer._targets[0], rollout, torch.arange(2).expand(2, -1))
    leader = torch.zeros(2, 8, M)
    leader[..., 0] = 1
    nothing = torch.zeros(2, 8, 0), torch.zeros(2, 8, 1, dtype=torch.bool)
    value, following = (
        trainer.actor(x[:, :2].reshape(2, 8, -1), x[:, :2].reshape(2, 8, -1), leader, *nothing)[1]
        for x in (layout(rollout.rows, "obs"), rollout.next_obs)
    )
    alive = ~rollout.dones[:, :2].flatten(1)
    assert not alive.all()
    expected = rewards[:, :2].flatten(1) + 0.99 * following * alive
    torch.testing.assert_close(layout(raw, "return").flatten(1), expected)
    torch.testing.assert_close(layout(raw, "advantage").flatten(1), expected - value)


def test_each_follower_is_drawn_with_probability_one_over_m_minus_1():
    trainer = official()
    counts = torch.zeros(M)
    for _ in range(1000):
        ((_, index),) = trainer._draw(2)
        for seed in range(2):
            (block,) = (index[seed] // 2).unique().tolist()
            counts[block] += 1
    assert counts[M - 1] == 0
    # 2000 draws: a standard error of 0.9 %
    torch.testing.assert_close(counts[:-1] / counts.sum(), torch.full((M - 1,), 0.2), atol=0.035, rtol=0)


def test_observation_statistics_count_the_augmented_rows_in_the_first_epoch_only(assembled):
    trainer, batch, _ = assembled
    normalizer = trainer.actor.obs_normalizer
    assert normalizer.mean.shape == (2, 1, 3), "the policy's columns are among the statistics"
    assert normalizer.count == 1
    counts = []
    step = trainer.updater._step
    trainer.updater._step = lambda rows, state: (counts.append(int(normalizer.count)), step(rows, state))[1]
    trainer.updater.update(batch)
    assert counts == [13, 25, 37, 57, *[57] * 8]
    data = trainer.layout(batch.rows, "obs").flatten(1, 2).double()
    torch.testing.assert_close(normalizer.mean[:, 0], data.sum(1) / 57, rtol=1e-5, atol=1e-7)


def test_nothing_but_the_update_moves_the_observation_statistics():
    trainer = official()
    train(trainer, 1)
    count = trainer.actor.obs_normalizer.count.clone()
    trainer.collector.collect(trainer._rollout, trainer.layout)
    trainer._assemble(trainer._rollout)
    trainer.evaluate(1)
    assert trainer.actor.obs_normalizer.count == count == 57


# The paper's batch has the same number of minibatches at any N: they are multiples of 4 N. N = 24,576 is too many
# environments for a test; 96 splits into 2, 4, 6 and 16 blocks as well.
KUKA = {"num_steps": 16, "update_epochs": 2}


@pytest.mark.parametrize("preset", ["paper", "official_allegro_kuka"])
@pytest.mark.parametrize(
    ("changes", "rows_at_24576", "minibatches", "steps"),
    [
        ({"num_policies": 6}, 458_752, 4, 8),
        ({"num_policies": 2}, 589_824, 6, 12),
        ({"num_policies": 4}, 491_520, 5, 10),
        ({"num_policies": 16}, 417_792, 4, 8),
        ({"aggregation": OnPolicyOnly()}, 393_216, 4, 8),
        ({"aggregation": HighRatio()}, 720_896, 7, 14),
        ({"aggregation": Symmetric()}, 786_432, 8, 16),
    ],
    ids=["M=6", "M=2", "M=4", "M=16", "none", "ratio-5", "symmetric"],
)
def test_rows_and_optimiser_steps_of_allegro_kuka(preset, changes, rows_at_24576, minibatches, steps):
    trainer = SAPGTrainer(config(preset, **KUKA, **changes), Point, num_envs=96, seeds=(0,))
    figures = trainer.describe()
    assert figures["rows_per_iteration"] == rows_at_24576 * 96 / 24_576
    assert figures["minibatches"] == minibatches
    assert figures["optimizer_steps_per_iteration"] == steps
    assert figures["env_steps_per_iteration"] == 96 * 16
    (row,) = train(trainer, 1)
    assert trainer.updater.optimizer._steps == steps, "describe() promised another number"
    assert row["check/off_policy_rows"] == figures["rows_per_iteration"] - 96 * 16


def test_optimiser_steps_of_the_hands_and_of_ppo():
    hand = SAPGTrainer(config("official"), Point, num_envs=96, seeds=(0,)).describe()
    assert (hand["minibatches"], hand["optimizer_steps_per_iteration"]) == (2, 10)
    assert hand["rows_per_iteration"] == 229_376 * 96 / 24_576
    kuka = PPOTrainer(PPOConfig(network=MLP, **KUKA), Point, num_envs=96, seeds=(0,)).describe()
    assert (kuka["rows_per_iteration"], kuka["optimizer_steps_per_iteration"]) == (96 * 16, 8)


def test_the_parameters_described_are_those_of_one_seed():
    trainer = SAPGTrainer(config("official", num_policies=3), Point, num_envs=N, seeds=(0, 1))
    # obs 3 + phi 32 -> 8 (shared trunk), heads 2 + 1, phi 3 x 32, log std 3 x 2
    assert trainer.describe()["parameters"] == (3 + 32) * 8 + 8 + 8 * 2 + 2 + 8 + 1 + 3 * 32 + 3 * 2


@pytest.mark.parametrize("aggregation", [LeaderFollower(), HighRatio()], ids=["ratio-1", "ratio-5"])
def test_batch_growth(aggregation):
    trainer = official(aggregation=aggregation)
    growth = {"leader_follower": 1 + 1 / M, "high_ratio": 1 + (M - 1) / M}[aggregation.kind]
    assert trainer.describe()["rows_per_iteration"] == pytest.approx(ON * growth)
