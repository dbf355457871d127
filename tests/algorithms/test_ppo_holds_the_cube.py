"""Does the plain trainer learn anything on a simulated hand? Minutes of training: `make slow`."""

import pytest

from algorithms.ppo.config import Mlp, PPOConfig
from algorithms.ppo.distributions import DiagonalGaussian
from algorithms.ppo.trainer import PPOTrainer
from envs import registry
from envs.streams import Streams


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ppo_learns_to_hold_the_cube(monkeypatch):
    """With its exploration: the mean of a fresh policy already cups the cube, so that one would prove nothing.

    Whole episodes from fresh starts: those that end during training are the short ones at first.
    """
    pytest.importorskip("mujoco")
    config = PPOConfig(network=Mlp(hidden=(128, 128)), num_steps=8, learning_rate=1e-3, reward_scale=1.0)
    trainer = PPOTrainer(
        config,
        lambda num_envs, seeds: registry.make("hand/reorient", num_envs=num_envs, seeds=seeds),
        num_envs=256,
        seeds=[0, 1],
    )

    def held():
        """Steps of 600 for which the exploring policy holds the cube, one mean per seed."""
        streams = Streams(range(2), "exploration")
        with monkeypatch.context() as patch:
            patch.setattr(DiagonalGaussian, "mode", lambda self, params: self.sample(params, streams))
            played = trainer.evaluate(128)
        assert played["eval/unhealthy"].max() == 0
        return played["eval/hold_time"]

    before = held()
    for _ in trainer.iterations(400_000):
        pass
    after = held()
    assert before.max() < 40, before
    assert after.mean() > 400 and after.min() > 350, after
