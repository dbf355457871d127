"""Does the leader learn from its follower's rows, and from nothing else? Minutes of training: `make slow`."""

import pytest

from algorithms.ppo.config import Mlp
from algorithms.sapg.aggregation import LeaderFollower, OnPolicyOnly
from algorithms.sapg.conditioning import Disjoint
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.entropy import NoEntropy
from algorithms.sapg.trainer import SAPGTrainer
from envs import registry


class DeafToItself(SAPGTrainer):
    """The leader's own rows weigh nothing, and disjoint networks leave no other way from the follower to it."""

    def _assemble(self, rollout):
        batch = super()._assemble(rollout)
        first = self._block_of_policy[0] * batch.chunks_per_group
        self.layout(batch.rows[:, first : first + batch.chunks_per_group], "weight").fill_(0)
        return batch


def _leader_returns(aggregation, clip_center):
    config = SAPGConfig(
        num_policies=2,
        aggregation=aggregation,
        conditioning=Disjoint(),
        entropy=NoEntropy(),
        clip_center=clip_center,
        network=Mlp(hidden=(64, 64), activation="relu"),
        num_steps=16,
        reward_scale=1.0,
        learning_rate=1e-3,
    )
    trainer = DeafToItself(
        config, lambda n, seeds: registry.make("maze/open", num_envs=n, seeds=seeds), num_envs=64, seeds=[0, 1, 2, 3]
    )
    for _ in trainer.iterations(80_000):
        pass
    return trainer.evaluate(16)["eval/return"]


@pytest.mark.slow
@pytest.mark.parametrize("clip_center", ["mu_old", "one"])
def test_the_leader_learns_from_the_followers_rows_alone(clip_center):
    assert _leader_returns(LeaderFollower(), clip_center).min() > 2.0
    assert _leader_returns(OnPolicyOnly(), clip_center).max() < 0.5
