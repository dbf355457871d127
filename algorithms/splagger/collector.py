"""The agent's side of the training environment: acting, remembering, recording."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from algorithms.ppo.episodes import EpisodeStatistics
from algorithms.splagger.agent import Agent
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.rollout import Rollout
from envs.streams import Streams
from envs.vector import VectorEnv, policy_observation


class Collector:
    """Steps the training environment and fills rollouts; the memory lives on between them."""

    def __init__(self, env: VectorEnv, agent: Agent, config: SplAggerConfig, seeds: Sequence[int]) -> None:
        """Reset the environment.

        Args:
            env: Training environment; its episodes are trials.
            agent: Who acts.
            config: Hyper-parameters.
            seeds: The runs' seeds; actions draw from their ``action`` streams, latents from ``latent``.
        """
        self._env, self._agent, self._config = env, agent, config
        self.episodes = EpisodeStatistics(env.num_seeds, env.num_envs, 1, env.device)
        self._actions, self._latents = (Streams(seeds, name, env.device) for name in ("action", "latent"))
        observation, _ = env.reset()
        self._obs = policy_observation(observation)
        with torch.no_grad():
            self._output, self._state = agent.begin(env.num_envs)
        self._fresh = torch.ones(env.num_seeds, env.num_envs, dtype=torch.bool, device=env.device)

    @torch.no_grad()
    def collect(self, rollout: Rollout) -> None:
        """Fill ``rollout`` with a step of every environment for each of its rows."""
        agent, distribution = self._agent, self._agent.policy.distribution
        empty = agent.begin(self._env.num_envs)
        if self._config.memory_at_rollout == "wiped":
            self._output, self._state = empty
            self._fresh = torch.ones_like(self._fresh)
        # What an empty memory says has changed with the last update; what a full one said stays as it was said.
        self._output = torch.where(self._fresh.unsqueeze(-1), empty[0], self._output)
        rollout.state.copy_(self._state)
        rollout.fresh.copy_(self._fresh)
        rollout.timeout_values.zero_()
        leaks = self._config.terminal_transition == "leaked"
        for step in range(rollout.rewards.shape[1]):
            noise = None
            if rollout.noise is not None:
                noise = self._latents.normal(*rollout.noise.shape[2:])
                rollout.noise[:, step] = noise
            params = agent.act(self._obs, self._output, noise)
            actions = distribution.sample(params, self._actions)
            rollout.obs[:, step], rollout.outputs[:, step] = self._obs, self._output
            rollout.actions[:, step], rollout.logp[:, step] = actions, distribution.log_prob(params, actions)
            observation, rewards, terminated, truncated, info = self._env.step(distribution.to_env(actions))
            final = policy_observation(info["final_obs"])
            dones = terminated | truncated
            tokens = agent.tokens(self._obs, actions, rewards, final)
            self._output, self._state, after = agent.remember(tokens, dones, self._state, empty)
            if bool(truncated.any()):
                values = agent.values(final, after, None)
                rollout.timeout_values[:, step] = torch.where(truncated, values, 0.0)
            rollout.next_obs[:, step], rollout.rewards[:, step] = final, rewards
            rollout.terminated[:, step], rollout.truncated[:, step] = terminated, truncated
            self._obs = policy_observation(observation)
            self._fresh = torch.zeros_like(dones) if leaks else dones
            self.episodes.step(rewards, dones, info["final_info"])
        rollout.outputs[:, -1] = self._output

    def last_value(self) -> Tensor:
        """V of where the last rollout stopped, ``[K, N]``."""
        return self._agent.values(self._obs, self._output, None)

    def state_dict(self) -> dict[str, Any]:
        """Environment, streams, memory and everything else between two steps."""
        return {
            "env": self._env.state_dict(),
            "actions": self._actions.state_dict(),
            "latents": self._latents.state_dict(),
            "obs": self._obs,
            "output": self._output.contiguous(),
            "state": self._state.contiguous(),
            "fresh": self._fresh,
            "episodes": self.episodes.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        self._env.load_state_dict(state["env"])
        self._actions.load_state_dict(state["actions"])
        self._latents.load_state_dict(state["latents"])
        self._obs, self._output, self._state, self._fresh = (
            state[name].to(self._env.device) for name in ("obs", "output", "state", "fresh")
        )
        self.episodes.load_state_dict(state["episodes"])
