"""The shipped contract suite on every trainer of ours, and on trainers that break it."""

import numpy as np
import pytest
from tiny import LSTM, Point, PrivilegedPoint, discrete_point, ppo, sapg

from algorithms import testing
from algorithms.sapg.aggregation import HighRatio, LeaderFollower, OnPolicyOnly, Symmetric
from algorithms.sapg.conditioning import Disjoint, Latents, Unconditioned
from algorithms.sapg.entropy import Ladder, NoEntropy
from algorithms.testing import ContractError, check_trainer

OFFICIAL = {
    "leader_block": "last",
    "clip_center": "one",
    "subsample": "one_block",
    "on_target": "gae",
    "off_policy_norm": "per_row",
    "kl_rows": "all",
    "trunk": "shared",
    "minibatch_layout": "shuffled",
    "chunk_steps": 2,
    "normalizer_update": "first_epoch",
    "timeout_bootstrap": "previous_obs",
}

TRAINERS = {
    "ppo": (ppo, {}),
    "ppo-discrete": (ppo, {"env": discrete_point}),
    "ppo-lstm": (ppo, {"network": LSTM}),
    "ppo-privileged": (ppo, {"env": PrivilegedPoint}),
    "ppo-shared-shuffled": (ppo, {"trunk": "shared", "minibatch_layout": "shuffled"}),
    "ppo-bf16": (ppo, {"precision": "bf16"}),
    "sapg-leader_follower": (sapg, {"aggregation": LeaderFollower()}),
    "sapg-symmetric": (sapg, {"aggregation": Symmetric()}),
    "sapg-high_ratio": (sapg, {"aggregation": HighRatio()}),
    "sapg-on_policy_only": (sapg, {"aggregation": OnPolicyOnly()}),
    "sapg-unconditioned": (sapg, {"conditioning": Unconditioned(), "entropy": NoEntropy()}),
    "sapg-disjoint": (sapg, {"conditioning": Disjoint()}),
    "sapg-disjoint-shuffled": (sapg, {"conditioning": Disjoint(), **OFFICIAL}),
    "sapg-ladder": (sapg, {"entropy": Ladder(sigma=0.1, form="half_linspace")}),
    "sapg-official": (sapg, OFFICIAL),
    "sapg-discrete": (sapg, {"env": discrete_point}),
    "sapg-privileged": (sapg, {"env": PrivilegedPoint}),
    "sapg-lstm": (sapg, {"network": LSTM, "chunk_steps": 2}),
    "sapg-lstm-after_rnn": (sapg, {"network": LSTM, "conditioning": Latents(dim=4, position="after_rnn")}),
    "sapg-lstm-disjoint-discrete": (sapg, {"network": LSTM, "conditioning": Disjoint(), "env": discrete_point}),
    "sapg-one-policy": (sapg, {"num_policies": 1}),
}


@pytest.mark.parametrize(("build", "config"), TRAINERS.values(), ids=TRAINERS)
def test_our_trainers_keep_the_contract(build, config):
    check_trainer(lambda seeds: build(seeds=seeds, **config))


class Wrapped:
    """PPO behind a door that subclasses bend."""

    def __init__(self, seeds):
        self._inner = ppo(seeds=seeds)

    def __getattr__(self, name):
        return getattr(self._inner, name)


class Shares(Wrapped):
    """A statistic of all seeds together."""

    def iterations(self, env_steps):
        for row in self._inner.iterations(env_steps):
            yield row | {"loss/policy": np.full_like(row["loss/policy"], row["loss/policy"].mean())}


class Forgets(Wrapped):
    """A checkpoint without the action streams."""

    def load_state_dict(self, state):
        mine = self._inner.collector.state_dict()
        self._inner.load_state_dict(state | {"collector": state["collector"] | {"streams": mine["streams"]}})


class Advances(Wrapped):
    """An evaluation that steps the training environment."""

    def evaluate(self, episodes):
        played = self._inner.evaluate(episodes)
        self._inner.env.reset()
        return played


class Scalars(Wrapped):
    """Metrics without the axis of seeds."""

    def iterations(self, env_steps):
        for row in self._inner.iterations(env_steps):
            yield row | {"loss/policy": float(row["loss/policy"].mean())}


class Silent(Wrapped):
    """No health."""

    def iterations(self, env_steps):
        for row in self._inner.iterations(env_steps):
            del row["health/finite"]
            yield row


class Overruns(Wrapped):
    """One update more than asked."""

    def iterations(self, env_steps):
        yield from self._inner.iterations(env_steps + 1)


class Vague(Wrapped):
    """A description without the cost."""

    def describe(self):
        return {key: value for key, value in self._inner.describe().items() if key != "flops_per_env_step"}


class Random(Wrapped):
    """Numbers from nowhere."""

    def iterations(self, env_steps):
        for row in self._inner.iterations(env_steps):
            yield row | {"probe/noise": np.random.default_rng().random(len(row["env_steps"]))}


@pytest.mark.parametrize(
    ("broken", "check", "complaint"),
    [
        (Shares, "isolation", "changing seed 0 of the pack changed seed 1"),
        (Forgets, "checkpoint", "continued differently"),
        (Advances, "evaluation", "advanced the training environment"),
        (Scalars, "rows", "not a float64 array"),
        (Silent, "rows", "lacks `health/finite`"),
        (Overruns, "rows", "until env_steps reaches the budget"),
        (Vague, "description", "lacks `flops_per_env_step`"),
        (Random, "repeatability", "the same seeds gave other numbers"),
    ],
)
def test_the_suite_catches_a_trainer_that_breaks_it(broken, check, complaint):
    arguments = {"rows": (2,), "description": ()}.get(check, (2, 2))
    with pytest.raises(ContractError, match=complaint):
        getattr(testing, f"check_{check}")(broken, *arguments)


def test_the_wrapper_itself_keeps_the_contract():
    check_trainer(Wrapped)
    assert isinstance(Wrapped((0,)).env, Point)
