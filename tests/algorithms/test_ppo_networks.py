"""Networks: against torch.nn, against plain concatenation, and lane by lane."""

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from algorithms.ppo.config import Lstm, Mlp
from algorithms.ppo.distributions import distribution_for
from algorithms.ppo.layers import StackedLayerNorm, StackedLinear, StackedLstm
from algorithms.ppo.networks import ActorCritic, PolicySet

CPU = torch.device("cpu")
OBS, ACTION = 4, 2
LSTM_BEFORE = Lstm(hidden_size=5, hidden=(7,), position="before_mlp")
LSTM_AFTER = Lstm(hidden_size=5, hidden=(7,), position="after_mlp")
NETWORKS = {"mlp": Mlp(hidden=(7, 6)), "before_mlp": LSTM_BEFORE, "after_mlp": LSTM_AFTER}


def build(network=NETWORKS["mlp"], policies=None, seeds=(0, 1), *, shared=False, bf16=False, critic=OBS):
    box = gymnasium.spaces.Box(-1, 1, (ACTION,), np.float32)
    policies = policies or PolicySet()
    return ActorCritic(
        seeds, OBS, critic, distribution_for(box, CPU), policies, network, shared=shared, bf16=bf16
    )  # fmt: skip


def inputs(rows=6, steps=3, policies=3, seeds=2, state=0):
    """obs, one-hot policies, state of each sequence, resets; one policy per sequence."""
    generator = torch.Generator().manual_seed(0)
    sequences = rows // steps
    of_sequence = torch.randint(0, policies, (seeds, sequences), generator=generator)
    one_hot = nn.functional.one_hot(of_sequence.repeat_interleave(steps, 1), policies).float()
    resets = torch.rand(seeds, sequences, steps, generator=generator) < 0.4
    obs = torch.randn(seeds, rows, OBS, generator=generator)
    return obs, one_hot, torch.randn(seeds, sequences, state, generator=generator), resets


def test_stacked_linear_is_torchs_linear_in_every_lane():
    layer = StackedLinear(2, 3, 4, 5)
    layer.initialize([0, 1], "x")
    nn.init.normal_(layer.bias)
    x = torch.randn(6, 9, 4)
    for lane, (seed, network) in enumerate(np.ndindex(2, 3)):
        expected = nn.functional.linear(x[lane], layer.weight[seed, network].T, layer.bias[seed, network, 0])
        torch.testing.assert_close(layer(x)[lane], expected)


def test_weights_start_uniform_in_one_over_the_root_of_the_inputs_and_biases_at_0():
    layer = StackedLinear(1, 1, 400, 300)
    layer.initialize([0], "x")
    assert layer.weight.abs().max() <= 0.05
    # U(-b, b) has the standard deviation b / sqrt(3)
    assert layer.weight.std().item() == pytest.approx(0.05 / 3**0.5, rel=0.01)
    assert layer.bias.abs().max() == 0


def test_stacked_layer_norm_is_torchs():
    norm = StackedLayerNorm(2, 1, 5)
    nn.init.normal_(norm.gain)
    nn.init.normal_(norm.offset)
    x = torch.randn(2, 9, 5)
    for seed in range(2):
        expected = nn.functional.layer_norm(x[seed], (5,), norm.gain[seed, 0, 0], norm.offset[seed, 0, 0])
        torch.testing.assert_close(norm(x)[seed], expected)


def test_stacked_lstm_is_torchs_restarted_at_every_reset():
    steps, sequences, size = 6, 3, 5
    layer = StackedLstm(2, 1, 4, size)
    layer.initialize([0, 1], "x")
    nn.init.normal_(layer.input.bias)
    x = torch.randn(2, sequences * steps, 4)
    state = torch.randn(2, sequences, 2 * size)
    resets = torch.rand(2, sequences, steps) < 0.3
    resets[0, 0] = False
    resets[1, 1, 0] = True
    outputs, states = layer(x, state, resets)
    for seed in range(2):
        reference = nn.LSTM(4, size, batch_first=True)
        reference.weight_ih_l0.data = layer.input.weight[seed, 0].T.clone()
        reference.weight_hh_l0.data = layer.recurrent[seed, 0].T.clone()
        reference.bias_ih_l0.data = layer.input.bias[seed, 0, 0].clone()
        reference.bias_hh_l0.data.zero_()
        for sequence in range(sequences):
            hidden, cell = state[seed, sequence].split(size)
            carried = hidden.view(1, 1, -1), cell.view(1, 1, -1)
            for step in range(steps):
                if resets[seed, sequence, step]:
                    carried = torch.zeros(1, 1, size), torch.zeros(1, 1, size)
                row = sequence * steps + step
                out, carried = reference(x[seed, row].view(1, 1, -1), carried)
                torch.testing.assert_close(outputs[seed, row], out.flatten())
                torch.testing.assert_close(states[seed, row], torch.cat([c.flatten() for c in carried]))


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("shared", [False, True], ids=["separate", "shared"])
def test_a_scan_equals_single_steps(network, shared):
    net = build(network, shared=shared)
    obs, _, state, resets = inputs(state=net.state_size)
    params, values, states = net(obs, obs, None, state, resets)
    carried = state
    for step in range(3):
        here = obs[:, step::3]
        one_params, one_values, carried = net(here, here, None, carried, resets[..., step : step + 1])
        torch.testing.assert_close(params[:, step::3], one_params)
        torch.testing.assert_close(values[:, step::3], one_values)
        torch.testing.assert_close(states[:, step::3], carried)


