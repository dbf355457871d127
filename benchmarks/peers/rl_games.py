"""rl_games 1.6.5: its continuous PPO agent's own ``train_epoch``.

Mode ``fp32`` only: its mixed precision is CUDA autocast, which does nothing on a CPU.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable

import gymnasium
import numpy as np
import torch
from rl_games.algos_torch.a2c_continuous import A2CAgent
from rl_games.common import env_configurations, vecenv
from rl_games.common.algo_observer import DefaultAlgoObserver
from rl_games.common.ivecenv import IVecEnv
from rl_games.common.tr_helpers import DefaultRewardsShaper
from workload import ACTION_SIZE, EPOCHS, HIDDEN, HORIZON, MINIBATCHES, OBS_SIZE, CheapTask


class Env(IVecEnv):
    """The cheap task behind rl_games' interface."""

    def __init__(self, config_name: str, num_actors: int, **kwargs: object) -> None:
        self._task = CheapTask(num_actors)

    def reset(self) -> dict[str, torch.Tensor]:
        return {"obs": self._task.reset()}

    def step(self, actions: torch.Tensor) -> tuple[dict, torch.Tensor, torch.Tensor, dict]:
        obs, rewards, truncated, _ = self._task.step(actions)
        return {"obs": obs}, rewards, truncated.to(torch.uint8), {"time_outs": truncated}

    def get_env_info(self) -> dict:
        return {
            "observation_space": gymnasium.spaces.Box(-np.inf, np.inf, (OBS_SIZE,)),
            "action_space": gymnasium.spaces.Box(-1.0, 1.0, (ACTION_SIZE,)),
        }


def build(num_envs: int, mode: str) -> Callable[[], None]:
    vecenv.register("cheap", Env)
    env_configurations.register("cheap", {"vecenv_type": "cheap", "env_creator": None})
    plain = {"name": "default"}
    params = {
        "model": {"name": "continuous_a2c_logstd"},
        "network": {
            "name": "actor_critic",
            "separate": True,
            "space": {
                "continuous": {
                    "mu_activation": "None",
                    "sigma_activation": "None",
                    "mu_init": plain,
                    "sigma_init": {"name": "const_initializer", "val": 0},
                    "fixed_sigma": True,
                }
            },
            "mlp": {"units": list(HIDDEN), "activation": "elu", "initializer": plain},
        },
        "config": {
            "name": "cheap",
            "env_name": "cheap",
            "device": "cpu",
            "num_actors": num_envs,
            "horizon_length": HORIZON,
            "minibatch_size": num_envs * HORIZON // MINIBATCHES,
            "mini_epochs": EPOCHS,
            "learning_rate": 5e-4,
            "lr_schedule": "adaptive",
            "kl_threshold": 0.016,
            "gamma": 0.99,
            "tau": 0.95,
            "e_clip": 0.2,
            "clip_value": True,
            "critic_coef": 4,
            "entropy_coef": 0.0,
            "bounds_loss_coef": 1e-4,
            "grad_norm": 1.0,
            "truncate_grads": True,
            "normalize_input": True,
            "normalize_value": True,
            "normalize_advantage": True,
            "reward_shaper": DefaultRewardsShaper(),
            "features": {"observer": DefaultAlgoObserver()},
            "print_stats": False,
            "train_dir": tempfile.mkdtemp(),
        },
    }
    with contextlib.redirect_stdout(io.StringIO()):
        agent = A2CAgent("cheap", params)
        agent.init_tensors()
        agent.is_tensor_obses = True
        agent.obs = agent.env_reset()

    def iterate() -> None:
        agent.update_epoch()
        agent.train_epoch()
        agent.dataset.update_values_dict(None)

    return iterate
