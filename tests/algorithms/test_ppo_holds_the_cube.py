"""Does the plain trainer learn anything on a simulated hand? Minutes of training: `make slow`."""

import numpy as np
import pytest

from algorithms.ppo.config import Mlp, PPOConfig
from algorithms.ppo.trainer import PPOTrainer
from envs import registry
from envs.hand.options import ReorientOptions


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ppo_learns_to_hold_the_cube():
    """While it explores: a fresh policy's *mean* already cups the cube, so evaluations would prove nothing.

    Targets are smoothed: with the default, servos follow every jitter of the exploring policy, which holds the cube
    for 22 of 600 steps at first and for 370 to 420 after 0.4 M steps.
    """
    pytest.importorskip("mujoco")
    config = PPOConfig(network=Mlp(hidden=(128, 128)), num_steps=8, learning_rate=1e-3, reward_scale=1.0)
    options = ReorientOptions(moving_average=0.3)
    trainer = PPOTrainer(
        config,
        lambda num_envs, seeds: registry.make("hand/reorient", num_envs=num_envs, seeds=seeds, options=options),
        num_envs=256,
        seeds=[0, 1],
    )
    held = np.array([row["episode/hold_time"] for row in trainer.iterations(300_000)])
    early, late = np.nanmean(held[:20], axis=0), np.nanmean(held[-20:], axis=0)  # 41,000 steps each
    assert early.max() < 100
    assert late.min() > 400
    assert trainer.evaluate(32)["eval/unhealthy"].max() == 0
