"""SAPG where it must be something simpler: PPO, M times PPO, or on-policy learning twice over."""

import math

import pytest
import torch
from tiny import LSTM, discrete_point, parameters, ppo, same_rows, sapg, train

from algorithms.ppo.advantages import gae
from algorithms.ppo.objective import minibatch_denominators, objective
from algorithms.sapg.aggregation import HighRatio, LeaderFollower, OnPolicyOnly, Symmetric
from algorithms.sapg.conditioning import Disjoint, Latents
from algorithms.sapg.entropy import NoEntropy


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"network": LSTM},
        {"env": discrete_point},
        {"trunk": "shared", "minibatch_layout": "shuffled", "normalizer_update": "first_epoch"},
        {"aggregation": Symmetric(), "conditioning": Disjoint()},
        {"aggregation": HighRatio(), "entropy": NoEntropy(), "leader_block": "last", "clip_center": "one"},
    ],
    ids=["mlp", "lstm", "discrete", "code-like", "symmetric-disjoint", "high_ratio"],
)
def test_one_policy_is_ppo_bit_for_bit(config):
    shared = {key: value for key, value in config.items() if key in {"network", "env", "trunk", "minibatch_layout",
                                                                     "normalizer_update"}}  # fmt: skip
    plain = ppo(seeds=(0, 1), num_envs=8, **shared)
    single = sapg(seeds=(0, 1), num_envs=8, num_policies=1, on_target="gae", **config)
    expected, found = train(plain, 4), train(single, 4)
    assert same_rows(expected, [{key: row[key] for key in wanted} for row, wanted in zip(found, expected, strict=True)])
    assert torch.equal(parameters(plain), parameters(single))
    played, wanted = single.evaluate(3), plain.evaluate(3)
    assert all(played[key].tobytes() == wanted[key].tobytes() for key in wanted)


def test_n_step_targets_are_what_distinguishes_a_single_policy_of_the_paper_from_ppo():
    plain, single = ppo(), sapg(num_policies=1)
    a, b = (one._assemble(rollout) for one, rollout in ((plain, rollout_of(plain)), (single, rollout_of(single))))
    same = [
        name for name in plain.layout.columns if torch.equal(plain.layout(a.rows, name), single.layout(b.rows, name))
    ]
    assert "advantage" in same
    assert "return" not in same


def rollout_of(trainer):
    trainer.collector.collect(trainer._rollout, trainer.layout)
    return trainer._rollout


@pytest.mark.parametrize(
    "config", [{}, {"trunk": "shared"}, {"env": discrete_point}], ids=["mlp", "shared", "discrete"]
)
def test_equal_policies_make_relabelled_rows_on_policy(config):
    """All phi_j equal (per-policy sigmas start equal): mu = 1, and the off-policy target is GAE with lambda = 0."""
    trainer = sapg(num_envs=12, num_steps=8, entropy=NoEntropy(), **config)
    with torch.no_grad():
        trainer.actor.network.phi.copy_(trainer.actor.network.phi[:, :1].clone())
    rollout, layout = rollout_of(trainer), trainer.layout
    trainer._fill_on_policy(rollout)
    assert rollout.truncated.any()
    assert rollout.terminated.any()
    ((target, index),) = trainer._draw(trainer._on_policy_batch(rollout).chunks_per_group)
    rows, _ = trainer._relabeller(target, rollout, index)
    assert layout(rows, "log_mu").abs().max() < 1e-6
    errors = gae(rollout.rewards, rollout.values, trainer._next_values(rollout), rollout.dones, 0.99, 0.0)
    wanted = errors.flatten(1).gather(1, index)
    torch.testing.assert_close(layout(rows, "advantage")[..., 0], wanted, rtol=1e-5, atol=1e-6)
    targets = wanted + rollout.values.flatten(1).gather(1, index)
    torch.testing.assert_close(layout(rows, "return")[..., 0], targets, rtol=1e-5, atol=1e-6)


def loss_of(trainer, rows, state) -> torch.Tensor:
    """The trainer's own loss of some rows, ``[K]``."""
    layout = trainer.layout
    obs, critic_obs = trainer.updater._normalized(rows)
    return objective(
        trainer.actor.network, trainer.config, layout, rows, obs, critic_obs, state,
        minibatch_denominators(layout, rows), trainer.updater._dispatch(rows),
    )[0]  # fmt: skip


def moved(**config):
    """A trainer after two updates, so that new and old policies differ, and the batch of the rollout before a third."""
    trainer = sapg(
        seeds=(0, 1), num_envs=12, num_steps=8, learning_rate=1e-3, bounds_coef=0.01, ent_coef=0.02, **config
    )
    train(trainer, 2)
    batch = trainer._assemble(rollout_of(trainer))
    with torch.no_grad():
        noise = torch.Generator().manual_seed(0)
        flat = trainer.updater.optimizer.parameters
        flat += 0.2 * torch.randn(flat.shape, generator=noise)
    return trainer, batch


