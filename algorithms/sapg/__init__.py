"""SAPG: split and aggregate policy gradients (Singla, Agarwal, Pathak; ICML 2024)."""

from algorithms.algorithm import Algorithm
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.presets import PRESETS

ALGORITHMS = (
    Algorithm(
        name="sapg",
        config=SAPGConfig,
        trainer="algorithms.sapg.trainer:SAPGTrainer",
        presets=PRESETS,
        sources=("algorithms.sapg", "algorithms.ppo", "algorithms.component", "envs.streams", "envs.vector"),
        summary="M policies on one backbone; the leader learns off-policy from its followers",
    ),
)
