"""On rollouts as collected: the update's scan says what the memory said while acting, so the first PPO ratio is 1."""

import itertools

import pytest
import torch
from tiny_memory import SIZES, maze, preset, small, splagger

from algorithms.splagger.aggregator import AvgMax, Max, Mean, NoAggregator, Softmax
from algorithms.splagger.encoder import LSTM, MLP
from algorithms.splagger.gradient import StraightThrough
from algorithms.splagger.split import LearnedGate
from envs import registry
from envs.memory.options import MCLSOptions

FAMILY = {
    "splagger": {},
    "rnn": {"aggregator": NoAggregator()},
    "lstm-mean": {"encoder": LSTM(), "aggregator": Mean()},
    "no_rnn": {"encoder": MLP(), "aggregator": Softmax()},
    "amrl": {"gradient": StraightThrough()},
    "gate": {"split": LearnedGate(), "aggregator": AvgMax()},
    "pearl": preset("pearl"),
    "official": preset("official"),
}


def ragged(num_envs, seeds):
    """MC-LS: trials of different lengths, so that resets differ between environments."""
    options = MCLSOptions(rooms=1, time_limit=9, episodes=2)
    return registry.make("memory/mc_ls", num_envs=num_envs, seeds=seeds, options=options)


def recomputed(trainer):
    """``[K, T, N, 2 D]`` by the update's own way, and the gradient-free truth ``[K, T + 1, N, 2 D]``."""
    rollout, agent = trainer._rollout, trainer.agent
    with torch.no_grad():
        tokens = agent.tokens(rollout.obs, rollout.actions, rollout.rewards, rollout.next_obs)
        found = agent.outputs(tokens, rollout.dones, rollout.state, rollout.fresh, rollout.outputs[:, 0])
    return found, rollout.outputs


@pytest.mark.parametrize("terminal", ["dropped", "leaked"])
@pytest.mark.parametrize(
    ("env", "memory", "steps"),
    [
        # Trials of 8 steps: rollouts of 5 stop in mid-trial, of 8 at its end, of 20 after two and a half.
        *itertools.product([maze], ["carried"], [5, 8, 20]),
        *itertools.product([ragged], ["carried"], [5, 20]),
        (maze, "wiped", 8),
        (maze, "wiped", 20),
        (ragged, "wiped", 20),
    ],
)
def test_the_scan_repeats_what_was_remembered_step_by_step(env, memory, steps, terminal):
    trainer = splagger(seeds=(0, 1), env=env, num_steps=steps, terminal_transition=terminal, memory_at_rollout=memory)
    with torch.no_grad():  # leave the initial state, where many outputs agree by chance
        trainer.agent.memory.head.bias.add_(0.3)
    ended = torch.zeros(())
    for _ in range(5):
        trainer.collector.collect(trainer._rollout)
        found, truth = recomputed(trainer)
        torch.testing.assert_close(found, truth[:, :-1], rtol=0, atol=2e-6)
        ended += trainer._rollout.dones.sum()
    assert ended > 0


@pytest.mark.parametrize("name", FAMILY)
def test_the_scan_repeats_what_every_member_of_the_family_said(name):
    trainer = splagger(seeds=(0, 1), env=ragged, **{"num_steps": 20} | FAMILY[name])
    for _ in range(3):
        trainer.collector.collect(trainer._rollout)
        found, truth = recomputed(trainer)
        torch.testing.assert_close(found, truth[:, :-1], rtol=0, atol=5e-6)