def loss_by_hand(trainer, rows, policy: int, seed: int, eps=0.2, vf_coef=4.0) -> torch.Tensor:
    """PPO's loss of one policy's rows of one seed, written with torch.distributions."""
    layout, net = trainer.layout, trainer.actor.network
    flat = rows[seed].flatten(0, 1)
    count = len(flat)
    one_hot = torch.zeros(2, count, 3)
    one_hot[..., policy] = 1
    obs = trainer.actor.obs_normalizer.normalize(layout(rows, "obs").flatten(1, 2))
    none = torch.zeros(2, count, 0), torch.zeros(2, count, 1, dtype=torch.bool)
    params, values, _ = net(obs, obs, one_hot, *none)
    mean, log_std = params[seed].split(2, -1)
    normal = torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    ratio = (normal.log_prob(layout(flat, "action")) - layout(flat, "logp_behaviour")).exp()
    mu, advantage = layout(flat, "log_center").exp(), layout(flat, "advantage")
    assert ((ratio / mu - 1).abs() > eps).any(), "nothing is clipped"
    surrogate = torch.min(ratio * advantage, ratio.clamp(mu * (1 - eps), mu * (1 + eps)) * advantage)
    old, target, value = layout(flat, "value"), layout(flat, "return"), values[seed]
    clipped = old + (value - old).clamp(-eps, eps)
    error = torch.max((value - target) ** 2, (clipped - target) ** 2)
    entropy = layout(flat, "ent_coef") * normal.entropy()
    outside = ((mean - 1.1).clamp(min=0) ** 2 + (mean + 1.1).clamp(max=0) ** 2).sum(-1)
    return (-surrogate + 0.5 * vf_coef * error - entropy + 0.01 * outside).mean()


@pytest.mark.parametrize("conditioning", [Latents(dim=4), Disjoint()], ids=["latents", "disjoint"])
def test_without_aggregation_the_loss_is_the_mean_of_the_policies_own_ppo_losses(conditioning):
    trainer, batch = moved(aggregation=OnPolicyOnly(), conditioning=conditioning)
    if isinstance(conditioning, Disjoint):
        blocks = torch.stack([loss_of(trainer, *pair) for pair in blocks_of(batch, 3)])
    else:
        blocks = torch.stack([
            torch.stack([loss_by_hand(trainer, rows, policy, seed) for seed in range(2)])
            for policy, (rows, _) in enumerate(blocks_of(batch, 3))
        ])  # fmt: skip
    assert (blocks.std(0) > 1e-3).all(), "the blocks have the same loss: the mean proves nothing"
    torch.testing.assert_close(loss_of(trainer, batch.rows, batch.state), blocks.mean(0), rtol=1e-4, atol=1e-5)


def blocks_of(batch, groups: int):
    return list(zip(batch.rows.chunk(groups, 1), batch.state.chunk(groups, 1), strict=True))


@pytest.mark.parametrize(
    ("aggregation", "norm", "leader_weights"),
    [
        # (own rows, each block of relabelled rows); followers weigh 1 each
        (LeaderFollower(), "mean_over_sources", (1, (1.0,))),
        (LeaderFollower(off_policy_coef=0.5), "mean_over_sources", (1, (0.5,))),
        (HighRatio(), "mean_over_sources", (1, (0.5, 0.5))),  # 1 / |X|, |X| = 2
        (HighRatio(), "per_row", (1, (1.0, 1.0))),
        (HighRatio(off_policy_coef=0.3), "per_row", (1, (0.3, 0.3))),
    ],
)
def test_off_policy_rows_weigh_as_the_norm_says(aggregation, norm, leader_weights):
    trainer, batch = moved(aggregation=aggregation, off_policy_norm=norm, conditioning=Latents(dim=4))
    own, off = leader_weights
    assert batch.groups == 3 + len(off)
    weights = [own, 1, 1, *off]
    policies = [0, 1, 2, *(0 for _ in off)]
    losses = [
        torch.stack([loss_by_hand(trainer, rows, policy, seed) for seed in range(2)])
        for policy, (rows, _) in zip(policies, blocks_of(batch, batch.groups), strict=True)
    ]
    expected = sum(w * one for w, one in zip(weights, losses, strict=True)) / sum(weights)
    torch.testing.assert_close(loss_of(trainer, batch.rows, batch.state), expected, rtol=1e-4, atol=1e-5)


def gradients_from(trainer, rows, state):
    net = trainer.actor.network
    net.zero_grad()
    loss_of(trainer, rows, state).sum().backward()
    return net


