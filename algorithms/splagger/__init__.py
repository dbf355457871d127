"""SplAgger: split aggregation for meta-RL (Beck et al.; RLC 2024), and its relatives."""

from algorithms.algorithm import Algorithm
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.presets import PRESETS

ALGORITHMS = (
    Algorithm(
        name="splagger",
        config=SplAggerConfig,
        trainer="algorithms.splagger.trainer:SplAggerTrainer",
        presets=PRESETS,
        sources=("algorithms.splagger", "algorithms.ppo", "algorithms.component", "envs.streams", "envs.vector"),
        summary="meta-RL memory, half order-sensitive, half a permutation-invariant aggregate, feeding a hypernetwork",
    ),
)