@pytest.mark.parametrize(
    ("name", "layout", "steps"),
    [
        *itertools.product(FAMILY, ["transitions"], [20]),
        ("splagger", "sequences", 20),
        ("pearl", "sequences", 20),
        ("splagger", "transitions", 8),  # as long as a trial: every rollout starts with what an empty memory says
    ],
)
def test_the_first_ratio_is_1_after_every_update(name, layout, steps):
    one_pass = {"update_epochs": 1, "num_minibatches": 1, "learning_rate": 0.03}
    changes = FAMILY[name] | one_pass | {"minibatch_layout": layout, "normalizer_update": "after_update"}
    trainer = splagger(seeds=(0, 1), env=maze if steps == 8 else ragged, **changes | {"num_steps": steps})
    for row in trainer.iterations(4 * 4 * steps):
        assert row["policy/clip_fraction"] == pytest.approx([0, 0])
        assert row["policy/approx_kl"] == pytest.approx([0, 0], abs=1e-8)
        assert row["loss/policy"] == pytest.approx([0, 0], abs=1e-5)  # -mean of normalised advantages


def test_the_public_codes_normaliser_moves_the_first_ratio_away_from_1():
    trainer = splagger(num_steps=20, learning_rate=1e-12, normalizer_update="before_update")
    weight = trainer.agent.policy.actor.layers[-1].weight
    with torch.no_grad():  # at first the actor's outputs are nearly 0, whatever it sees
        weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    row = next(trainer.iterations(1))
    assert row["policy/approx_kl"][0] > 1e-3


class TestWhatIsRemembered:
    """Agent.remember, by hand."""

    def agent(self, **changes):
        trainer = splagger(seeds=(0, 1), **changes)
        with torch.no_grad():
            trainer.agent.memory.head.bias.add_(0.1)
        return trainer.agent

    def transition(self, agent):
        generator = torch.Generator().manual_seed(0)
        tokens = torch.rand(2, 3, agent.config.token_size, generator=generator)
        _, state = agent.memory.step(torch.rand(2, 3, agent.config.token_size, generator=generator), agent.begin(3)[1])
        return tokens, torch.tensor([[True, False, False], [False, True, False]]), state

    def test_a_dropped_terminal_transition_leaves_an_empty_memory(self):
        agent = self.agent(terminal_transition="dropped")
        tokens, dones, before = self.transition(agent)
        output, state, after = agent.remember(tokens, dones, before, agent.begin(3))
        empty_output, empty_state = agent.begin(3)
        assert torch.equal(output[dones], empty_output[dones])
        assert torch.equal(state[dones], empty_state[dones])
        alive = agent.memory.step(tokens, before)
        assert torch.equal(output[~dones], alive[0][~dones])
        assert torch.equal(state[~dones], alive[1][~dones])
        assert torch.equal(after, alive[0])

    def test_a_leaked_one_is_the_first_thing_the_next_trial_remembers(self):
        agent = self.agent(terminal_transition="leaked")
        tokens, dones, before = self.transition(agent)
        output, state, _ = agent.remember(tokens, dones, before, agent.begin(3))
        fresh = agent.memory.step(tokens, agent.begin(3)[1])
        alive = agent.memory.step(tokens, before)
        for found, leaked, kept in zip((output, state), fresh, alive, strict=True):
            assert torch.equal(found[dones], leaked[dones])
            assert torch.equal(found[~dones], kept[~dones])

    def test_an_empty_memory_says_the_prior_and_keeps_no_trace_of_it(self):
        agent = self.agent(aggregator=Max(initial="zero"))
        output, state = agent.begin(3)
        assert (state == 0).all()
        zeros = torch.zeros(2, 3, agent.config.token_size)
        torch.testing.assert_close(output, agent.memory.step(zeros, state)[0])

    def test_actions_enter_one_hot_or_as_a_number(self):
        obs, rewards = torch.zeros(2, 1, 5), torch.zeros(2, 1)
        actions = torch.tensor([[[3.0]], [[1.0]]])
        one_hot, scalar = self.agent(), self.agent(action_encoding="scalar")
        assert one_hot.memory.embed_action.weight.shape[2] == 4
        assert scalar.memory.embed_action.weight.shape[2] == 1
        place = slice(SIZES["embed_state"], SIZES["embed_state"] + SIZES["embed_action"])
        layer = one_hot.memory.embed_action
        found = one_hot.tokens(obs, actions, rewards, obs)[..., place]
        expected = torch.stack([layer.weight[0, 0, 3], layer.weight[1, 0, 1]]) + layer.bias[:, 0, 0]
        torch.testing.assert_close(found[:, 0], expected.relu())
        layer = scalar.memory.embed_action
        found = scalar.tokens(obs, actions, rewards, obs)[..., place]
        expected = torch.stack([3 * layer.weight[0, 0, 0], layer.weight[1, 0, 0]]) + layer.bias[:, 0, 0]
        torch.testing.assert_close(found[:, 0], expected.relu())