@pytest.mark.parametrize("config", [{}, {"trunk": "shared"}], ids=["separate", "shared"])
def test_local_parameters_move_by_their_own_objective_only(config):
    """SAPG Sec. 4.4: phi_j and log std j get nothing from rows of others; the leader's get from relabelled rows too."""
    trainer, batch = moved(conditioning=Latents(dim=4), **config)
    for policy, (rows, state) in zip((0, 1, 2, 0), blocks_of(batch, 4), strict=True):
        net = gradients_from(trainer, rows, state)
        others = [j for j in range(3) if j != policy]
        for parameter in (net.phi, net.log_std):
            assert parameter.grad[:, others].abs().max() == 0
            assert (parameter.grad[:, policy].abs().amax(-1) > 0).all()


def test_separate_networks_move_by_their_own_objective_only():
    trainer, batch = moved(conditioning=Disjoint())
    for policy, (rows, state) in zip((0, 1, 2, 0), blocks_of(batch, 4), strict=True):
        net = gradients_from(trainer, rows, state)
        others = [j for j in range(3) if j != policy]
        for name, parameter in net.named_parameters():
            assert parameter.shape[1] == 3, name
            assert parameter.grad[:, others].abs().max() == 0, name
            assert (parameter.grad[:, policy].flatten(1).abs().amax(1) > 0).all(), name


def test_clip_center_one_drops_rows_that_mu_old_keeps():
    """At the start of an update r = mu: around mu nothing is clipped, around 1 whatever is unlike the leader is."""
    for center, clipped in (("mu_old", False), ("one", True)):
        trainer = sapg(num_envs=12, num_steps=8, update_epochs=1, minibatch_rows_per_env=1000, clip_center=center)
        (row,) = train(trainer, 1)
        assert (row["probe/off_policy_clipped"][0] > 0) == clipped


def test_the_step_size_follows_on_policy_rows_only_unless_told_otherwise():
    found = {}
    for rows in ("on_policy_only", "all"):
        trainer = sapg(num_envs=12, num_steps=8, update_epochs=1, minibatch_rows_per_env=1000, kl_rows=rows)
        found[rows] = train(trainer, 1)[0]["policy/approx_kl"][0]
    # Before the first step the new policy is the old one; a follower's is not the leader's.
    assert abs(found["on_policy_only"]) < 1e-6
    assert found["all"] > 1e-3


def test_every_stratified_minibatch_holds_as_many_off_as_on_policy_rows_of_the_leader():
    trainer = sapg(num_envs=12, num_steps=8, minibatch_rows_per_env=2)
    batch, layout = trainer._assemble(rollout_of(trainer)), trainer.layout
    seen = []
    step = trainer.updater._step

    def spy(rows, state):
        leader = layout(rows, "policy")[..., 0] > 0
        off = layout(rows, "off_policy") > 0
        seen.append((int((leader & ~off).sum()), int((leader & off).sum()), rows[0, :, :, 0].numel()))
        return step(rows, state)

    trainer.updater._step = spy
    trainer.updater.update(batch)
    # 128 rows // 24 = 5 minibatches an epoch; 32 rows a group in 5 shares of 6 or 7
    assert len(seen) == 10
    for on, off, total in seen:
        assert on == off
        assert on in (6, 7)
        assert total == 4 * on


def test_effective_sample_size_by_hand():
    from algorithms.sapg.probes import off_policy_ratios

    trainer = sapg()
    batch, layout = trainer._assemble(rollout_of(trainer)), trainer.layout
    layout(batch.rows, "log_mu").zero_()
    assert off_policy_ratios(layout, batch)["probe/effective_sample_size"].item() == pytest.approx(1)
    off = layout(batch.rows, "off_policy")[0, :, 0].nonzero().flatten()
    assert len(off) == 8
    layout(batch.rows, "log_mu")[0, off[:2]] = math.log(3)
    found = off_policy_ratios(layout, batch)
    # (6 * 1 + 2 * 3)^2 / (8 * (6 * 1 + 2 * 9)) = 144 / 192;  mean |mu - 1| = 2 * 2 / 8
    assert found["probe/effective_sample_size"].item() == pytest.approx(0.75)
    assert found["probe/mean_ratio_error"].item() == pytest.approx(0.5)


@pytest.mark.parametrize("aggregation", [LeaderFollower(off_policy_coef=0.0), LeaderFollower()])
def test_a_minibatch_of_rows_that_count_for_nothing_moves_nothing(aggregation):
    # Minibatches of one chunk: some hold relabelled rows only, of weight 0, and none that may steer the step size.
    trainer = sapg(
        aggregation=aggregation, num_policies=2, num_envs=4, minibatch_layout="shuffled", chunk_steps=4,
        minibatch_rows_per_env=1,
    )  # fmt: skip
    for row in train(trainer, 3):
        assert row["health/finite"] == 1
        assert all(math.isfinite(row[key][0]) for key in row if key.startswith(("loss/", "policy/")))
    assert row["policy/learning_rate"][0] != trainer.config.learning_rate
