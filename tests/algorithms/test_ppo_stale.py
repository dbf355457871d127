"""Steps taken from a stale observation (``lazy_reset``): what of them reaches the learner, and what does not."""

import functools

import gymnasium
import numpy as np
import pytest
import torch
from tiny import LSTM, parameters, ppo, same_rows, sapg, train

from algorithms.ppo import advantages
from algorithms.ppo.normalizer import RunningNormalizer
from envs.streams import Streams

CPU = torch.device("cpu")
LIMIT = 3


class Lazy:
    """A point that drifts and ends beyond radius 1.5 or after ``LIMIT`` steps, restarted inside the next step.

    The first step of an episode ignores its action: what was chosen from the end of another episode changes nothing, so
    that a test may change what the learner was told there (``bonus`` on its reward, ``shift`` on its observation).
    """

    lazy_reset = "mask"

    def __init__(self, num_envs, seeds, *, bonus=0.0, shift=0.0, mode="mask"):
        self.num_seeds, self.num_envs, self.device = len(seeds), num_envs, CPU
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = gymnasium.spaces.Box(-0.5, 0.5, (2,), np.float32)
        self.critic_observation_space = None
        self.max_episode_steps = LIMIT
        self._bonus, self._shift, self.lazy_reset = bonus, shift, mode
        self._streams = Streams(seeds, "lazy", CPU)
        self._waiting = torch.zeros(self.num_seeds, num_envs, dtype=torch.bool)

    def reset(self):
        self._place = self._streams.uniform(self.num_envs, 2) * 2 - 1
        self._elapsed = torch.zeros(self.num_seeds, self.num_envs)
        self._waiting = torch.zeros_like(self._waiting)
        return self._place.clone(), {}

    def step(self, actions):
        fresh = self._streams.uniform(self.num_envs, 2) * 2 - 1
        late = self._waiting.unsqueeze(-1)
        self._place = torch.where(late, fresh, self._place + actions)
        self._elapsed = torch.where(self._waiting, 0, self._elapsed) + 1
        reward = -self._place.norm(dim=-1) + self._bonus * self._waiting
        terminated = self._place.norm(dim=-1) > 1.5
        truncated = (self._elapsed >= LIMIT) & ~terminated
        self._waiting = terminated | truncated
        told = self._place + self._shift * self._waiting.unsqueeze(-1)
        info = {
            "final_obs": self._place.clone(),
            "final_info": {"elapsed": self._elapsed.clone()},
            "stale_obs": self._waiting.clone(),
        }
        return told, reward, terminated, truncated, info

    def state_dict(self):
        names = ("_place", "_elapsed", "_waiting")
        return {"streams": self._streams.state_dict(), **{name: getattr(self, name).clone() for name in names}}

    def load_state_dict(self, state):
        self._streams.load_state_dict(state["streams"])
        for name in ("_place", "_elapsed", "_waiting"):
            setattr(self, name, state[name].clone())

    def close(self):
        pass


LOOKS_AT_STATES = {"check/policy_distance"}  # of a sample of all observations, the last of an episode among them


def lazy(**settings):
    return lambda num_envs, seeds: Lazy(num_envs, seeds, **settings)


LEARNERS = {
    "ppo": (ppo, {}),
    "ppo_first_epoch": (ppo, {"normalizer_update": "first_epoch", "minibatch_layout": "shuffled", "chunk_steps": 2}),
    "ppo_lstm": (ppo, {"network": LSTM}),
    "sapg": (sapg, {"timeout_bootstrap": "previous_obs"}),
    "sapg_lstm": (sapg, {"network": LSTM, "on_target": "n_step"}),
}


@functools.cache
def trained(name, **settings):
    build, config = LEARNERS[name]
    trainer = build(env=lazy(**settings), seeds=(0, 1), num_steps=8, **config)
    rows = train(trainer, 3)
    return parameters(trainer), rows


@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_of_a_masked_step_reaches_the_learner(name):
    plain, rows = trained(name)
    lured, other_rows = trained(name, bonus=1000.0, shift=50.0)
    assert torch.equal(plain, lured)
    for key in rows[0].keys() - {key for key in rows[0] if key.startswith("episode/")} - LOOKS_AT_STATES:
        assert all(np.array_equal(a[key], b[key], equal_nan=True) for a, b in zip(rows, other_rows, strict=True)), key
    # The reward was paid all the same: the episode's figures are the simulator's.
    assert not np.array_equal(rows[-1]["episode/return"], other_rows[-1]["episode/return"])


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_that_trains_on_them_learns_from_all_of_it(name):
    plain, _ = trained(name, mode="train")
    for change in ({"bonus": 1000.0}, {"shift": 50.0}):
        assert not torch.equal(plain, trained(name, mode="train", **change)[0])
    assert not torch.equal(plain, trained(name)[0])


