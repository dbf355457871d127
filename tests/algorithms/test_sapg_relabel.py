"""Relabelled rows: targets by hand, what stays and what changes, and who is drawn."""

import dataclasses
import math

import pytest
import torch
from tiny import LSTM, Point, sapg

from algorithms.ppo.distributions import DiagonalGaussian
from algorithms.ppo.networks import PolicySet
from algorithms.ppo.rollout import allocate
from algorithms.ppo.rows import RowLayout, take_chunks
from algorithms.sapg.aggregation import HighRatio, Symmetric
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.entropy import Ladder
from algorithms.sapg.relabel import Relabeller, Target, draw_chunks
from envs.streams import Streams


class HandActor:
    """V_i(s) = (10 + i) s for policy i; mean i, log std 0: a critic and a policy one can compute in the head."""

    def __init__(self):
        self.network = self
        self.distribution = DiagonalGaussian(Point(1, [0]).action_space, torch.device("cpu"))
        self.policies = PolicySet(num_policies=3)

    def __call__(self, obs, critic_obs, policy, state, resets):
        index = policy.argmax(-1).float()
        mean = index.unsqueeze(-1).expand(-1, -1, 2)
        return torch.cat([mean, torch.zeros_like(mean)], -1), (10 + index) * critic_obs[..., 0], state


# One follower environment (policy 1), five steps, gamma 0.5: the episode terminates at step 1, another is truncated at
# step 3. next_obs is the final observation where an episode ended.
OBS = [1.0, 2.0, 3.0, 4.0, 5.0]
NEXT = [2.0, 9.0, 4.0, 8.0, 6.0]
REWARDS = [1.0, 2.0, 3.0, 4.0, 5.0]


def relabel(target=0, **changes):
    config = SAPGConfig(gamma=0.5, num_steps=5, num_policies=3, **changes)
    layout = RowLayout(obs=1, critic_obs=0, policy=3, action=2, params=4)
    rollout = allocate(
        layout, seeds=1, num_envs=3, num_steps=5, chunk_steps=1, state_size=0, next_obs_sizes=(1, 0),
        device=torch.device("cpu"),
    )  # fmt: skip
    layout(rollout.rows, "obs")[:] = torch.tensor(OBS).view(1, 1, 5, 1)
    rollout.next_obs[:] = torch.tensor(NEXT).view(1, 1, 5, 1)
    rollout.rewards[:] = torch.tensor(REWARDS)
    rollout.terminated[..., 1] = True
    rollout.truncated[..., 3] = True
    for env in range(3):
        layout(rollout.rows, "policy")[:, env, :, env] = 1
    layout(rollout.rows, "action").fill_(1.0)
    layout(rollout.rows, "logp_behaviour").fill_(-3.0)
    layout(rollout.rows, "params").fill_(0.25)
    chosen = torch.tensor([[5, 6, 7, 8, 9]])  # environment 1, chunks of one step
    relabeller = Relabeller(HandActor(), config, layout, (0.0, 0.1, 0.2), row_weight=0.5)
    rows, _ = relabeller(Target(target, (1, 2)), rollout, chosen)
    return layout, rows, rollout


def column(layout, rows, name):
    return layout(rows, name).flatten().tolist()


def test_off_policy_targets_by_hand():
    layout, rows, _ = relabel()
    # V_leader(s) = 10 s. r + 0.5 * 10 s':
    #   1 + 0.5 * 20,   2 (terminated),   3 + 0.5 * 40,   4 + 0.5 * 80 (V_leader of the final observation),   5 + 30
    assert column(layout, rows, "return") == [11, 2, 23, 44, 35]
    assert column(layout, rows, "value") == [10, 20, 30, 40, 50]
    assert column(layout, rows, "advantage") == [1, -18, -7, 4, -15]


def test_targets_are_those_of_the_policy_that_learns():
    layout, rows, _ = relabel(target=2)
    assert column(layout, rows, "value") == [12, 24, 36, 48, 60]
    assert column(layout, rows, "return") == [13, 2, 27, 52, 41]


