"""The trainer: the shipped contract for the family, resuming in mid-trial, and memory across short rollouts."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from tiny import Point, same_rows
from tiny_memory import maze, preset, splagger

from algorithms.splagger.aggregator import NoAggregator, Softmax, WeightedSoftmax
from algorithms.splagger.encoder import LSTM
from algorithms.splagger.hypernetwork import NoHypernetwork
from algorithms.splagger.split import LearnedGate
from algorithms.testing import check_trainer, train
from envs import registry
from envs.memory.options import MCLSOptions, TMazeOptions

MEMBERS = {
    "splagger": {},
    "rnn-lstm": {"encoder": LSTM(), "aggregator": NoAggregator()},
    "rl2": {"aggregator": NoAggregator(), "hypernetwork": NoHypernetwork()},
    "pearl": preset("pearl"),
    "official": preset("official"),
    "gate-softmax": {"split": LearnedGate(), "aggregator": Softmax()},
    "sequences-wsoftmax": {"minibatch_layout": "sequences", "aggregator": WeightedSoftmax(), "num_steps": 10},
}


@pytest.mark.parametrize("changes", MEMBERS.values(), ids=MEMBERS)
def test_the_family_keeps_the_trainers_contract(changes):
    # Trials of 8 steps, rollouts of 12 (or 10): every checkpoint is taken in the middle of trials.
    check_trainer(lambda seeds: splagger(seeds=seeds, num_envs=2, **changes), iterations=1)


@pytest.mark.parametrize("steps", [5, 8])
def test_a_run_resumes_in_the_middle_of_a_trial_and_between_trials_bit_for_bit(steps):
    trainer = splagger(seeds=(0, 1), num_steps=steps, learning_rate=0.02)
    train(trainer, 3)
    assert trainer.collector.state_dict()["fresh"].all() == (steps == 8)
    file = io.BytesIO()
    torch.save(trainer.state_dict(), file)
    expected = train(trainer, 4)
    file.seek(0)
    resumed = splagger(seeds=(0, 1), num_steps=steps, learning_rate=0.02)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert resumed.env_steps == 3 * 4 * steps
    assert same_rows(train(resumed, 4), expected)


def test_a_checkpoint_of_another_config_or_seed_is_refused():
    state = splagger().state_dict()
    for other in (splagger(seeds=(1,)), splagger(gamma=0.9)):
        with pytest.raises(ValueError, match="other seeds or another config"):
            other.load_state_dict(state)


def test_an_environment_without_a_task_is_refused_and_closed():
    closed = []

    class Watched(Point):
        def close(self):
            closed.append(True)
            super().close()

    with pytest.raises(ValueError, match="no task parameters"):
        splagger(env=lambda n, seeds: Watched(n, seeds))
    assert closed


def test_continuous_actions_enter_the_memory_as_they_were_sampled():
    class Task(Point):
        """With parameters to read; the memory gets two action columns."""

        task = torch.zeros(1, 4, 1)

    trainer = splagger(env=lambda n, seeds: Task(n, seeds, limit=5), num_steps=10, learning_rate=0.01)
    assert trainer.agent.memory.embed_action.weight.shape[2] == 2
    rows = train(trainer, 3)
    assert all(np.isfinite(row["policy/approx_kl"]).all() for row in rows)
    trainer.collector.collect(trainer._rollout)
    actions = trainer._rollout.actions
    assert (actions.abs() > 1).any()  # unclamped: what the density is of
    # Time ran out: what follows is valued with the memory that saw the last transition.
    truncated = trainer._rollout.truncated
    assert truncated.any()
    assert (trainer._rollout.timeout_values[truncated] != 0).all()
    assert (trainer._rollout.timeout_values[~truncated] == 0).all()


def test_a_cut_off_trial_is_valued_at_its_final_observation_under_its_own_memory():
    class Task(Point):
        task = torch.zeros(1, 4, 1)

    trainer = splagger(env=lambda n, seeds: Task(n, seeds, limit=5), num_steps=5)
    with torch.no_grad():
        for parameter in trainer.agent.policy.generated():
            parameter[:, :, :-1] += 0.5
    trainer.collector.collect(trainer._rollout)
    rollout, agent = trainer._rollout, trainer.agent
    tokens = agent.tokens(rollout.obs, rollout.actions, rollout.rewards, rollout.next_obs)
    state = rollout.state
    with torch.no_grad():
        for t in range(5):
            output, state = agent.memory.step(tokens[:, t], state)
        values = agent.values(rollout.next_obs[:, 4], output, None)
    whole = rollout.truncated[:, 4] & ~rollout.dones[:, :4].any(1)
    assert whole.any()
    torch.testing.assert_close(rollout.timeout_values[:, 4][whole], values[whole])


def test_returns_are_those_of_whole_trials():
    trainer = splagger(num_steps=16, num_envs=8)
    row = next(trainer.iterations(1))
    # Two trials per environment, two episodes each: every trial is worth -6, 1 or 8.
    total = row["episode/return"][0] * 16
    assert total == pytest.approx(round(total))
    assert row["episode/length"][0] == 8
    played = trainer.evaluate(5)
    assert played["eval/length"][0] == 8
    assert played["eval/return"][0] * 5 == pytest.approx(round(played["eval/return"][0] * 5))
    first, last = played["eval/first_episode_return"], played["eval/last_episode_return"]
    assert first + last == pytest.approx(played["eval/return"])


def test_evaluation_acts_with_the_memory_and_the_most_likely_actions():
    """Trials replayed by hand: observe, act by the mode, remember."""
    trainer, made = splagger(num_steps=16), []
    agent = trainer.agent
    list(trainer.iterations(2 * 64))  # the normaliser moves
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # the latent decides
        for parameter in (*agent.policy.generated(), *agent.policy.latent_branch.parameters()):
            parameter.add_(torch.randn(parameter.shape, generator=generator))
        agent.memory.head.weight.mul_(20)

    def recorded(num_envs, seeds):
        env = maze(num_envs, seeds)
        made.append((num_envs, tuple(seeds), []))
        step = env.step
        env.step = lambda actions: (made[-1][2].append(actions), step(actions))[1]
        return env

    trainer._make_env = recorded
    played = trainer.evaluate(6)
    ((count, seeds, taken),) = made
    assert (count, len(taken)) == (6, 8)
    env = maze(count, seeds)
    obs, _ = env.reset()
    total = torch.zeros(1, 6)
    remembered = False
    with torch.no_grad():
        output, state = agent.memory.prior().expand(-1, 6, -1), agent.memory.initial_state(6)
        for actions in taken:
            u, c = agent.policy.embed(agent.normalizer.normalize(obs), output)
            assert torch.equal(actions, agent.policy.actor(u, c).argmax(-1))
            _, blind = agent.policy.embed(agent.normalizer.normalize(obs), agent.memory.prior().expand(-1, 6, -1))
            remembered |= not torch.equal(actions, agent.policy.actor(u, blind).argmax(-1))
            following, rewards, _, _, info = env.step(actions)
            tokens = agent.tokens(obs, actions.unsqueeze(-1).float(), rewards, info["final_obs"])
            output, state = agent.memory.step(tokens, state)
            obs, total = following, total + rewards
    assert remembered
    assert played["eval/return"][0] == pytest.approx(total.mean().item())


def test_a_seed_that_is_lost_does_not_take_the_others_with_it():
    trainer = splagger(seeds=(0, 1))
    with torch.no_grad():
        trainer.agent.memory.head.weight[1] = torch.nan
    healthy = train(splagger(seeds=(0, 1)), 2)
    for row, other in zip(train(trainer, 2), healthy, strict=True):
        assert row["health/finite"].tolist() == [1, 0]
        for name, value in other.items():
            assert row[name][0] == value[0] or np.isnan(value[0]), name


def t_maze(length, episodes=4):
    options = TMazeOptions(length=length, episodes=episodes)
    return lambda n, seeds: registry.make("memory/t_maze", num_envs=n, seeds=seeds, options=options)


MEDIUM = {
    "latent_dim": 6,
    "embed_state": 16,
    "embed_action": 4,
    "embed_reward": 4,
    "state_embedding": 32,
    "latent_embedding": 8,
    "policy_hidden": (32, 32),
    "num_minibatches": 4,
}


def medium(env, num_envs, **changes):
    trainer = splagger(seeds=(0, 1, 2), num_envs=num_envs, env=env, **MEDIUM | changes)
    config = dataclasses.replace(trainer.config, encoder=dataclasses.replace(trainer.config.encoder, hidden_size=64))
    return type(trainer)(config, env, num_envs=num_envs, seeds=(0, 1, 2))


@pytest.mark.slow
def test_splagger_masters_the_t_maze_and_what_cannot_remember_does_not():
    trainer = medium(t_maze(20), 32, num_steps=80)
    for row in trainer.iterations(100_000):
        assert np.isfinite(row["loss/value"]).all()
    played = trainer.evaluate(128)
    assert (played["eval/return"] > 15).all()
    assert (played["eval/last_episode_return"] > 3.5).all()
    # No recurrence and no aggregate: blind in the first episode, and in all that follow.
    memoryless = medium(t_maze(20), 32, num_steps=80, **preset("no_rnn") | {"aggregator": NoAggregator()})
    list(memoryless.iterations(100_000))
    assert (memoryless.evaluate(128)["eval/return"] < 6).all()


@pytest.mark.slow
def test_a_memory_that_is_carried_serves_rollouts_shorter_than_a_trial():
    # The cue is seen in the first rollout of 4 steps, the decision falls in the third.
    trainer = medium(t_maze(10, episodes=1), 128, num_steps=4)
    list(trainer.iterations(200_000))
    assert (trainer.evaluate(128)["eval/return"] > 3).all()  # of 4; the blind get 0.5


@pytest.mark.slow
def test_ragged_trials_are_learned_too():
    env = lambda n, seeds: registry.make(  # noqa: E731
        "memory/mc_ls", num_envs=n, seeds=seeds, options=MCLSOptions(rooms=1, time_limit=20)
    )
    trainer = medium(env, 32, num_steps=80)
    before = trainer.evaluate(64)["eval/return"]
    list(trainer.iterations(100_000))
    assert (trainer.evaluate(64)["eval/return"] > before + 1).all()
