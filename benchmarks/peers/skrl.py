"""skrl 2.1.1's PPO agent, driven exactly as its ``Trainer.train`` drives it.

Modes: ``fp32``; ``bf16`` (its ``mixed_precision``, which on a CPU is bfloat16).
"""

import tempfile
from collections.abc import Callable

import gymnasium
import numpy as np
import torch
from skrl.agents.torch.ppo import PPO
from skrl.memories.torch import RandomMemory
from skrl.models.torch import DeterministicMixin, GaussianMixin, Model
from skrl.resources.preprocessors.torch import RunningStandardScaler
from skrl.resources.schedulers.torch import KLAdaptiveLR
from torch import nn
from workload import ACTION_SIZE, EPOCHS, HIDDEN, HORIZON, MINIBATCHES, OBS_SIZE, CheapTask

OBSERVATIONS = gymnasium.spaces.Box(-np.inf, np.inf, (OBS_SIZE,))
ACTIONS = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_SIZE,))


def mlp(num_out: int) -> nn.Sequential:
    sizes = (OBS_SIZE, *HIDDEN)
    layers = [layer for a, b in zip(sizes, HIDDEN, strict=False) for layer in (nn.Linear(a, b), nn.ELU())]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], num_out))


class Policy(GaussianMixin, Model):
    """Gaussian policy with a state-independent deviation."""

    def __init__(self) -> None:
        Model.__init__(self, observation_space=OBSERVATIONS, action_space=ACTIONS, device="cpu")
        GaussianMixin.__init__(self)
        self.net = mlp(ACTION_SIZE)
        self.log_std = nn.Parameter(torch.zeros(ACTION_SIZE))

    def compute(self, inputs: dict, role: str = "") -> tuple[torch.Tensor, dict]:
        return self.net(inputs["observations"]), {"log_std": self.log_std}


class Value(DeterministicMixin, Model):
    """State value."""

    def __init__(self) -> None:
        Model.__init__(self, observation_space=OBSERVATIONS, action_space=ACTIONS, device="cpu")
        DeterministicMixin.__init__(self)
        self.net = mlp(1)

    def compute(self, inputs: dict, role: str = "") -> tuple[torch.Tensor, dict]:
        return self.net(inputs["observations"]), {}


def build(num_envs: int, mode: str) -> Callable[[], None]:
    task = CheapTask(num_envs)
    agent = PPO(
        models={"policy": Policy(), "value": Value()},
        memory=RandomMemory(memory_size=HORIZON, num_envs=num_envs, device="cpu"),
        observation_space=OBSERVATIONS,
        action_space=ACTIONS,
        device="cpu",
        cfg={
            "rollouts": HORIZON,
            "learning_epochs": EPOCHS,
            "mini_batches": MINIBATCHES,
            "learning_rate": 5e-4,
            "learning_rate_scheduler": KLAdaptiveLR,
            "learning_rate_scheduler_kwargs": {"kl_threshold": 0.016},
            "observation_preprocessor": RunningStandardScaler,
            "observation_preprocessor_kwargs": {"size": OBSERVATIONS, "device": "cpu"},
            "value_preprocessor": RunningStandardScaler,
            "value_preprocessor_kwargs": {"size": 1, "device": "cpu"},
            "grad_norm_clip": 1.0,
            "mixed_precision": mode == "bf16",
            "experiment": {"directory": tempfile.mkdtemp(), "write_interval": 0, "checkpoint_interval": 0},
        },
    )
    agent.init()
    agent.enable_training_mode(True)
    never = torch.zeros(num_envs, 1, dtype=torch.bool)

    def iterate() -> None:
        for step in range(HORIZON):
            agent.pre_interaction(timestep=step, timesteps=HORIZON)
            with torch.no_grad():
                observations = task.obs
                actions, _ = agent.act(observations, None, timestep=step, timesteps=HORIZON)
                following, rewards, truncated, _ = task.step(actions)
                agent.record_transition(
                    observations=observations,
                    states=None,
                    actions=actions,
                    rewards=rewards.unsqueeze(1),
                    next_observations=following,
                    next_states=None,
                    terminated=never,
                    truncated=truncated.unsqueeze(1),
                    infos={},
                    timestep=step,
                    timesteps=HORIZON,
                )
            agent.post_interaction(timestep=step, timesteps=HORIZON)

    return iterate