@pytest.mark.parametrize("how", ["none", "previous_obs"])
def test_a_time_out_is_not_bootstrapped_again_where_the_reward_already_was_or_must_not_be(how):
    layout, rows, _ = relabel(timeout_bootstrap=how)
    assert column(layout, rows, "return") == [11, 2, 23, 4, 35]


def test_mu_is_the_learners_density_over_the_actors():
    # The leader's mean is 0, the action (1, 1), std 1: log pi = -(1 + 1) / 2 - log(2 pi); behaviour said -3.
    layout, rows, _ = relabel()
    expected = -1 - math.log(2 * math.pi) + 3
    assert column(layout, rows, "log_mu") == pytest.approx([expected] * 5)
    assert column(layout, rows, "log_center") == pytest.approx([expected] * 5)
    layout, rows, _ = relabel(clip_center="one")
    assert column(layout, rows, "log_mu") == pytest.approx([expected] * 5)
    assert column(layout, rows, "log_center") == [0] * 5


def test_the_rest_of_a_relabelled_row():
    layout, rows, _ = relabel(target=2)
    assert layout(rows, "policy").flatten(0, 2).tolist() == [[0, 0, 1]] * 5
    assert column(layout, rows, "off_policy") == [1] * 5
    assert column(layout, rows, "ent_coef") == pytest.approx([0.2] * 5)
    assert column(layout, rows, "weight") == [0.5] * 5
    assert column(layout, rows, "kl_weight") == [0] * 5
    layout, rows, _ = relabel(kl_rows="all")
    assert column(layout, rows, "kl_weight") == [1] * 5


@pytest.mark.parametrize("config", [{}, {"network": LSTM, "chunk_steps": 2}], ids=["mlp", "lstm"])
def test_what_happened_stays_bit_identical_and_the_source_rows_stay_untouched(config):
    trainer = sapg(num_envs=12, seeds=(0, 1), entropy=Ladder(sigma=0.1), **config)
    trainer.collector.collect(trainer._rollout, trainer.layout)
    trainer._fill_on_policy(trainer._rollout)
    own, layout = trainer._on_policy_batch(trainer._rollout), trainer.layout
    before = own.rows.clone()
    ((target, index),) = trainer._draw(own.chunks_per_group)
    rows, state = trainer._relabeller(target, trainer._rollout, index)
    assert torch.equal(own.rows, before)
    source, source_state = own.take(index)
    for name in ("obs", "action", "params", "logp_behaviour", "reset"):
        assert torch.equal(layout(rows, name), layout(source, name)), name
    assert torch.equal(state, source_state)
    assert (layout(source, "policy")[..., 0] == 0).all(), "a row of the leader's own was relabelled"
    assert (layout(rows, "policy")[..., 0] == 1).all()
    assert (layout(rows, "ent_coef") == 0).all()
    assert not torch.equal(layout(rows, "value"), layout(source, "value"))


