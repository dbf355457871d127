"""Routing rows to separate networks and back."""

import gymnasium
import numpy as np
import pytest
import torch

from algorithms.ppo.config import Lstm, Mlp
from algorithms.ppo.dispatch import Dispatch
from algorithms.ppo.distributions import distribution_for
from algorithms.ppo.networks import ActorCritic, PolicySet

SEEDS, NETWORKS, SEQUENCES, STEPS, OBS = 2, 3, 7, 4, 5
# Uneven groups; seed 1 never uses network 0.
POLICY = torch.tensor([[2, 0, 0, 1, 2, 2, 0], [1, 1, 2, 1, 2, 1, 1]])
TRUNKS = {"mlp": Mlp(hidden=(6,)), "lstm": Lstm(hidden_size=3, hidden=(6,))}


def test_gather_undoes_scatter():
    rows = torch.randn(SEEDS, SEQUENCES * STEPS, 3)
    dispatch = Dispatch(POLICY, NETWORKS, STEPS)
    assert torch.equal(dispatch.gather(dispatch.scatter(rows)), rows)


def test_every_sequence_reaches_its_own_network():
    # A row holds its own policy: in lane (k, j) the first count(j) sequences of seed k must all read j.
    rows = POLICY.repeat_interleave(STEPS, 1).unsqueeze(-1).float()
    lanes = Dispatch(POLICY, NETWORKS, STEPS).scatter(rows).unflatten(0, (SEEDS, NETWORKS))
    for seed in range(SEEDS):
        for network in range(NETWORKS):
            count = int((POLICY[seed] == network).sum()) * STEPS
            assert (lanes[seed, network, :count] == network).all()


def disjoint(trunk) -> ActorCritic:
    box = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    return ActorCritic(
        [0, 1],
        OBS,
        OBS,
        distribution_for(box, torch.device("cpu")),
        PolicySet(num_policies=NETWORKS, num_networks=NETWORKS, num_log_stds=NETWORKS),
        trunk,
        shared=False,
        bf16=False,
    )


def evaluate(net: ActorCritic, obs, policy, state, resets):
    one_hot = torch.nn.functional.one_hot(policy.repeat_interleave(STEPS, 1), NETWORKS).float()
    return net(obs, obs, one_hot, state, resets, Dispatch(policy, NETWORKS, STEPS))


def problem(net: ActorCritic):
    generator = torch.Generator().manual_seed(0)
    obs = torch.randn(SEEDS, SEQUENCES * STEPS, OBS, generator=generator)
    state = torch.randn(SEEDS, SEQUENCES, net.state_size, generator=generator)
    resets = torch.rand(SEEDS, SEQUENCES, STEPS, generator=generator) < 0.3
    return obs, state, resets


@pytest.mark.parametrize("trunk", TRUNKS.values(), ids=TRUNKS)
def test_separate_networks_answer_as_each_would_alone(trunk):
    net = disjoint(trunk)
    obs, state, resets = problem(net)
    params, values, states = evaluate(net, obs, POLICY, state, resets)
    for network in range(NETWORKS):
        everything = evaluate(net, obs, torch.full_like(POLICY, network), state, resets)
        mine = POLICY.eq(network).repeat_interleave(STEPS, 1)
        for ours, theirs in zip((params, values, states), everything, strict=True):
            torch.testing.assert_close(ours[mine], theirs[mine])
    other = evaluate(net, obs, (POLICY + 1) % NETWORKS, state, resets)
    assert ((params - other[0]).abs().amax(-1) > 1e-4).all(), "two networks agree: they are not separate"


@pytest.mark.parametrize("trunk", TRUNKS.values(), ids=TRUNKS)
def test_a_network_gets_no_gradient_from_the_others_rows_nor_from_padding(trunk):
    net = disjoint(trunk)
    obs, state, resets = problem(net)
    params, values, _ = evaluate(net, obs, POLICY, state, resets)
    mine = (POLICY == 1).repeat_interleave(STEPS, 1)
    (params[mine].square().sum() + params[mine].sum() + values[mine].square().sum()).backward()
    weights = [(name, p) for name, p in net.named_parameters() if p.shape[1] == NETWORKS]
    assert len(weights) >= 9
    for name, parameter in weights:
        assert parameter.grad[:, [0, 2]].abs().max() == 0, name
        assert (parameter.grad[:, 1].flatten(1).abs().amax(1) > 0).all(), name
