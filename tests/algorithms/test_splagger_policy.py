"""Hypernetwork, plain network and their initial values."""

import gymnasium
import numpy as np
import pytest
import torch
from tiny_memory import small
from torch import nn

from algorithms.ppo.distributions import distribution_for
from algorithms.splagger.hypernetwork import NoHypernetwork
from algorithms.splagger.latent import Sampled
from algorithms.splagger.policy import ActorCritic, HyperLinear

CPU = torch.device("cpu")
OBS, LATENT, EMBEDDING, UNITS = 5, 6, 4, 6
DISCRETE = gymnasium.spaces.Discrete(4)
BOX = gymnasium.spaces.Box(-1, 1, (3,), np.float32)


def build(space=DISCRETE, seeds=(0, 1), **changes) -> ActorCritic:
    return ActorCritic(small(**changes), seeds, OBS, distribution_for(space, CPU))


def rows(size: int, count: int = 7, seeds: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.randn(seeds, count, size, generator=torch.Generator().manual_seed(seed))


def answers(policy: ActorCritic, obs: torch.Tensor, latent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    u, c = policy.embed(obs, latent)
    return policy.act(u, c), policy.value(u, c)


class TestHypernetwork:
    @pytest.mark.parametrize("seeds", [1, 3])
    def test_a_layer_is_the_one_whose_weights_the_latent_generates_row_by_row(self, seeds):
        layer = HyperLinear(seeds, EMBEDDING, 5, 3)
        nn.init.normal_(layer.weight)
        nn.init.normal_(layer.bias)
        x, c = rows(5, seeds=seeds), rows(EMBEDDING, seeds=seeds, seed=1)
        found = layer(x, torch.cat([c, torch.ones(seeds, 7, 1)], dim=-1))
        for seed in range(seeds):
            for row in range(7):
                # Heads, one per parameter: theta(c) = A c + a, materialised.
                heads, base = layer.weight[seed, :, :-1], layer.weight[seed, :, -1]
                weight = torch.einsum("ieo,e->oi", heads, c[seed, row]) + base.T
                bias = c[seed, row] @ layer.bias[seed, 0, :-1] + layer.bias[seed, 0, -1]
                expected = nn.functional.linear(x[seed, row], weight, bias)
                torch.testing.assert_close(found[seed, row], expected, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("space", [DISCRETE, BOX])
    def test_at_first_every_latent_gives_the_same_actor_and_critic_and_hears_no_gradient(self, space):
        policy = build(space)
        latent = (10 * rows(LATENT)).requires_grad_()
        obs = rows(OBS)
        params, values = answers(policy, obs, latent)
        others, other_values = answers(policy, obs, rows(LATENT, seed=9))
        assert torch.equal(params, others)
        assert torch.equal(values, other_values)
        inputs = [latent, *policy.latent_branch.parameters()]
        for grad in torch.autograd.grad(params[..., 0].sum() + values.sum(), inputs):
            assert (grad == 0).all()
        # The heads themselves are heard, so that the first step breaks the tie.
        policy.zero_grad()
        params, values = answers(policy, obs, latent)
        (params[..., 0].sum() + values.sum()).backward()
        for parameter in policy.generated():
            assert parameter.grad[:, :, :-1].abs().amax() > 0

    def test_at_first_it_is_the_base_network(self):
        policy = build()
        u = rows(UNITS)
        for seed in range(2):
            x = u[seed]
            *hidden, last = policy.critic.layers
            for layer in hidden:
                x = (x @ layer.weight[seed, :, -1] + layer.bias[seed, 0, -1]).tanh()
            expected = x @ last.weight[seed, :, -1] + last.bias[seed, 0, -1]
            found = policy.value(u, rows(EMBEDDING))[seed]
            torch.testing.assert_close(found, expected.squeeze(-1))

    def test_after_a_change_of_the_heads_latents_matter(self):
        policy = build()
        with torch.no_grad():
            for parameter in policy.generated():
                parameter[:, :, :-1] += 0.3
        latent = rows(LATENT).requires_grad_()
        _, values = answers(policy, rows(OBS), latent)
        (grad,) = torch.autograd.grad(values[0].sum(), latent)
        assert (grad[0] != 0).any(-1).all()
        assert (grad[1] == 0).all()


class TestPlainNetwork:
    def test_the_latent_joins_the_state_as_an_input(self):
        policy = build(hypernetwork=NoHypernetwork())
        u, c = rows(UNITS), rows(EMBEDDING)
        for seed in range(2):
            x = torch.cat([u[seed], c[seed]], dim=-1)
            *hidden, last = policy.critic.layers
            for layer in hidden:
                x = nn.functional.linear(x, layer.weight[seed, 0].T, layer.bias[seed, 0, 0]).tanh()
            expected = nn.functional.linear(x, last.weight[seed, 0].T, last.bias[seed, 0, 0])
            torch.testing.assert_close(policy.value(u, c)[seed], expected.squeeze(-1))
        assert policy.generated() == []

    def test_latents_matter_from_the_first_step(self):
        policy = build(hypernetwork=NoHypernetwork())
        latent = rows(LATENT).requires_grad_()
        _, values = answers(policy, rows(OBS), latent)
        (grad,) = torch.autograd.grad(values.sum(), latent)
        assert (grad != 0).any()


class TestBranches:
    def test_state_and_latent_are_embedded_by_a_tanh_layer_each(self):
        policy = build()
        obs, latent = rows(OBS), rows(LATENT)
        u, c = policy.embed(obs, latent)
        for seed in range(2):
            for found, x, layer in ((u, obs, policy.state_branch), (c, latent, policy.latent_branch)):
                expected = nn.functional.linear(x[seed], layer.weight[seed, 0].T, layer.bias[seed, 0, 0]).tanh()
                torch.testing.assert_close(found[seed], expected)

    def test_a_sampled_latent_is_half_as_wide(self):
        assert build().latent_branch.weight.shape[2] == 6
        assert build(latent=Sampled()).latent_branch.weight.shape[2] == 3


class TestInitialValues:
    """Reference sheet, 1.5."""

    def base(self, network, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        one = network.layers[layer]
        return one.weight[:, :, -1], one.bias[:, 0, -1]

    def test_hidden_layers_are_directions_of_the_length_of_tanhs_gain(self):
        policy = build(policy_hidden=(12, 9))
        for network in (policy.actor, policy.critic):
            for layer in (0, 1):
                weight, bias = self.base(network, layer)
                torch.testing.assert_close(weight.norm(dim=1), torch.full(weight.shape[::2], 5 / 3))
                assert (bias == 0).all()
        assert (self.base(policy.actor, 0)[0] != self.base(policy.critic, 0)[0]).any()

    def test_a_discrete_actor_starts_nearly_uniform_with_orthogonal_outputs(self):
        weight, bias = self.base(build(policy_hidden=(12, 9)).actor, -1)
        for one in weight:  # 9 units to 4 actions: orthogonal columns of length 0.01
            torch.testing.assert_close(one.T @ one, 1e-4 * torch.eye(4), rtol=0, atol=1e-9)
        assert (bias == 0).all()

    def test_a_continuous_actor_has_unit_directions_and_a_free_deviation_of_1(self):
        policy = build(BOX)
        weight, _ = self.base(policy.actor, -1)
        torch.testing.assert_close(weight.norm(dim=1), torch.ones(2, 3))
        assert policy.log_std.shape == (2, 1, 3)
        assert (policy.log_std == 0).all()
        assert build().log_std is None

    def test_the_critics_last_layer_is_uniform_and_its_bias_0_or_the_codes(self):
        policy = build(seeds=range(300), policy_hidden=(6, 24))
        weight, bias = self.base(policy.critic, -1)
        bound = (6 / 24) ** 0.5
        assert weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)
        assert (bias == 0).all()
        _, official = self.base(build(seeds=range(300), critic_bias="uniform").critic, -1)
        assert official.abs().max() <= 1
        assert official.std().item() == pytest.approx(3**-0.5, rel=0.1)

    def test_a_seeds_values_do_not_depend_on_the_other_seeds(self):
        alone, among = build(seeds=(7,)), build(seeds=(3, 7, 5))
        for one, other in zip(alone.parameters(), among.parameters(), strict=True):
            assert torch.equal(one[0], other[1])
        assert (alone.latent_branch.weight[0] != among.latent_branch.weight[0]).any()