@pytest.mark.parametrize("position", ["before_mlp", "after_mlp"])
def test_a_recurrent_learner_values_the_next_state_from_the_state_it_has_reached(position):
    network = dataclasses.replace(LSTM, position=position)
    trainer = sapg(num_envs=12, num_steps=8, network=network, chunk_steps=8, seeds=(0, 1))
    rollout, layout = trainer._rollout, trainer.layout
    for _ in range(2):  # the second rollout starts from recurrent states that are not 0
        trainer.collector.collect(rollout, layout)
    assert rollout.chunk_states.abs().max() > 0
    trainer._fill_on_policy(rollout)
    ((target, index),) = trainer._draw(12 // 3)
    rows, _ = trainer._relabeller(target, rollout, index)
    bootstrap = (layout(rows, "return") - take_chunks(rollout.rewards, index)) / 0.99
    # Inside an episode the next state is the next row, and its value stands there.
    alive = ~take_chunks(rollout.dones, index)[..., :-1]
    assert alive.any()
    torch.testing.assert_close(bootstrap[..., :-1][alive], layout(rows, "value")[..., 1:][alive], rtol=1e-4, atol=1e-5)


class TestDraws:
    """draw_chunks: M - 1 = 3 sources of 8 chunks each."""

    @staticmethod
    def draw(streams, ratio=1, **config):
        return draw_chunks(streams, SAPGConfig(num_policies=4, **config), 3, 8, ratio)

    @pytest.mark.parametrize("subsample", ["uniform_union", "one_block"])
    @pytest.mark.parametrize("ratio", [1, 3])
    def test_nothing_is_drawn_twice(self, subsample, ratio):
        streams = Streams([0, 1], "subsample")
        for _ in range(20):
            sources, inside = self.draw(streams, ratio, subsample=subsample)
            assert sources.shape == inside.shape == (2, 8 * ratio)
            for row in sources * 8 + inside:
                assert row.unique().numel() == 8 * ratio
                assert 0 <= row.min() <= row.max() < 24

    def test_one_block_takes_one_source_whole(self):
        streams = Streams([0, 1], "subsample")
        for _ in range(20):
            sources, inside = self.draw(streams, subsample="one_block")
            assert (sources == sources[:, :1]).all()
            assert torch.equal(inside.sort(1).values, torch.arange(8).expand(2, -1))

    def test_the_union_mixes_sources_within_one_draw(self):
        sources, _ = self.draw(Streams([0], "subsample"), subsample="uniform_union")
        assert sources.unique().numel() == 3

    @pytest.mark.parametrize("subsample", ["uniform_union", "one_block"])
    def test_over_time_every_source_is_used_alike(self, subsample):
        streams, draws = Streams(range(4), "subsample"), 500
        sources = torch.cat([self.draw(streams, subsample=subsample)[0] for _ in range(draws)], 1)
        shares = torch.bincount(sources.flatten(), minlength=3) / sources.numel()
        # 2000 independent blocks: a standard error of sqrt(2/9/2000) = 0.011
        torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.04, rtol=0)

    @pytest.mark.parametrize("subsample", ["uniform_union", "one_block"])
    @pytest.mark.parametrize("leader_block", ["first", "last"])
    @pytest.mark.parametrize("aggregation", [HighRatio(), Symmetric()], ids=["high_ratio", "symmetric"])
    def test_a_target_never_draws_its_own_rows_and_reaches_all_the_others(self, subsample, leader_block, aggregation):
        trainer = sapg(
            num_policies=4, num_envs=8, subsample=subsample, leader_block=leader_block, aggregation=aggregation
        )
        chunks = 8
        block_of_policy = range(4) if leader_block == "first" else range(3, -1, -1)
        seen = {}
        for _ in range(30):
            for target, index in trainer._draw(chunks):
                seen.setdefault(target.policy, set()).update((index // chunks).unique().tolist())
        for policy, blocks in seen.items():
            assert blocks == set(range(4)) - {block_of_policy[policy]}
        assert set(seen) == ({0} if isinstance(aggregation, HighRatio) else {0, 1, 2, 3})

    def test_symmetric_targets_share_one_shift(self):
        trainer = sapg(num_policies=4, num_envs=8, subsample="one_block", aggregation=Symmetric())
        for _ in range(10):
            shifts = {(int(index[0, 0]) // 8 - target.policy) % 4 for target, index in trainer._draw(8)}
            assert len(shifts) == 1
            assert shifts <= {1, 2, 3}

    def test_a_seeds_draws_do_not_depend_on_the_other_seeds(self):
        for subsample in ("uniform_union", "one_block"):
            ours = self.draw(Streams([0, 1], "subsample"), subsample=subsample)
            theirs = self.draw(Streams([7, 1], "subsample"), subsample=subsample)
            assert torch.equal(ours[0][1], theirs[0][1])
            assert torch.equal(ours[1][1], theirs[1][1])
