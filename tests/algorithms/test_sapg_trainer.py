"""SAPG's trainer: blocks, what is reported of whom, probes, refusals."""

import numpy as np
import pytest
import torch
from tiny import Point, PrivilegedPoint, sapg, train

from algorithms.sapg import probes
from algorithms.sapg.conditioning import Latents, Unconditioned
from algorithms.sapg.probes import state_diversity


def rollout_of(trainer):
    trainer.collector.collect(trainer._rollout, trainer.layout)
    return trainer._rollout


class TestBlocks:
    @pytest.mark.parametrize(("leader_block", "order"), [("first", [0, 0, 1, 1, 2, 2]), ("last", [2, 2, 1, 1, 0, 0])])
    def test_every_policy_acts_in_its_own_block(self, leader_block, order):
        trainer = sapg(leader_block=leader_block, seeds=(0, 1))
        policy = trainer.layout(rollout_of(trainer).rows, "policy").argmax(-1)
        assert (policy == torch.tensor(order).view(1, 6, 1)).all()

    def test_entropy_coefficients_follow_the_policies(self):
        trainer = sapg(ent_coef=0.5)
        trainer._fill_on_policy(rollout_of(trainer))
        coefs = trainer.layout(trainer._rollout.rows, "ent_coef")[0, :, 0]
        torch.testing.assert_close(coefs, torch.tensor([0.5, 0.5, 0.505, 0.505, 0.51, 0.51]))

    def test_n_step_is_the_papers_critic_target_and_gae_the_codes(self):
        paper, code = sapg(num_steps=6), sapg(num_steps=6, on_target="gae")
        for trainer in (paper, code):
            trainer._fill_on_policy(rollout_of(trainer))
        assert torch.equal(paper._rollout.rewards, code._rollout.rewards)
        advantage, target = (code.layout(code._rollout.rows, name) for name in ("advantage", "return"))
        torch.testing.assert_close(target, advantage + code._rollout.values)
        assert torch.equal(advantage, paper.layout(paper._rollout.rows, "advantage"))
        # By hand at the first step of environments whose episode lasts beyond step 2.
        r, v, done = paper._rollout.rewards[0], paper._rollout.values[0], paper._rollout.dones[0]
        alive = ~done[:, :3].any(1)
        assert alive.any()
        expected = r[:, 0] + 0.99 * r[:, 1] + 0.99**2 * r[:, 2] + 0.99**3 * v[:, 3]
        found = paper.layout(paper._rollout.rows, "return")[0, :, 0]
        torch.testing.assert_close(found[alive], expected[alive])


class TestReports:
    def give_policies_different_fates(self, leader_block):
        """Policy j pushes with mean (j, 0): the leader stays, the last follower is lost."""
        trainer = sapg(num_envs=12, leader_block=leader_block, conditioning=Latents(dim=1), trunk="shared")
        net = trainer.actor.network
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.zero_()
            # elu(phi) = phi for phi >= 0: one unit carries phi_j to the first action's mean.
            net.phi[0, :, 0] = torch.tensor([0.0, 0.8, 1.0])
            net.actor.latent[0, 0, 0] = 1
            net.action_head.weight[0, 0, 0, 0] = 1
            net.log_std.fill_(-10)
        return trainer

    @pytest.mark.parametrize("leader_block", ["first", "last"])
    def test_the_plain_names_are_the_leaders_with_best_and_mean_beside(self, leader_block):
        trainer = self.give_policies_different_fates(leader_block)
        played = {name: value[0] for name, value in trainer.evaluate(64).items()}
        returns = []
        for policy in range(3):
            one = self.give_policies_different_fates(leader_block)
            with torch.no_grad():
                one.actor.network.phi[:] = trainer.actor.network.phi[:, policy : policy + 1].clone()
            returns.append({name: value[0] for name, value in one.evaluate(64).items()})
        assert played["eval/return"] == pytest.approx(returns[0]["eval/return"], rel=0.2)
        assert played["eval/lost"] == returns[0]["eval/lost"] == 0
        assert returns[2]["eval/lost"] == 1
        assert played["eval/return_best_policy"] >= played["eval/return"]
        assert played["eval/return_mean_policy"] == pytest.approx(
            np.mean([one["eval/return"] for one in returns]), rel=0.2
        )

    def test_training_returns_are_the_leaders_too(self):
        trainer = sapg(num_steps=8, num_envs=6)
        rollout = rollout_of(trainer)
        means = trainer.collector.episodes.flush()
        named = {name: value[0].item() for name, value in trainer._per_policy("episode", means).items()}
        assert named["episode/return"] == means["return"][0, 0].item()
        assert named["episode/return_best_policy"] == means["return"].max().item()
        assert named["episode/return_mean_policy"] == pytest.approx(means["return"].mean().item())
        assert rollout.dones.any()

    def test_no_finished_episode_is_nan_and_not_zero(self):
        (row,) = train(sapg(env=lambda n, s: Point(n, s, limit=100), num_steps=1), 1)
        assert np.isnan(row["episode/return"][0])
        assert np.isnan(row["episode/return_best_policy"][0])


