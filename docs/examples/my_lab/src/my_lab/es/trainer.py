"""Evolution strategies (Salimans et al. 2017, arXiv 1703.03864) for K seeds at once.

    theta <- theta + lr / (P sigma) sum_p u_p eps_p,   u_p: centred rank of the return of theta + sigma eps_p   (Alg. 1)

Deviations from the paper: plain gradient steps instead of Adam, a linear policy, no weight decay. An update plays one
episode per environment; what an environment does after its episode ended is counted as steps and otherwise ignored.

    K  seeds    P  population    N  environments    W  weights of a policy
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from algorithms.ppo.evaluation import play_episodes
from algorithms.trainer import MakeEnv, Metrics
from envs.spec import TaskFacts
from envs.streams import Streams, stream_seed
from my_lab.es.config import ESConfig


class ESTrainer:
    """A linear policy per seed, moved by the ranks of its perturbations."""

    def __init__(
        self,
        config: ESConfig,
        make_env: MakeEnv,
        *,
        num_envs: int,
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        """Build the environments and one policy per seed.

        Raises:
            ValueError: The population does not fit the number of environments.
        """
        self.config, self.seeds, self.device = config, tuple(seeds), torch.device(device)
        self.env_steps = 0
        self._make_env = make_env
        # One named stream per purpose: what one purpose draws shifts nobody else, and no seed sees another's numbers.
        self.env = make_env(num_envs, [stream_seed(seed, "env") for seed in seeds])
        if problems := config.problems(TaskFacts.of(self.env)):
            self.env.close()
            raise ValueError("; ".join(f"{field}: {sentence}" for field, sentence in problems))
        self._noise = Streams(seeds, "perturbation", self.device)
        space = self.env.action_space
        self._outputs = int(space.n) if isinstance(space, gymnasium.spaces.Discrete) else int(np.prod(space.shape))
        (self._inputs,) = self.env.observation_space.shape
        self.theta = torch.zeros(len(seeds), (self._inputs + 1) * self._outputs, device=self.device)

    def iterations(self, env_steps: int) -> Iterator[Metrics]:
        """Train until each seed has seen ``env_steps`` transitions; yield one row of metrics per update."""
        config = self.config
        while self.env_steps < env_steps:
            noise = config.sampling.perturbations(self._noise, config.population, self.theta.shape[1])
            returns = self._play(self.env, self.theta.unsqueeze(1) + config.sigma * noise)["return"]
            per_policy = returns.unflatten(1, (config.population, -1)).mean(-1)
            ranks = per_policy.argsort(1).argsort(1) / (config.population - 1) - 0.5
            step = (ranks.unsqueeze(-1) * noise).mean(1) * (config.learning_rate / config.sigma)
            self.theta = self.theta + step
            self.env_steps += self.env.num_envs * self.env.max_episode_steps
            figures = {
                "episode/return": returns.mean(1),
                "loss/policy": -per_policy.mean(1),
                "policy/step_norm": step.norm(dim=1),
                "check/noise_mean": noise.mean(1).abs().amax(1),
                "health/finite": self.theta.isfinite().all(1),
            }
            yield {"env_steps": np.full(len(self.seeds), float(self.env_steps)), **_arrays(figures)}

    def _play(self, env: Any, candidates: Tensor) -> dict[str, Tensor]:
        """One episode per environment under policies ``[K, P, W]``, N / P environments each; figures ``[K, N]``."""
        weights = candidates.unflatten(2, (self._inputs + 1, self._outputs))

        def act(obs: Tensor, critic_obs: Tensor, state: Tensor, resets: Tensor) -> tuple[Tensor, Tensor]:
            grouped = obs.unflatten(1, (candidates.shape[1], -1))
            outputs = (grouped @ weights[:, :, :-1] + weights[:, :, -1:]).flatten(1, 2)
            return self._to_action(outputs), state

        return play_episodes(env, act, torch.zeros(len(self.seeds), env.num_envs, 0, device=self.device))

    def _to_action(self, outputs: Tensor) -> Tensor:
        """Network outputs ``[K, N, A]`` to actions of the environment: the largest one, or within the bounds."""
        space = self.env.action_space
        if isinstance(space, gymnasium.spaces.Discrete):
            return outputs.argmax(-1)
        low, high = (torch.as_tensor(bound, device=self.device) for bound in (space.low, space.high))
        return outputs.clamp(low, high)

    def evaluate(self, episodes: int) -> Metrics:
        """Play ``episodes`` episodes of the unperturbed policy in an environment of its own; the same starts always."""
        env = self._make_env(episodes, [stream_seed(seed, "eval") for seed in self.seeds])
        try:
            played = self._play(env, self.theta.unsqueeze(1))
        finally:
            env.close()
        return _arrays({f"eval/{name}": value.mean(1) for name, value in played.items()})

    def describe(self) -> dict[str, float]:
        """What could confound a comparison, per seed."""
        steps = self.env.num_envs * self.env.max_episode_steps
        return {
            "parameters": float(self.theta.shape[1]),
            "env_steps_per_iteration": float(steps),
            "rows_per_iteration": float(self.config.population),
            "minibatches": 1.0,
            "optimizer_steps_per_iteration": 1.0,
            "flops_per_env_step": 2.0 * self.theta.shape[1],
        }

    def state_dict(self) -> dict[str, Any]:
        """What a fresh trainer of the same arguments needs to continue bit for bit."""
        return {
            "config": dataclasses.asdict(self.config),
            "env_steps": self.env_steps,
            "theta": self.theta,
            "noise": self._noise.state_dict(),
            "env": self.env.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``.

        Raises:
            ValueError: The state belongs to another config.
        """
        if state["config"] != dataclasses.asdict(self.config):
            raise ValueError("the checkpoint belongs to another config")
        self.env_steps = state["env_steps"]
        self.theta = state["theta"].to(self.device)
        self._noise.load_state_dict(state["noise"])
        self.env.load_state_dict(state["env"])

    def close(self) -> None:
        """Release the environment."""
        self.env.close()


def _arrays(figures: dict[str, Tensor]) -> Metrics:
    """Figures ``[K]`` as float64 arrays."""
    return {name: value.double().cpu().numpy() for name, value in figures.items()}