@pytest.mark.parametrize("name", LEARNERS)
def test_train_is_what_a_learner_does_that_knows_nothing_of_stale_observations(name):
    """rl_games: the row after an end holds the terminal observation, counts like any other, and begins an episode."""
    told, rows = trained(name, mode="train")
    untold, other_rows = trained(name, mode=None)
    assert torch.equal(told, untold)
    assert same_rows(rows, other_rows)


def collected(env, **config):
    trainer = ppo(env=env, seeds=(0, 1), num_steps=8, gamma=0.9, gae_lambda=0.8, reward_scale=1.0, **config)
    trainer.collector.collect(trainer._rollout, trainer.layout)
    return trainer, trainer._rollout


@pytest.mark.parametrize("network", [LSTM, {}], ids=["lstm", "mlp"])
def test_rows_know_that_they_are_stale_and_the_memory_is_emptied_on_both_sides(network):
    trainer, rollout = collected(lazy(), **({"network": network} if network else {}))
    counted, reset = trainer.layout.counted(rollout.rows), trainer.layout(rollout.rows, "reset") > 0
    ended = rollout.dones
    assert ended[..., :-2].any()
    assert counted[..., 0].all()
    assert torch.equal(counted[..., 1:], ~ended[..., :-1])
    # An episode begins with the row that must not count, and once more with the one after it.
    assert torch.equal(reset[..., 2:], ended[..., 1:-1] | ended[..., :-2])


def test_advantages_across_a_masked_row_are_those_worked_out_by_hand():
    trainer, rollout = collected(lazy())
    trainer._fill_on_policy(rollout)
    found = trainer.layout(rollout.rows, "advantage")
    counted = trainer.layout.counted(rollout.rows)
    assert not counted.all()
    seeds, envs, steps = rollout.rewards.shape
    for k, n in np.ndindex(seeds, envs):
        for t in reversed(range(steps)):
            if not counted[k, n, t]:
                continue
            reward, value = rollout.rewards[k, n, t].item(), rollout.values[k, n, t].item()
            if rollout.terminated[k, n, t]:
                wanted = reward - value
            elif rollout.truncated[k, n, t]:
                wanted = reward + 0.9 * rollout.timeout_values[k, n, t].item() - value
            else:
                last = t + 1 == steps
                after = rollout.last_value[k, n].item() if last else rollout.values[k, n, t + 1].item()
                later = 0.0 if last else found[k, n, t + 1].item()
                wanted = reward + 0.9 * after - value + 0.72 * later
                # What follows a row inside an episode is of the same episode: it counts, too.
                assert last or counted[k, n, t + 1]
            assert found[k, n, t].item() == pytest.approx(wanted, abs=1e-5)


def test_targets_and_loss_are_those_of_the_rows_that_count():
    trainer, rollout = collected(lazy(), minibatch_rows_per_env=8, update_epochs=1, bounds_coef=0.0)
    trainer._fill_on_policy(rollout)
    layout = trainer.layout
    raw = layout(rollout.rows, "advantage").clone(), layout(rollout.rows, "return").clone()
    batch = trainer._on_policy_batch(rollout)
    trainer._normalize_targets(batch)
    counted = layout.counted(batch.rows)
    assert torch.equal(layout(batch.rows, "weight") == 1, counted)
    policy_losses, value_losses = [], []
    for k in range(2):
        mask = counted[k].flatten().numpy()
        advantage, returns = (one[k].flatten().double().numpy()[mask] for one in raw)
        normal = (advantage - advantage.mean()) / (advantage.std(ddof=1) + 1e-8)
        assert layout(batch.rows, "advantage")[k].flatten().numpy()[mask] == pytest.approx(normal, abs=1e-5)
        count, mean = len(returns) + 1, returns.sum() / (len(returns) + 1)
        var = (1 + (returns**2).sum()) / count - mean**2
        normalizer = trainer.actor.value_normalizer
        assert normalizer.mean[k].item() == pytest.approx(mean)
        assert normalizer.var[k].item() == pytest.approx(var)
        value = rollout.values[k].flatten().double().numpy()[mask]
        target, old = ((x - mean) / np.sqrt(var + 1e-5) for x in (returns, value))
        # Before the first gradient step the ratio is 1 and the prediction is the network's output of the rollout,
        # taken back to the critic's units as they were then (mean 0, variance 1).
        policy_losses.append(-normal.mean())
        predicted = value / np.sqrt(1 + 1e-5)
        held = old + np.clip(predicted - old, -0.2, 0.2)
        value_losses.append(np.maximum((predicted - target) ** 2, (held - target) ** 2).mean())
    figures = trainer.updater.update(batch)
    assert figures["loss/policy"].numpy() == pytest.approx(policy_losses, abs=1e-5)
    assert figures["loss/value"].numpy() == pytest.approx(value_losses, rel=1e-4)


