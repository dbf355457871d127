"""PPO's trainer: what a rollout records, what an update sees, what seeds share (nothing)."""

import numpy as np
import pytest
import torch
from tiny import LSTM, Point, PrivilegedPoint, discrete_point, parameters, ppo, same_rows, sapg, train
from torch.utils.flop_counter import FlopCounterMode

from algorithms.ppo.config import PPOConfig, PPOFixedMinibatchConfig
from algorithms.ppo.trainer import PPOTrainer
from algorithms.sapg.conditioning import Disjoint
from envs import registry


def collect(trainer: PPOTrainer):
    """One rollout, without an update."""
    trainer.collector.collect(trainer._rollout, trainer.layout)
    return trainer._rollout


class TestCollecting:
    def test_time_outs_and_terminations_both_occur(self):
        rollout = collect(ppo(num_steps=8, num_envs=16))
        assert rollout.terminated.any()
        assert rollout.truncated.any()
        assert not (rollout.terminated & rollout.truncated).any()

    @pytest.mark.parametrize("config", [{}, {"network": LSTM}, {"env": PrivilegedPoint}], ids=["mlp", "lstm", "dict"])
    def test_a_time_out_is_worth_the_value_of_its_final_observation(self, config):
        # SAPG keeps every step's next observation (the final one where an episode ended); its policies are PPO's here.
        trainer = sapg(num_steps=8, num_envs=18, **config)
        rollout = collect(trainer)
        observed = trainer.layout.policy(rollout.rows)
        where = rollout.truncated
        assert where.any()
        next_obs = rollout.next_obs[where].unsqueeze(0)
        critic = rollout.next_critic_obs[where].unsqueeze(0) if rollout.next_critic_obs.shape[-1] else next_obs
        if not config.get("network"):
            no_state, no_reset = torch.zeros(1, where.sum(), 0), torch.zeros(1, where.sum(), 1, dtype=torch.bool)
            values = trainer.actor(next_obs, critic, observed[where].unsqueeze(0), no_state, no_reset)[1]
            torch.testing.assert_close(rollout.timeout_values[where], values[0])
        assert (rollout.timeout_values[where] != 0).all()
        assert (rollout.timeout_values[~where] == 0).all()

    def test_a_recurrent_time_out_continues_the_state_of_its_episode(self):
        # limit = 3 steps and 4 in the rollout: every surviving copy is cut at step 2.
        trainer = ppo(network=LSTM, env=lambda n, s: Point(n, s, limit=3), num_envs=12, trunk="shared")
        twin = ppo(network=LSTM, env=lambda n, s: Point(n, s, limit=100), num_envs=12, trunk="shared")
        rollout, uncut = collect(trainer), collect(twin)
        where = rollout.truncated[..., 2]
        assert where.any()
        # The twin's episodes go on, so its value of step 3 is the cut episode's V(final observation).
        torch.testing.assert_close(rollout.timeout_values[..., 2][where], uncut.values[..., 3][where])

    def test_previous_obs_pays_the_value_of_the_state_before_a_time_out_as_reward(self):
        plain, paid = (
            collect(ppo(num_steps=8, num_envs=16, timeout_bootstrap=how)) for how in ("none", "previous_obs")
        )
        expected = plain.rewards + 0.99 * plain.values * plain.truncated
        torch.testing.assert_close(paid.rewards, expected)
        for rollout in (plain, paid):
            assert rollout.timeout_values.abs().max() == 0

    def test_rewards_are_scaled_and_reported_returns_are_not(self):
        tenth, whole = ppo(reward_scale=0.1), ppo(reward_scale=1.0)
        torch.testing.assert_close(collect(tenth).rewards * 10, collect(whole).rewards)
        # The scale reaches the first update, not the first rollout.
        one, other = (train(ppo(reward_scale=scale, num_steps=8), 1)[0] for scale in (0.1, 1.0))
        assert one["episode/return"] == other["episode/return"]

    @pytest.mark.parametrize("config", [{}, {"network": LSTM, "chunk_steps": 2}], ids=["mlp", "lstm"])
    def test_an_update_starts_from_the_policy_that_acted(self, config):
        # Evaluating all rows as chunks gives the recorded parameters, values and log-probabilities: ratio 1.
        trainer = ppo(num_steps=8, num_envs=10, seeds=(0, 1), **config)
        train(trainer, 2)
        rollout, layout = collect(trainer), trainer.layout
        batch = trainer._on_policy_batch(rollout)
        rows = batch.rows.flatten(1, 2)
        obs = layout(rows, "obs")
        params, values, _ = trainer.actor(obs, obs, None, batch.state, layout(batch.rows, "reset") > 0)
        torch.testing.assert_close(params, layout(rows, "params"), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(values, rollout.values.flatten(1), rtol=1e-4, atol=1e-5)
        logp = trainer.actor.network.distribution.log_prob(params, layout(rows, "action"))
        torch.testing.assert_close(logp, layout(rows, "logp_behaviour"), rtol=1e-4, atol=1e-5)

    def test_critics_see_privileged_observations_and_policies_do_not(self):
        trainer = ppo(env=PrivilegedPoint)
        rollout = collect(trainer)
        assert trainer.layout(rollout.rows, "obs").shape[-1] == 2
        place, privileged = trainer.layout(rollout.rows, "obs"), trainer.layout.critic_obs(rollout.rows)
        torch.testing.assert_close(privileged[..., :2], place)
        torch.testing.assert_close(privileged[..., 2], place.norm(dim=-1))

    def test_episode_statistics_are_those_of_the_episodes_that_ended(self):
        trainer = ppo(num_steps=6, num_envs=8, reward_scale=1.0)
        rollout = collect(trainer)
        found = trainer.collector.episodes.flush()
        returns, lengths, lost = [], [], []
        for env in range(8):
            total, length = 0.0, 0
            for step in range(6):
                total, length = total + rollout.rewards[0, env, step].item(), length + 1
                if rollout.dones[0, env, step]:
                    returns.append(total)
                    lengths.append(length)
                    lost.append(float(rollout.terminated[0, env, step]))
                    total, length = 0.0, 0
        assert found["return"].item() == pytest.approx(np.mean(returns))
        assert found["length"].item() == pytest.approx(np.mean(lengths))
        assert found["lost"].item() == pytest.approx(np.mean(lost))


class TestUpdating:
    def test_one_full_batch_step_has_ratio_1_and_moves_nothing_but_what_the_gradient_says(self):
        (row,) = train(ppo(update_epochs=1, minibatch_rows_per_env=4), 1)
        assert row["policy/clip_fraction"] == 0
        assert abs(row["policy/approx_kl"]) < 1e-6
        # With r = 1 the surrogate is minus the mean advantage, which standardising made 0.
        assert abs(row["loss/policy"]) < 1e-6

    def test_advantages_are_standardised_per_seed_over_the_batch(self):
        trainer = ppo(seeds=(0, 1), num_envs=20)
        column = trainer.layout(trainer._assemble(collect(trainer)).rows, "advantage").flatten(1)
        torch.testing.assert_close(column.mean(1), torch.zeros(2), atol=1e-6, rtol=0)
        torch.testing.assert_close(column.std(1), torch.ones(2), atol=1e-5, rtol=0)

    def test_critic_targets_are_advantage_plus_value_in_the_critics_units(self):
        scaled, plain = ppo(num_envs=20), ppo(num_envs=20, normalize_values=False, normalize_advantages=False)
        batch, layout = plain._assemble(collect(plain)), plain.layout
        advantage, target, value = (layout(batch.rows, name) for name in ("advantage", "return", "value"))
        torch.testing.assert_close(target, advantage + value)
        # Switched on, targets are (R - mean) / std of one prior observation (0, variance 1) and these targets.
        rows = scaled._assemble(collect(scaled)).rows
        flat = torch.cat([target.flatten(), torch.zeros(1)]).double()
        mean = flat.mean()
        std = ((flat.square().sum() + 1) / flat.numel() - mean.square() + 1e-5).sqrt()
        expected = ((target - mean) / std).float()
        torch.testing.assert_close(layout(rows, "return"), expected, rtol=1e-4, atol=1e-5)

    def test_observation_statistics_move_by_every_row_once_per_iteration(self):
        for when in ("after_update", "first_epoch"):
            trainer = ppo(num_envs=6, num_steps=4, normalizer_update=when, update_epochs=3)
            assert trainer.actor.obs_normalizer.count == 1
            for iteration in (1, 2):
                train(trainer, 1)
                assert trainer.actor.obs_normalizer.count == 1 + 24 * iteration

    def test_normalised_statistics_are_those_of_the_rollout(self):
        trainer = ppo(num_envs=20)
        train(trainer, 1)
        data = trainer.layout(trainer._rollout.rows, "obs").flatten(1, 2)[0].double()
        mean = data.sum(0) / (len(data) + 1)
        torch.testing.assert_close(trainer.actor.obs_normalizer.mean[0, 0], mean, rtol=1e-5, atol=1e-7)

    def test_the_step_size_adapts_per_seed_within_its_range_and_can_be_fixed(self):
        adapted = train(ppo(seeds=(0, 1, 2), learning_rate=1e-3, update_epochs=2, target_kl=1e-4), 8)
        rates = np.stack([row["policy/learning_rate"] for row in adapted])
        assert len(np.unique(rates)) > 3
        assert any(len(np.unique(row)) > 1 for row in rates), "the seeds share a step size"
        inside = rates[(rates > 1e-6) & (rates < 1e-2)]
        steps = np.log(inside / 1e-3) / np.log(1.5)
        np.testing.assert_allclose(steps, steps.round(), atol=1e-4)
        fixed = train(ppo(target_kl=None, learning_rate=1e-3), 3)
        assert all(row["policy/learning_rate"] == np.float32(1e-3) for row in fixed)

    def test_parts_that_fit_a_cache_give_the_gradient_of_the_whole(self, monkeypatch):
        whole = ppo(num_envs=20)
        rows = train(whole, 2)
        monkeypatch.setattr("algorithms.ppo.update.CPU_PART_ROWS", 12)
        parts = ppo(num_envs=20)
        for a, b in zip(rows, train(parts, 2), strict=True):
            for key in a:
                np.testing.assert_allclose(a[key], b[key], rtol=1e-4, atol=1e-6, err_msg=key)
        assert not torch.equal(parameters(whole), parameters(parts)), "the batch was not cut"
        torch.testing.assert_close(parameters(whole), parameters(parts), rtol=1e-3, atol=1e-5)

    def test_a_fixed_minibatch_does_not_grow_with_the_environments(self):
        growing, fixed = PPOConfig(), PPOFixedMinibatchConfig()
        assert [growing.minibatch_rows(n) for n in (10, 100)] == [40, 400]
        assert [fixed.minibatch_rows(n) for n in (10, 100)] == [16384, 16384]


class TestFusedSeeds:
    """One program trains all seeds. Bits of a seed depend on the pack's size (a batched product sums in another order),
    never on the other seeds' values (`test_trainer_contract.py`)."""

    @pytest.mark.parametrize(
        ("build", "config"),
        [(ppo, {}), (ppo, {"network": LSTM}), (ppo, {"env": discrete_point}), (sapg, {})],
        ids=["ppo", "lstm", "discrete", "sapg"],
    )
    def test_three_seeds_fused_are_the_three_alone_within_1e_4_after_4_updates(self, build, config):
        fused = build(seeds=(3, 4, 5), num_envs=12, **config)
        rows = train(fused, 4)
        for place, seed in enumerate((3, 4, 5)):
            alone = build(seeds=(seed,), num_envs=12, **config)
            for ours, theirs in zip(rows, train(alone, 4), strict=True):
                for key in theirs:
                    np.testing.assert_allclose(ours[key][place], theirs[key][0], rtol=1e-4, atol=2e-5, err_msg=key)
            torch.testing.assert_close(parameters(fused)[place], parameters(alone)[0], rtol=1e-4, atol=2e-5)

    @pytest.mark.parametrize("build", [ppo, sapg])
    def test_a_diverged_seed_leaves_the_others_bit_identical(self, build):
        sick, healthy = build(seeds=(0, 1, 2)), build(seeds=(0, 1, 2))
        train(sick, 1)
        train(healthy, 1)
        sick.updater.optimizer.parameters[1] = torch.nan
        expected, found = train(healthy, 3), train(sick, 3)
        for row, wanted in zip(found, expected, strict=True):
            assert row["health/finite"].tolist() == [1, 0, 1]
            for key, value in row.items():
                if key != "health/finite":
                    assert value[[0, 2]].tobytes() == wanted[key][[0, 2]].tobytes(), key
        played, wanted = sick.evaluate(2), healthy.evaluate(2)
        for key, value in played.items():
            assert value[[0, 2]].tobytes() == wanted[key][[0, 2]].tobytes(), key

    def test_shuffled_minibatches_of_separate_networks_do_not_leak(self):
        # How many rows of a policy a shuffled minibatch holds differs from seed to seed.
        config = {"conditioning": Disjoint(), "minibatch_layout": "shuffled", "num_envs": 24}
        one, other = sapg(seeds=(0, 1), **config), sapg(seeds=(0, 2), **config)
        train(one, 3)
        train(other, 3)
        assert torch.equal(parameters(one)[0], parameters(other)[0])

    def test_health_is_that_of_the_parameters(self):
        trainer = ppo(seeds=(0, 1))
        assert train(trainer, 1)[0]["health/finite"].tolist() == [1, 1]
        trainer.updater.optimizer.parameters[0, 3] = torch.inf
        assert train(trainer, 1)[0]["health/finite"].tolist() == [0, 1]


class TestDescription:
    @pytest.mark.parametrize("config", [{}, {"network": LSTM}, {"trunk": "shared"}], ids=["mlp", "lstm", "shared"])
    def test_flops_are_those_that_torch_counts(self, config):
        trainer = ppo(num_envs=10, **config)
        net = trainer.actor.network
        obs, resets = torch.zeros(1, 10, 3), torch.zeros(1, 10, 1, dtype=torch.bool)
        with FlopCounterMode(display=False) as counter:
            net(obs, obs, None, net.initial_state(10), resets)
        # Every row is acted on once and learned from in 2 epochs, forward and backward (twice the forward).
        expected = counter.get_total_flops() / 10 * (1 + 3 * 2)
        assert trainer.describe()["flops_per_env_step"] == pytest.approx(expected)

    def test_parameters_are_counted_for_one_seed(self):
        # Actor 3 -> 8 -> 2, critic 3 -> 8 -> 1, weights and biases; two log stds.
        expected = 2 * (3 * 8 + 8) + (8 * 2 + 2) + (8 + 1) + 2
        assert ppo(seeds=(0, 1, 2)).describe()["parameters"] == expected


class TestCheckpoints:
    def test_another_runs_checkpoint_is_refused(self):
        state = ppo(seeds=(0,)).state_dict()
        for other in (ppo(seeds=(1,)), ppo(gamma=0.5)):
            with pytest.raises(ValueError, match="belongs to other seeds or another config"):
                other.load_state_dict(state)


class TestEvaluation:
    def test_it_plays_the_mode_of_the_policy(self):
        trainer = ppo(num_envs=4)
        before = trainer.evaluate(16)
        with torch.no_grad():
            trainer.actor.network.log_std.fill_(3.0)
        assert same_rows([before], [trainer.evaluate(16)])

    def test_it_counts_the_first_episode_of_every_copy_once(self):
        trainer = ppo()
        played = trainer.evaluate(64)
        assert 1 <= played["eval/length"][0] <= 5
        assert 0 <= played["eval/lost"][0] <= 1
        # -radius a step: an episode cannot return more than 0
        assert played["eval/return"][0] < 0


class TestRefusals:
    def test_impossible_configs_are_refused_with_the_field_at_fault(self):
        with pytest.raises(ValueError, match="chunk_steps: 3 does not divide num_steps = 4"):
            ppo(chunk_steps=3)
        with pytest.raises(ValueError, match="learning_rate: 1 lies outside"):
            ppo(learning_rate=1.0)
        with pytest.raises(ValueError, match="a shared trunk cannot serve"):
            ppo(env=PrivilegedPoint, trunk="shared")

    def test_a_refused_environment_is_released(self):
        closed = []

        class Closing(Point):
            def close(self):
                closed.append(True)

        with pytest.raises(ValueError, match="chunk_steps"):
            ppo(env=Closing, chunk_steps=3)
        assert closed == [True]


@pytest.mark.slow
def test_ppo_learns_to_balance_a_pole():
    def make(num_envs, seeds):
        return registry.make("control/cartpole", num_envs=num_envs, seeds=seeds)

    trainer = ppo(
        seeds=(0, 1), num_envs=64, env=make, num_steps=16, update_epochs=4, learning_rate=3e-3, reward_scale=0.1
    )
    before = trainer.evaluate(16)["eval/return"]
    train(trainer, 40)
    after = trainer.evaluate(16)["eval/return"]
    assert (before < 120).all(), before
    assert (after > 150).all(), after
