"""The update: loss and gradients against plain autograd through a step loop, minibatches, step sizes, reward scale."""

import numpy as np
import pytest
import torch
from tiny_memory import preset, splagger
from torch.distributions import Categorical
from torch.nn.functional import huber_loss

from algorithms.splagger import agent as agent_module
from algorithms.splagger.aggregator import Softmax
from algorithms.splagger.objective import huber_value_loss
from algorithms.splagger.rewards import RewardScale

ONE_PASS = {"update_epochs": 1, "num_minibatches": 1, "num_steps": 12, "max_grad_norm": 1e9}
CPU = torch.device("cpu")


def collected(**changes):
    """A trainer whose heads hear the latent, with a rollout that starts in mid-trial."""
    trainer = splagger(seeds=(0, 1), **ONE_PASS | changes)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in trainer.agent.policy.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    for _ in range(2):
        trainer.collector.collect(trainer._rollout)
    return trainer


def latents_by_steps(trainer) -> torch.Tensor:
    """``[K, T, N, 2 D]`` by acting again, with gradients; terminal transitions are dropped."""
    rollout, memory = trainer._rollout, trainer.agent.memory
    tokens = trainer.agent.tokens(rollout.obs, rollout.actions, rollout.rewards, rollout.next_obs)
    output, state = rollout.outputs[:, 0], rollout.state
    outputs = []
    for t in range(rollout.rewards.shape[1]):
        outputs.append(output)
        output, state = memory.step(tokens[:, t], state)
        over = rollout.dones[:, t].unsqueeze(-1)
        output = torch.where(over, memory.prior(), output)
        state = torch.where(over, memory.initial_state(1), state)
    return torch.stack(outputs, dim=1)


def loss_by_hand(trainer, targets) -> dict[str, torch.Tensor]:
    """The paper's loss and its parts over the whole rollout, each ``[K]``."""
    rollout, config, policy = trainer._rollout, trainer.config, trainer.agent.policy
    outputs = latents_by_steps(trainer).flatten(1, 2)
    obs = trainer.agent.normalizer.normalize(rollout.obs.flatten(1, 2))
    u, c = policy.state_branch(obs).tanh(), policy.latent_branch(outputs).tanh()
    actor = Categorical(logits=policy.actor(u, c))
    values = policy.critic(u, c).squeeze(-1)
    flat = {name: value.flatten(1, 2) for name, value in targets.items()}
    logp = actor.log_prob(rollout.actions.flatten(1, 2).squeeze(-1))
    ratio = (logp - rollout.logp.flatten(1, 2)).exp()
    advantages = flat["advantages"]
    clipped = ratio.clamp(1 - config.clip_coef, 1 + config.clip_coef)
    surrogate = -torch.minimum(ratio * advantages, clipped * advantages).mean(1)
    held = flat["values"] + (values - flat["values"]).clamp(-config.clip_coef, config.clip_coef)
    errors = [huber_loss(one, flat["returns"], reduction="none") for one in (values, held)]
    critic = torch.maximum(*errors).mean(1)
    entropy = actor.entropy().mean(1)
    total = surrogate + 0.5 * config.vf_coef * critic - config.ent_coef * entropy
    return {"total": total, "loss/policy": surrogate, "loss/value": critic, "policy/entropy": entropy}


@pytest.mark.parametrize("changes", [{}, {"aggregator": Softmax()}, preset("cnp"), {"vf_coef": 2.0, "ent_coef": 0.7}])
def test_one_update_is_the_papers_loss_differentiated_through_every_step(changes):
    trainer = collected(**changes)
    targets = trainer._targets()
    by_hand = loss_by_hand(trainer, targets)
    modules = (trainer.agent.memory, trainer.agent.policy)
    parameters = [one for module in modules for one in module.parameters()]
    expected = torch.autograd.grad(by_hand["total"].sum(), parameters, allow_unused=True, materialize_grads=True)
    figures = trainer.updater.update(trainer._rollout, targets, 1e-3)
    for name in by_hand.keys() - {"total"}:
        torch.testing.assert_close(figures[name], by_hand[name].detach(), rtol=1e-4, atol=1e-5)
    cut = len(list(trainer.agent.memory.parameters()))
    parts = (
        (trainer.updater.memory, "policy/memory_grad_norm", slice(0, cut)),
        (trainer.updater.policy, "policy/grad_norm", slice(cut, None)),
    )
    for optimizer, name, part in parts:
        for parameter, gradient in zip(parameters[part], expected[part], strict=True):
            # Adam's first running mean is a tenth of the first gradient.
            found = 10 * optimizer.mean_gradient_of(parameter)
            torch.testing.assert_close(found, gradient, rtol=1e-3, atol=1e-5)
        norm = torch.cat([gradient.flatten(1) for gradient in expected[part]], dim=1).norm(dim=1)
        torch.testing.assert_close(figures[name], norm, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("layout", ["transitions", "sequences"])
def test_cutting_the_policys_batch_into_parts_changes_nothing(layout, monkeypatch):
    found = []
    for size in (1 << 21, 300):
        monkeypatch.setattr(agent_module, "CPU_PART_NUMBERS", size)
        trainer = collected(minibatch_layout=layout, num_minibatches=2, learning_rate=0.01)
        parts = trainer.agent.policy_parts(24)
        assert (parts > 1) == (size == 300)
        figures = trainer.updater.update(trainer._rollout, trainer._targets(), 0.01)
        found.append(figures | {"parameters": trainer.updater.memory.parameters.clone()})
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], rtol=1e-3, atol=1e-5, msg=lambda text, name=name: name + text)