class TestProbes:
    def test_linear_reconstruction_errors_are_those_of_a_principal_component_analysis(self):
        generator = torch.Generator().manual_seed(0)
        data = torch.randn(2, 100, 5, generator=generator) * torch.tensor([3.0, 2.0, 1.0, 0.5, 0.1])
        found = state_diversity(data, (0, 1))
        for seed in range(2):
            centered = data[seed].double().numpy()
            centered = centered - centered.mean(0)
            _, _, axes = np.linalg.svd(centered, full_matrices=False)
            for k in (1, 2, 4):
                rebuilt = centered @ axes[:k].T @ axes[:k]
                expected = ((centered - rebuilt) ** 2).sum(1).mean()
                assert found[f"probe/pca_error_{k}"][seed].item() == pytest.approx(expected, rel=1e-5)
        assert "probe/pca_error_8" not in found

    def test_an_autoencoder_compresses_what_has_structure_and_not_what_has_none(self):
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(1, 200, 6, generator=generator)
        line = torch.randn(1, 200, 1, generator=generator) * torch.ones(6)
        errors = [state_diversity(data, (0,))["probe/autoencoder_error"].item() for data in (noise, line)]
        assert errors[1] < 0.3 * errors[0]

    def test_a_seed_whose_states_are_not_finite_is_nan_and_leaves_the_others_alone(self):
        data = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0))
        sick = data.clone()
        sick[1, 7, 2] = torch.nan
        healthy, found = state_diversity(data, (0, 1)), state_diversity(sick, (0, 1))
        for name, value in found.items():
            assert value[0] == healthy[name][0]
            assert value[1].isnan()

    def test_kl_to_the_leader_is_0_for_policies_that_are_one_and_by_hand_for_a_wider_one(self):
        trainer = sapg(conditioning=Unconditioned())
        train(trainer, 1)
        with torch.no_grad():
            trainer.actor.network.log_std.zero_()
            trainer.actor.network.log_std[:, 2] = 0.5
        found = probes.kl_to_leader(trainer.actor, trainer._seen)
        assert found["probe/kl_to_leader_1"].item() == pytest.approx(0, abs=1e-6)
        # Per dimension KL(N(m, e^0.5) || N(m, 1)) = (e - 1) / 2 - 0.5; two dimensions
        assert found["probe/kl_to_leader_2"].item() == pytest.approx(np.e - 2, rel=1e-4)
        assert found["probe/kl_to_leader"].item() == pytest.approx((np.e - 2) / 2, rel=1e-4)

    @pytest.mark.parametrize("num_envs", [6, 90, 159, 600])
    def test_sampled_rows_reach_the_last_policys_environments(self, num_envs):
        trainer = sapg(num_envs=num_envs, env=PrivilegedPoint)
        seen = probes.sample_rows(trainer.layout, rollout_of(trainer))
        rows = trainer.layout(trainer._rollout.rows, "obs").flatten(1, 2)
        assert min(512, rows.shape[1]) / 2 <= seen.obs.shape[1] <= 512
        last_block = rows[0, -rows.shape[1] // 3 :]
        assert (seen.obs[0, -1] == last_block).all(-1).any()
        torch.testing.assert_close(seen.critic_obs[..., :2], seen.obs)

    @pytest.mark.parametrize("num_envs", [6, 21, 48])
    @pytest.mark.parametrize("hidden", [(8,), (33, 17), (64, 64)])
    def test_policies_without_phi_answer_exactly_alike_wherever_their_rows_stand(self, num_envs, hidden):
        network = sapg().config.network.__class__(hidden=hidden)
        for row in train(sapg(conditioning=Unconditioned(), num_envs=num_envs, network=network, seeds=(0, 1)), 2):
            assert (row["check/policy_distance"] == 0).all()


class TestRefusals:
    def test_environments_that_cannot_be_split_name_the_nearest_number_of_policies(self):
        with pytest.raises(ValueError, match=r"num_envs = 8 cannot be split into 3 equal blocks.* is 2"):
            sapg(num_envs=8)

    def test_latents_after_the_rnn_need_one(self):
        with pytest.raises(ValueError, match="needs a recurrent network"):
            sapg(conditioning=Latents(position="after_rnn"))

    def test_a_checkpoint_of_another_variant_is_refused(self):
        with pytest.raises(ValueError, match="another config"):
            sapg().load_state_dict(sapg(conditioning=Unconditioned()).state_dict())
