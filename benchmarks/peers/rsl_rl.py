"""rsl-rl-lib 5.5.1 through its own ``OnPolicyRunner.learn``.

Modes: ``fp32``; ``compile`` (its ``torch_compile_mode``); ``bf16`` (compile and its ``use_mixed_precision``).
"""

import contextlib
import io
from collections.abc import Callable

import torch
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner
from tensordict import TensorDict
from workload import ACTION_SIZE, EPISODE_STEPS, EPOCHS, HIDDEN, HORIZON, MINIBATCHES, CheapTask


class Env(VecEnv):
    """The cheap task behind rsl_rl's interface."""

    def __init__(self, num_envs: int) -> None:
        self._task = CheapTask(num_envs)
        self.num_envs, self.num_actions, self.max_episode_length = num_envs, ACTION_SIZE, EPISODE_STEPS
        self.episode_length_buf = torch.zeros(num_envs, dtype=torch.long)
        self.device, self.cfg = "cpu", {}

    def get_observations(self) -> TensorDict:
        return TensorDict({"policy": self._task.obs}, batch_size=[self.num_envs])

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict]:
        _, rewards, truncated, _ = self._task.step(actions)
        return self.get_observations(), rewards, truncated, {"time_outs": truncated}


def build(num_envs: int, mode: str) -> Callable[[], None]:
    network = {"class_name": "MLPModel", "hidden_dims": list(HIDDEN), "activation": "elu", "obs_normalization": True}
    config = {
        "num_steps_per_env": HORIZON,
        "save_interval": 10**9,
        "obs_groups": {"actor": ["policy"], "critic": ["policy"]},
        "check_for_nan": False,
        "torch_compile_mode": None if mode == "fp32" else "default",
        "actor": {**network, "distribution_cfg": {"class_name": "GaussianDistribution", "init_std": 1.0}},
        "critic": network,
        "algorithm": {
            "class_name": "PPO",
            "num_learning_epochs": EPOCHS,
            "num_mini_batches": MINIBATCHES,
            "learning_rate": 5e-4,
            "schedule": "adaptive",
            "desired_kl": 0.016,
            "use_mixed_precision": mode == "bf16",
            "rnd_cfg": None,
            "symmetry_cfg": None,
        },
    }
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its models
        runner = OnPolicyRunner(Env(num_envs), config, log_dir=None, device="cpu")

    def iterate() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            runner.learn(1)

    return iterate
