"""PPO: the core every policy-gradient trainer here stands on, and a control of its own."""

from algorithms.algorithm import Algorithm
from algorithms.ppo.config import PPOConfig, PPOFixedMinibatchConfig

_SOURCES = ("algorithms.ppo", "algorithms.component", "envs.streams", "envs.vector")

ALGORITHMS = (
    Algorithm(
        name="ppo",
        config=PPOConfig,
        trainer="algorithms.ppo.trainer:PPOTrainer",
        sources=_SOURCES,
        summary="PPO with one policy; its minibatch grows with the number of environments",
    ),
    Algorithm(
        name="ppo_fixed_minibatch",
        config=PPOFixedMinibatchConfig,
        trainer="algorithms.ppo.trainer:PPOTrainer",
        sources=_SOURCES,
        summary="PPO with one policy and a minibatch of fixed size",
    ),
)