@pytest.mark.parametrize("shared", [False, True], ids=["separate", "shared"])
def test_the_latents_of_an_mlp_are_appended_to_its_input(shared):
    policies = PolicySet(num_policies=3, latent_dim=4, num_log_stds=3)
    net = build(policies=policies, shared=shared)
    obs, one_hot, state, resets = inputs(state=0)
    params, values, _ = net(obs, obs, one_hot, state, resets)
    for seed in range(2):
        wide = torch.cat([obs[seed], one_hot[seed] @ net.phi[seed]], -1)

        def trunk(part, wide=wide, seed=seed):
            first, second = part.mlp.layers
            weight = torch.cat([first.weight[seed, 0], part.latent[seed]])
            hidden = nn.functional.elu(wide @ weight + first.bias[seed, 0])
            return nn.functional.elu(hidden @ second.weight[seed, 0] + second.bias[seed, 0])

        features = trunk(net.actor)
        mean = features @ net.action_head.weight[seed, 0] + net.action_head.bias[seed, 0]
        torch.testing.assert_close(params[seed, :, :ACTION], mean)
        features = features if shared else trunk(net.critic)
        value = features @ net.value_head.weight[seed, 0] + net.value_head.bias[seed, 0]
        torch.testing.assert_close(values[seed], value[:, 0])


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_equal_latents_make_equal_policies_and_different_ones_different(network):
    net = build(network, PolicySet(num_policies=3, latent_dim=4))
    obs, one_hot, state, resets = inputs(state=net.state_size)
    other = one_hot.roll(1, -1)

    def outputs(policy):
        params, values, _ = net(obs, obs, policy, state, resets)
        return torch.cat([params, values.unsqueeze(-1)], -1)

    assert (outputs(one_hot) - outputs(other)).abs().max() > 1e-3
    with torch.no_grad():
        net.phi.copy_(net.phi[:, :1].clone())
    torch.testing.assert_close(outputs(one_hot), outputs(other), rtol=0, atol=1e-6)


@pytest.mark.parametrize("network", [LSTM_BEFORE, LSTM_AFTER], ids=["before_mlp", "after_mlp"])
def test_after_rnn_leaves_the_recurrent_state_the_same_under_every_policy(network):
    obs, one_hot, _, resets = inputs()

    def states(after_rnn):
        net = build(network, PolicySet(num_policies=3, latent_dim=4, latent_after_rnn=after_rnn))
        state = net.initial_state(2)
        first, second = (net(obs, obs, policy, state, resets) for policy in (one_hot, one_hot.roll(1, -1)))
        assert (first[0] - second[0]).abs().max() > 1e-4, "the policies are one"
        return (first[2] - second[2]).abs().max().item()

    assert states(after_rnn=True) == 0
    assert states(after_rnn=False) > 1e-3


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_phi_and_log_std_of_a_policy_get_no_gradient_from_other_policies_rows(network):
    net = build(network, PolicySet(num_policies=3, latent_dim=4, num_log_stds=3))
    obs, _, state, resets = inputs(state=net.state_size)
    only_1 = torch.zeros(2, 6, 3)
    only_1[..., 1] = 1
    params, values, _ = net(obs, obs, only_1, state, resets)
    (params.square().sum() + values.square().sum() + params.sum()).backward()
    for gradient in (net.phi.grad, net.log_std.grad):
        assert gradient[:, [0, 2]].abs().max() == 0
        assert (gradient[:, 1].abs().amax(-1) > 0).all()


def test_a_shared_standard_deviation_serves_every_policy():
    net = build(policies=PolicySet(num_policies=3, latent_dim=4, num_log_stds=1))
    with torch.no_grad():
        net.log_std.copy_(torch.tensor([[[0.1, 0.2]], [[0.3, 0.4]]]))
    obs, one_hot, state, resets = inputs()
    params, _, _ = net(obs, obs, one_hot, state, resets)
    torch.testing.assert_close(params[..., ACTION:], net.log_std.expand(-1, 6, -1))


def test_a_separate_critic_sends_no_gradient_to_the_actor_and_a_shared_trunk_does():
    for shared in (False, True):
        net = build(shared=shared)
        obs, _, state, resets = inputs()
        net(obs, obs, None, state, resets)[1].sum().backward()
        reached = net.actor.mlp.layers[0].weight.grad is not None
        assert reached == shared


def test_the_critic_reads_its_own_observation():
    net = build(critic=9)
    obs, _, state, resets = inputs()
    privileged = torch.randn(2, 6, 9, requires_grad=True)
    params, values, _ = net(obs, privileged, None, state, resets)
    assert torch.autograd.grad(values.sum(), privileged, retain_graph=True)[0].abs().sum() > 0
    assert torch.autograd.grad(params.sum(), privileged, allow_unused=True)[0] is None


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_seeds_weights_do_not_depend_on_the_other_seeds(network):
    policies = PolicySet(num_policies=3, latent_dim=4)
    together, alone = build(network, policies, (5, 6)), build(network, policies, (6,))
    for (name, ours), theirs in zip(together.named_parameters(), alone.parameters(), strict=True):
        assert torch.equal(ours[1:], theirs), name
    assert not torch.equal(together.phi[0], together.phi[1])


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_bfloat16_answers_in_float32_and_about_the_same(network):
    policies = PolicySet(num_policies=3, latent_dim=4)
    full, half = build(network, policies), build(network, policies, bf16=True)
    obs, one_hot, state, resets = inputs(state=full.state_size)
    expected, found = full(obs, obs, one_hot, state, resets), half(obs, obs, one_hot, state, resets)
    for a, b in zip(expected[:2], found[:2], strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, rtol=0.05, atol=0.02)
    assert not torch.equal(expected[0], found[0]), "nothing ran in bfloat16"
