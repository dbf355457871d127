"""PEARL: the posterior's KL, samples that carry gradients, mean latents in evaluation, no order."""

import pytest
import torch
from tiny_memory import preset, splagger
from torch.distributions import Independent, Normal, kl_divergence

from algorithms.splagger.latent import Deterministic, Sampled

D = 3


def outputs(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 2 * D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_penalty_is_torchs_kl_to_a_standard_normal():
    found = Sampled(kl_coef=0.3).penalty(outputs(2, 7))
    mean, logvar = outputs(2, 7).chunk(2, dim=-1)
    posterior = Independent(Normal(mean, (0.5 * logvar).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(found, 0.3 * kl_divergence(posterior, prior))
    assert (Deterministic().penalty(outputs(2, 7)) == 0).all()


def test_a_sample_is_torchs_reparameterised_one_and_its_gradient_reaches_mean_and_variance():
    output = outputs(2, 7).requires_grad_()
    noise = torch.randn(2, 7, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = Sampled().read(output, noise)
    mean, logvar = output.chunk(2, dim=-1)
    expected = mean + torch.sqrt(logvar.exp()) * noise
    torch.testing.assert_close(found, expected)
    (grad,) = torch.autograd.grad(found.sum(), output)
    into_mean, into_logvar = grad.chunk(2, dim=-1)
    assert (into_mean == 1).all()
    torch.testing.assert_close(into_logvar, 0.5 * (expected - mean).detach())


def test_samples_have_the_posteriors_moments():
    output = torch.tensor([0.5, -1.0, 2.0, -2.0, 0.0, 1.0]).expand(100_000, -1)
    noise = torch.randn(100_000, D, generator=torch.Generator().manual_seed(2))
    found = Sampled().read(output, noise)
    torch.testing.assert_close(found.mean(0), output[0, :D], rtol=0, atol=0.02)
    torch.testing.assert_close(found.var(0), output[0, D:].exp(), rtol=0.03, atol=0)


def test_without_noise_the_policy_sees_the_mean_and_a_deterministic_one_everything():
    assert torch.equal(Sampled().read(outputs(2, 7), None), outputs(2, 7)[..., :D])
    assert torch.equal(Deterministic().read(outputs(2, 7), None), outputs(2, 7))


def pearl(**changes):
    return splagger(seeds=(0, 1), **preset("pearl") | changes)


def test_training_samples_and_evaluation_does_not():
    trainer = pearl()
    trainer.collector.collect(trainer._rollout)
    noise = trainer._rollout.noise
    assert noise.shape == (2, 12, 4, D)
    assert noise.std().item() == pytest.approx(1, abs=0.1)
    assert noise.unique().numel() > 0.99 * noise.numel()  # every step and environment draws its own
    with torch.no_grad():
        for parameter in trainer.agent.policy.generated():  # latents matter
            parameter[:, :, :-1] += 0.5
        before = trainer.evaluate(4)
        trainer.agent.memory.head.bias[..., D:] += 6.0  # the posterior is e^3 times as wide
    after = trainer.evaluate(4)
    assert {name: value.tolist() for name, value in before.items()} == {n: v.tolist() for n, v in after.items()}


def test_the_update_replays_the_latents_as_they_were_sampled():
    trainer = pearl(learning_rate=1e-9)
    with torch.no_grad():
        for parameter in trainer.agent.policy.generated():
            parameter[:, :, :-1] += 0.5
    row = next(trainer.iterations(1))
    assert row["policy/approx_kl"] == pytest.approx([0, 0], abs=1e-8)
    # With other noise the same update starts from other probabilities.
    again = pearl(learning_rate=1e-9)
    with torch.no_grad():
        for parameter in again.agent.policy.generated():
            parameter[:, :, :-1] += 0.5
    again.collector.collect(again._rollout)
    again._rollout.noise.copy_(again._rollout.noise.flip(1))
    targets = again._targets()
    figures = again.updater.update(again._rollout, targets, 1e-9)
    assert (figures["policy/approx_kl"] > 1e-5).all()


def test_the_penalty_moves_the_memory_towards_the_prior():
    divergences = []
    for coefficient in (30.0, 0.0):
        trainer = pearl(latent=Sampled(kl_coef=coefficient), learning_rate=0.02)
        with torch.no_grad():
            trainer.agent.memory.head.bias.add_(1.0)
        list(trainer.iterations(12 * 48))
        trainer.collector.collect(trainer._rollout)
        divergences.append(Sampled(kl_coef=1.0).penalty(trainer._rollout.outputs).mean().item())
    assert divergences[0] < 0.3 * divergences[1]


def test_pearls_posterior_does_not_depend_on_the_order_of_the_transitions():
    trainer = pearl(num_steps=8)
    trainer.collector.collect(trainer._rollout)
    rollout, memory = trainer._rollout, trainer.agent.memory
    with torch.no_grad():
        tokens = trainer.agent.tokens(rollout.obs, rollout.actions, rollout.rewards, rollout.next_obs)
        never = torch.zeros(2, 8, 4, dtype=torch.bool)
        straight, shuffled = (
            memory.scan(tokens[:, order], memory.initial_state(4), never)[:, -1]
            for order in (torch.arange(8), torch.tensor([3, 6, 1, 0, 7, 5, 2, 4]))
        )
    torch.testing.assert_close(straight, shuffled, rtol=0, atol=1e-6)