def test_the_gradients_of_memory_and_policy_are_clipped_each_by_its_own_norm():
    trainer = collected(max_grad_norm=1e-3)
    figures = trainer.updater.update(trainer._rollout, trainer._targets(), 1e-3)
    updater = trainer.updater
    for optimizer, name in ((updater.memory, "policy/memory_grad_norm"), (updater.policy, "policy/grad_norm")):
        assert (figures[name] > 1e-3).all()
        clipped = optimizer.gradients.norm(dim=1)
        torch.testing.assert_close(clipped, torch.full_like(clipped, 1e-3), rtol=1e-2, atol=0)


@pytest.mark.parametrize(("minibatches", "size"), [(4, 12), (5, 9)])
def test_minibatches_of_transitions_cover_the_rollout_once_per_epoch_and_drop_the_rest(minibatches, size):
    trainer = splagger(seeds=(0, 1), num_steps=12, num_minibatches=minibatches, update_epochs=3)
    drawn = [rows for chosen, rows in trainer.updater._minibatches(trainer._rollout) if chosen is None]
    assert [one.shape for one in drawn] == [(2, size)] * 3 * minibatches
    epochs = [torch.cat(drawn[place : place + minibatches], dim=1) for place in range(0, len(drawn), minibatches)]
    for epoch in epochs:
        for seed in range(2):
            assert len(set(epoch[seed].tolist())) == size * minibatches
            assert 0 <= epoch.min() <= epoch.max() < 48
    orders = [epoch[seed].tolist() for epoch in epochs for seed in range(2)]
    assert len(set(map(tuple, orders))) == 6


def test_minibatches_of_sequences_are_whole_environments_each_once_per_epoch():
    trainer = splagger(seeds=(0, 1), num_envs=6, num_minibatches=3, update_epochs=4, minibatch_layout="sequences")
    drawn = [chosen for chosen, rows in trainer.updater._minibatches(trainer._rollout) if rows is None]
    assert [one.shape for one in drawn] == [(2, 2)] * 12
    for first in range(0, 12, 3):
        for seed in range(2):
            assert sorted(torch.cat(drawn[first : first + 3], dim=1)[seed].tolist()) == list(range(6))


def test_a_minibatch_of_transitions_takes_the_gradient_of_its_own_rows_only():
    """Two halves of the rollout: the mean of their gradients is the gradient of the whole."""
    gradients = []
    for chosen in (torch.arange(48), torch.arange(0, 48, 2), torch.arange(1, 48, 2)):
        trainer = collected()
        rollout = trainer._rollout
        columns = {name: getattr(rollout, name) for name in ("obs", "next_obs", "actions", "rewards", "dones", "logp")}
        start = (rollout.state, rollout.fresh, rollout.outputs[:, 0])
        trainer.updater._step(columns | trainer._targets(), start, chosen.expand(2, -1))
        gradients.append(trainer.updater.memory.gradients.clone())
    assert gradients[0].abs().max() > 1e-4
    torch.testing.assert_close(gradients[0], (gradients[1] + gradients[2]) / 2, rtol=1e-3, atol=1e-6)


def test_targets_are_gae_over_trials_in_scaled_rewards():
    trainer = collected(num_steps=20, gamma=0.9, gae_lambda=0.8)
    targets = trainer._targets()
    rollout, scale = trainer._rollout, RewardScale(2, 4, 0.9, own_trial=True, device=CPU)
    rewards = scale.scale(rollout.rewards, rollout.dones).double().numpy()
    values, dones = targets["values"].double().numpy(), rollout.dones.numpy()
    after = trainer.collector.last_value().double().numpy()
    advantages = np.zeros_like(values)
    carried = np.zeros_like(after)
    for t in reversed(range(20)):
        following = after if t == 19 else values[:, t + 1]
        delta = rewards[:, t] + 0.9 * following * ~dones[:, t] - values[:, t]
        carried = delta + 0.9 * 0.8 * carried * ~dones[:, t]
        advantages[:, t] = carried
    np.testing.assert_allclose(targets["returns"], advantages + values, rtol=1e-4, atol=1e-5)
    centred = advantages - advantages.mean((1, 2), keepdims=True)
    normal = centred / (advantages.std((1, 2), keepdims=True, ddof=1) + 1e-5)
    np.testing.assert_allclose(targets["advantages"], normal, rtol=1e-3, atol=1e-4)
    # V is what the critic says of the observation under the memory at that step.
    with torch.no_grad():
        u, c = trainer.agent.policy.embed(trainer.agent.normalizer.normalize(rollout.obs[:, 3]), rollout.outputs[:, 3])
        torch.testing.assert_close(trainer.agent.policy.value(u, c), targets["values"][:, 3])