def test_statistics_of_the_rows_that_count_are_those_of_a_batch_without_the_others():
    generator = torch.Generator().manual_seed(0)
    masked, removed = (RunningNormalizer(2, 3, 5.0, enabled=True, device=CPU) for _ in range(2))
    alone = [RunningNormalizer(1, 3, 5.0, enabled=True, device=CPU) for _ in range(2)]
    for share in (0.5, 0.0, 0.9):  # none at all in the second batch
        data = torch.randn(2, 40, 3, generator=generator) * 3 + 7
        counted = torch.rand(2, 40, generator=generator) < share
        masked.update(torch.where(counted.unsqueeze(-1), data, 1e6), counted)
        removed.update(data, torch.ones_like(counted))
        for k, one in enumerate(alone):
            if counted[k].any():
                one.update(data[k : k + 1, counted[k]])
    for k, one in enumerate(alone):
        torch.testing.assert_close(masked.mean[k], one.mean[0], rtol=1e-6, atol=0)
        torch.testing.assert_close(masked.var[k], one.var[0], rtol=1e-5, atol=0)
        assert masked.count[k].item() == one.count.item()
    whole = RunningNormalizer(2, 3, 5.0, enabled=True, device=CPU)
    generator.manual_seed(0)
    for _ in range(3):
        whole.update(torch.randn(2, 40, 3, generator=generator) * 3 + 7)
        torch.rand(2, 40, generator=generator)
    torch.testing.assert_close(removed.mean, whole.mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(removed.var, whole.var, rtol=1e-5, atol=0)


def test_mean_and_std_of_the_rows_that_count():
    x = torch.tensor([[[1.0, 9.0], [3.0, 5.0]], [[2.0, 4.0], [100.0, 6.0]]])
    counted = torch.tensor([[[True, False], [True, True]], [[True, True], [False, True]]])
    mean, std = advantages.mean_and_std(x, counted)
    assert mean.flatten().tolist() == [3.0, 4.0]
    assert std.flatten().tolist() == [2.0, 2.0]


def test_episodes_are_counted_with_their_first_step():
    trainer = ppo(env=lazy(), num_steps=8)
    (row,) = train(trainer, 1)
    rollout = trainer._rollout
    # Episodes that began inside this rollout, by hand: from the row after an end to the next end.
    lengths, returns = [], []
    for n in range(rollout.rewards.shape[1]):
        length, total = 0, 0.0
        for t in range(8):
            length, total = length + 1, total + rollout.rewards[0, n, t].item() / trainer.config.reward_scale
            if rollout.dones[0, n, t]:
                lengths.append(length)
                returns.append(total)
                length, total = 0, 0.0
    assert row["episode/length"][0] == pytest.approx(np.mean(lengths))
    assert row["episode/return"][0] == pytest.approx(np.mean(returns), rel=1e-5)
    assert row["episode/elapsed"][0] == pytest.approx(np.mean(lengths))


@pytest.mark.parametrize("name", ["ppo_lstm", "sapg"])
def test_a_resumed_run_continues_bit_for_bit(name):
    build, config = LEARNERS[name]
    whole = build(env=lazy(), num_steps=4, **config)
    rows = train(whole, 4)
    first = build(env=lazy(), num_steps=4, **config)
    train(first, 2)
    assert first.collector._stale.any()
    second = build(env=lazy(), num_steps=4, **config)
    second.load_state_dict(first.state_dict())
    assert same_rows(train(second, 2), rows[2:])