def test_a_token_is_the_embedded_state_action_reward_and_next_state():
    agent = splagger().agent
    obs, later = torch.randn(1, 2, 5), torch.randn(1, 2, 5)
    actions, rewards = torch.tensor([[[0.0], [2.0]]]), torch.tensor([[4.0, -3.0]])
    found = agent.tokens(obs, actions, rewards, later)[0]

    def linear(layer, x):
        return torch.nn.functional.linear(x, layer.weight[0, 0].T, layer.bias[0, 0, 0]).relu()

    memory = agent.memory
    one_hot = torch.eye(4)[[0, 2]]
    expected = [
        linear(memory.embed_state, obs[0]),
        linear(memory.embed_action, one_hot),
        linear(memory.embed_reward, rewards[0].unsqueeze(-1)),
        linear(memory.embed_state, later[0]),
    ]
    torch.testing.assert_close(found, torch.cat(expected, dim=-1))
    assert found.shape[-1] == small().token_size


def test_the_memory_outlives_a_rollout_unless_it_is_wiped():
    carried, wiped = splagger(num_steps=12), splagger(num_steps=12, memory_at_rollout="wiped")
    for trainer in (carried, wiped):
        for _ in range(2):
            trainer.collector.collect(trainer._rollout)
    # The second rollout starts in the middle of a trial of 8 steps.
    assert not carried._rollout.fresh.any()
    assert wiped._rollout.fresh.all()
    empty = carried.agent.memory.initial_state(4)
    assert torch.equal(wiped._rollout.state, empty)
    assert (carried._rollout.state != empty).any(-1).all()
    prior = carried.agent.memory.prior().expand(-1, 4, -1)
    torch.testing.assert_close(wiped._rollout.outputs[:, 0], prior)
    assert (carried._rollout.outputs[:, 0] - prior).abs().max() > 1e-3


@pytest.mark.parametrize("terminal", ["dropped", "leaked"])
@pytest.mark.parametrize("steps", [5, 8])
def test_a_carried_memory_goes_on_with_what_it_last_said(steps, terminal):
    # Rollouts of 8 stop exactly where the trials do: a leaked transition is then all that the next trial remembers.
    trainer = splagger(num_steps=steps, terminal_transition=terminal)
    rollout, prior = trainer._rollout, trainer.agent.memory.prior()
    for _ in range(3):
        trainer.collector.collect(rollout)
        said = rollout.outputs[:, -1].clone()
        trainer.collector.collect(rollout)
        assert torch.equal(rollout.outputs[:, 0], said)
        assert torch.equal((rollout.outputs[:, 0] == prior).all(-1), rollout.fresh)
        assert rollout.fresh.all() == (terminal == "dropped" and steps == 8)


def test_a_gradient_does_not_reach_back_beyond_the_rollout_but_reaches_the_prior():
    trainer = splagger(num_steps=4)
    agent, rollout = trainer.agent, trainer._rollout
    for place in range(2):
        trainer.collector.collect(rollout)
        tokens = agent.tokens(rollout.obs, rollout.actions, rollout.rewards, rollout.next_obs)
        outputs = agent.outputs(tokens, rollout.dones, rollout.state, rollout.fresh, rollout.outputs[:, 0])
        # Step 0 of a trial's first rollout sees the prior, which has parameters; a carried output is a constant.
        assert outputs[:, 0].requires_grad
        (grad,) = torch.autograd.grad(outputs[:, 0].sum(), agent.memory.head.bias)
        assert (grad != 0).any() == (place == 0)