class TestHuber:
    @pytest.mark.parametrize(
        ("value", "old", "target", "loss"),
        [
            (0.5, 0.5, 0.0, 0.125),  # small: half the square
            (3.0, 3.0, 0.0, 2.5),  # large: |e| - 1/2
            (1.0, 0.0, 1.0, 0.5 * 0.95**2),  # a jump to the target counts as held within 0.05 of the old value
            (1.0, 0.0, -1.0, 1.5),  # a jump away from it counts in full
        ],
    )
    def test_the_worse_of_prediction_and_held_prediction(self, value, old, target, loss):
        found = huber_value_loss(*(torch.tensor([one]) for one in (value, old, target)), 0.05)
        assert found.item() == pytest.approx(loss)


class TestStepSize:
    def rates(self, **changes):
        trainer = splagger(learning_rate=0.01, **changes)
        optimizers = (trainer.updater.memory, trainer.updater.policy)
        return [[one.learning_rate.item() for one in optimizers] for _ in trainer.iterations(4 * 48)]

    def test_it_stays(self):
        assert np.array(self.rates()) == pytest.approx(np.full((4, 2), 0.01))

    def test_it_falls_in_a_line_to_0_over_the_steps_asked_for(self):
        found = np.array(self.rates(anneal_steps=96))
        assert found[:, 0] == pytest.approx([0.01, 0.005, 0, 0])
        assert (found[:, 0] == found[:, 1]).all()

    def test_memory_and_policy_have_their_own_epsilon(self):
        updater = splagger(adam_eps=1e-3).updater
        assert (updater.memory._eps, updater.policy._eps) == (1e-8, 1e-3)


class TestRewardScale:
    def by_a_loop(self, rewards, dones, gamma, own_trial):
        """Scaled rewards of several rollouts ``[R, T, N]``: deviation of all returns so far, one at 0 +- 1 before."""
        running = np.zeros(rewards.shape[2])
        seen, scaled = [], []
        for rollout, ends in zip(rewards, dones, strict=True):
            for reward, end in zip(rollout, ends, strict=True):
                running = gamma * running + reward
                seen.extend(running)
                for env in range(len(end)):
                    if end[env] or (end.any() and not own_trial):
                        running[env] = 0
            mean = sum(seen) / (len(seen) + 1)
            variance = (sum((x - mean) ** 2 for x in seen) + 1 + mean**2) / (len(seen) + 1)
            scaled.append(np.clip(rollout / np.sqrt(variance + 1e-8), -10, 10))
        return np.stack(scaled)

    @pytest.mark.parametrize("own_trial", [True, False])
    def test_rewards_come_in_deviations_of_the_discounted_return(self, own_trial):
        generator = np.random.default_rng(0)
        rewards = generator.normal(1, 2, (2, 6, 6, 4))  # seeds, rollouts, steps, environments
        rewards[0, 5, 5, 1] = 400.0
        dones = generator.random((2, 6, 6, 4)) < 0.2
        scale = RewardScale(2, 4, 0.9, own_trial=own_trial, device=CPU)
        found = np.stack(
            [
                scale.scale(torch.from_numpy(rewards[:, r]).float(), torch.from_numpy(dones[:, r])).numpy()
                for r in range(6)
            ],
            axis=1,
        )
        for seed in range(2):
            expected = self.by_a_loop(rewards[seed], dones[seed], 0.9, own_trial)
            np.testing.assert_allclose(found[seed], expected, rtol=1e-3)
        assert found.max() == 10

    def test_when_to_restart_makes_a_difference_and_a_copy_continues(self):
        rewards, dones = torch.ones(1, 6, 3), torch.zeros(1, 6, 3, dtype=torch.bool)
        dones[0, 2, 0] = True
        found = []
        for own_trial in (True, False):
            scale = RewardScale(1, 3, 0.9, own_trial=own_trial, device=CPU)
            scale.scale(rewards, dones)
            copy = RewardScale(1, 3, 0.9, own_trial=own_trial, device=CPU)
            copy.load_state_dict(scale.state_dict())
            found.append(scale.scale(rewards, dones))
            assert torch.equal(copy.scale(rewards, dones), found[-1])
        assert (found[0] != found[1]).all()

    def test_without_normalisation_rewards_are_raw(self):
        trainer = collected(normalize_rewards=False, gamma=0.0)
        targets = trainer._targets()
        torch.testing.assert_close(targets["returns"], trainer._rollout.rewards, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("when", "expected"), [("after_update", [1, 49]), ("before_update", [49, 97])])
def test_the_normaliser_sees_every_observation_once_before_or_after_the_update(when, expected, monkeypatch):
    trainer = splagger(normalizer_update=when)
    counts, update = [], trainer.updater.update

    def spy(*args):
        counts.append(trainer.agent.normalizer.count.item())
        return update(*args)

    monkeypatch.setattr(trainer.updater, "update", spy)
    list(trainer.iterations(2 * 48))
    assert counts == expected
    assert trainer.agent.normalizer.count.item() == 97
