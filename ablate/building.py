"""Builds the trainer a ``pack.json`` describes."""

from collections.abc import Callable, Sequence

from ablate.configs import config_from_plain
from ablate.store import Json
from algorithms import registry as algorithm_registry
from algorithms.trainer import Trainer
from envs import registry as env_registry
from envs.vector import VectorEnv

Watch = Callable[[VectorEnv], VectorEnv]
"""What becomes of each environment the trainer builds, e.g. wrapped by a camera."""


def build_trainer(spec: Json, watch: Watch | None = None) -> Trainer:
    """A new trainer, before any training.

    Args:
        spec: Content of ``pack.json``.
        watch: Applied to every environment the trainer makes; None to leave them alone.
    """
    algorithm = algorithm_registry.find(spec["algorithm"])
    task, device = spec["task"], spec["device"]
    options = config_from_plain(env_registry.find(task["env"]).options, task["options"])

    made: list[VectorEnv] = []

    def make_env(num_envs: int, seeds: Sequence[int]) -> VectorEnv:
        env = env_registry.make(task["env"], num_envs=num_envs, seeds=seeds, device=device, options=options)
        made.append(env)
        return env if watch is None else watch(env)

    try:
        trainer: Trainer = algorithm.load_trainer()(
            config_from_plain(algorithm.config, spec["config"]),
            make_env,
            num_envs=task["num_envs"],
            seeds=spec["seeds"],
            device=device,
        )
    except BaseException:
        for env in made:  # nobody else knows them; some are processes
            env.close()
        raise
    return trainer
