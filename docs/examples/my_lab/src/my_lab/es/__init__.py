"""Registers the algorithm ``es``. Imports no torch: the trainer is named as text, for the process that trains."""

from algorithms.algorithm import Algorithm
from my_lab.es.config import ESConfig

ALGORITHM = Algorithm(
    name="es",
    config=ESConfig,
    trainer="my_lab.es.trainer:ESTrainer",
    presets={"careful": {"sigma": 0.05, "learning_rate": 0.02}},
    sources=("my_lab.es", "algorithms.ppo.evaluation", "envs.streams"),
    summary="evolution strategies: a linear policy, a population of perturbations, no gradients",
)
