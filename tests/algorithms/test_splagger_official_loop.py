"""The benchmark's loop is an honest peer: official sizes and numbers of calls, the same memory as ours, and it learns.

The loop (``benchmarks/peers/splagger_loop.py``) was written from the description of the official code, one encoder call
per step; so this also holds preset ``official`` to an independent account of that code's quirks.
"""

import importlib
from pathlib import Path

import pytest
import torch
from tiny_memory import preset

from algorithms.ppo.allocator import keep_freed_memory
from algorithms.splagger.agent import Agent
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.memory import Memory

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def peers():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        names = ("loop", "model", "worlds")
        yield {name: importlib.import_module(f"peers.splagger_{name}") for name in names}


def make_loop(peers, *, num_envs=4, length=5, **options):
    torch.manual_seed(0)
    world = peers["worlds"].PythonWorld(num_envs, length=length)
    return peers["loop"].Loop(world, num_envs, peers["loop"].Options(**options))


def same_memory(encoder):
    """Our memory with the loop's parameters, and an agent of the official preset around it."""
    config = SplAggerConfig(**preset("official"))
    memory = Memory(config, [0], 5, 1)
    pairs = [
        (memory.embed_state, encoder.state.weight, encoder.state.bias),
        (memory.embed_action, encoder.action.weight, encoder.action.bias),
        (memory.embed_reward, encoder.reward.weight, encoder.reward.bias),
        (memory.encoder.input, encoder.gru.weight_ih_l0, encoder.gru.bias_ih_l0),
        (memory.encoder.recurrent, encoder.gru.weight_hh_l0, encoder.gru.bias_hh_l0),
        (memory.head, encoder.head.weight, encoder.head.bias),
    ]
    with torch.no_grad():
        for ours, weight, bias in pairs:
            ours.weight.copy_(weight.T[None, None])
            ours.bias.copy_(bias.view_as(ours.bias))
    return Agent(config, memory, None, None, 0), pairs


def test_the_sizes_are_the_official_ones(peers):
    model = peers["model"]
    assert model.num_parameters(model.Encoder(5)) == 265_976
    assert model.num_parameters(model.Policy(5, 4)) == 5_150_707


def test_an_update_calls_the_encoder_as_often_as_the_official_code(peers):
    loop = make_loop(peers, num_envs=2, num_steps=8, empty_trajectory_steps=60)
    loop.iterate()
    assert loop.encoder_calls == 60 + 8 + 9 * 8
    loop = make_loop(
        peers, num_envs=2, num_steps=8, empty_trajectory_steps=0, recompute_after_last=False, evaluation_steps=30
    )
    loop.iterate()
    assert loop.encoder_calls == 8 + 8 * 8 + 30


def test_our_scan_says_what_the_loop_says_forward_and_backward(peers):
    """Over 50 steps of trials of 20: leaked terminal transitions, a maximum from 0, actions as numbers."""
    loop = make_loop(peers, num_steps=50)
    rollout = loop._collect()
    assert rollout["done"].any()
    agent, pairs = same_memory(loop.encoder)
    theirs = torch.cat([torch.stack(half) for half in loop._recompute(rollout)], -1)[:-1]
    state, next_state = rollout["state"], rollout["next"]
    tokens = agent.tokens(
        state[None], rollout["action"].float()[None, ..., None], rollout["reward"][None], next_state[None]
    )
    output, empty = agent.begin(4)
    fresh = torch.ones(1, 4, dtype=torch.bool)
    ours = agent.outputs(tokens, rollout["done"][None], empty, fresh, output)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    direction = torch.randn_like(theirs)
    (theirs * direction).sum().backward()
    (ours * direction).sum().backward()
    for module, weight, bias in pairs:
        scale = weight.grad.norm()
        assert (module.weight.grad[0, 0].T - weight.grad).norm() < 1e-4 * scale
        assert (module.bias.grad.flatten() - bias.grad).norm() < 1e-4 * bias.grad.norm()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_loop_learns_a_short_corridor(peers):
    """Four cells from the sign to the junction: 2 without looking, 12.5 from the first reward, 16 with the sign."""
    keep_freed_memory()
    loop = make_loop(
        peers, num_envs=16, num_steps=60, learning_rate=1e-3, empty_trajectory_steps=0, recompute_after_last=False
    )
    returns = [loop.iterate()["return"] for _ in range(28)]
    assert sum(returns[-5:]) / 5 > 14
