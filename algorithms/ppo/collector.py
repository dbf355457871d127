"""The policies' side of the environment: acting, and recording what came of it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from algorithms.ppo.config import PPOConfig
from algorithms.ppo.dispatch import Dispatch
from algorithms.ppo.episodes import EpisodeStatistics
from algorithms.ppo.networks import ActorCritic
from algorithms.ppo.normalizer import RunningNormalizer
from algorithms.ppo.rollout import Rollout
from algorithms.ppo.rows import RowLayout
from envs.streams import Streams
from envs.vector import Observation, VectorEnv, critic_observation, policy_observation


class Actor:
    """Normalisers and network as one function of raw observations.

    K  seeds    B  rows of a seed, sequence-major    M  policies    Z  recurrent state
    """

    def __init__(
        self,
        network: ActorCritic,
        obs_normalizer: RunningNormalizer,
        critic_normalizer: RunningNormalizer,
        value_normalizer: RunningNormalizer,
    ) -> None:
        self.network = network
        self.obs_normalizer = obs_normalizer
        self.critic_normalizer = critic_normalizer
        self.value_normalizer = value_normalizer

    @torch.no_grad()
    def __call__(
        self, obs: Tensor, critic_obs: Tensor, policy: Tensor | None, state: Tensor, resets: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Distribution parameters ``[K, B, P]``, values in reward units ``[K, B]``, states after every step."""
        dispatch = None
        networks = self.network.policies.num_networks
        if networks > 1 and policy is not None:
            steps = resets.shape[-1]
            dispatch = Dispatch(policy[:, ::steps].argmax(-1), networks, steps)
        normal_obs = self.obs_normalizer.normalize(obs)
        normal_critic = normal_obs if critic_obs is obs else self.critic_normalizer.normalize(critic_obs)
        params, values, states = self.network(normal_obs, normal_critic, policy, state, resets, dispatch)
        return params, self.value_normalizer.denormalize(values.unsqueeze(-1)).squeeze(-1), states


def one_hot_policies(policy_of_env: Tensor, seeds: int, num_policies: int) -> Tensor | None:
    """``[K, N, M]`` float, or None when there is one policy."""
    if num_policies == 1:
        return None
    return torch.nn.functional.one_hot(policy_of_env, num_policies).float().expand(seeds, -1, -1)


class Collector:
    """Steps the training environment and fills rollouts."""

    def __init__(
        self, env: VectorEnv, actor: Actor, config: PPOConfig, seeds: Sequence[int], policy: Tensor | None
    ) -> None:
        """Reset the environment and start recording.

        Args:
            env: Training environment.
            actor: Policies and critics.
            config: Hyper-parameters.
            seeds: The runs' seeds; actions draw from their ``action`` streams.
            policy: One-hot policy of every environment, ``[K, N, M]``; None for one policy.
        """
        self._env, self._actor, self._config, self._policy = env, actor, config, policy
        num_policies = 1 if policy is None else policy.shape[-1]
        self.episodes = EpisodeStatistics(env.num_seeds, env.num_envs, num_policies, env.device)
        self._streams = Streams(seeds, "action", env.device)
        self._observation, _ = env.reset()
        self._state = actor.network.initial_state(env.num_envs)
        self._resets = torch.ones(env.num_seeds, env.num_envs, dtype=torch.bool, device=env.device)
        self._stale = torch.zeros_like(self._resets)

    @torch.no_grad()
    def collect(self, rollout: Rollout, layout: RowLayout) -> None:
        """Fill ``rollout`` with ``num_steps`` steps of every environment."""
        config, distribution = self._config, self._actor.network.distribution
        chunk = rollout.rows.shape[2] // rollout.chunk_states.shape[2]
        if self._policy is not None:
            layout(rollout.rows, "policy").copy_(self._policy.unsqueeze(2))
        for step in range(config.num_steps):
            obs, critic_obs = policy_observation(self._observation), critic_observation(self._observation)
            if step % chunk == 0:
                rollout.chunk_states[:, :, step // chunk] = self._state
            params, values, states = self._evaluate(obs, critic_obs, self._state, self._resets)
            actions = distribution.sample(params, self._streams)
            row = rollout.rows[:, :, step]
            layout(row, "obs").copy_(obs)
            if layout.privileged:
                layout(row, "critic_obs").copy_(critic_obs)
            layout(row, "action").copy_(actions)
            layout(row, "params").copy_(params)
            layout(row, "logp_behaviour").copy_(distribution.log_prob(params, actions))
            layout(row, "reset").copy_(self._resets)
            self._observation, rewards, terminated, truncated, info = self._env.step(distribution.to_env(actions))
            self._state, self._resets = states, terminated | truncated
            self.episodes.step(rewards, self._resets, info["final_info"])
            if layout.masks_stale:
                row[..., layout.columns["stale"]] = self._stale.unsqueeze(-1).float()
                # What the memory saw in this step is the end of another episode.
                self._resets = self._resets | self._stale
                self._stale = info["stale_obs"]
            rollout.values[:, :, step] = values
            rollout.rewards[:, :, step] = rewards * config.reward_scale
            rollout.terminated[:, :, step] = terminated
            rollout.truncated[:, :, step] = truncated
            self._record_end(rollout, step, info["final_obs"])
        obs, critic_obs = policy_observation(self._observation), critic_observation(self._observation)
        _, rollout.last_value, _ = self._evaluate(obs, critic_obs, self._state, self._resets)

    def _record_end(self, rollout: Rollout, step: int, final: Observation) -> None:
        """What followed the step, before any reset: kept for off-policy learners, valued where time ran out."""
        final_obs, final_critic = policy_observation(final), critic_observation(final)
        if rollout.next_obs.shape[-1]:
            rollout.next_obs[:, :, step] = final_obs
        if rollout.next_critic_obs.shape[-1]:
            rollout.next_critic_obs[:, :, step] = final_critic
        truncated = rollout.truncated[:, :, step]
        rollout.timeout_values[:, :, step] = 0
        if self._config.timeout_bootstrap == "previous_obs":
            rollout.rewards[:, :, step] += self._config.gamma * rollout.values[:, :, step] * truncated
        elif self._config.timeout_bootstrap == "final_obs" and bool(truncated.any()):
            # The state is the one after this step: the episode did not restart yet.
            _, values, _ = self._evaluate(final_obs, final_critic, self._state, torch.zeros_like(truncated))
            rollout.timeout_values[:, :, step] = torch.where(truncated, values, 0.0)

    def _evaluate(
        self, obs: Tensor, critic_obs: Tensor, state: Tensor, resets: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self._actor(obs, critic_obs, self._policy, state, resets.unsqueeze(-1))

    def state_dict(self) -> dict[str, Any]:
        """Environment, streams and everything between two steps."""
        return {
            "env": self._env.state_dict(),
            "streams": self._streams.state_dict(),
            "observation": self._observation,
            "state": self._state,
            "resets": self._resets,
            "stale": self._stale,
            "episodes": self.episodes.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        self._env.load_state_dict(state["env"])
        self._streams.load_state_dict(state["streams"])
        self._observation = _to(state["observation"], self._env.device)
        self._state = state["state"].to(self._env.device)
        self._resets = state["resets"].to(self._env.device)
        self._stale = state["stale"].to(self._env.device)
        self.episodes.load_state_dict(state["episodes"])


def _to(observation: Observation, device: torch.device) -> Observation:
    if isinstance(observation, dict):
        return {name: value.to(device) for name, value in observation.items()}
    return observation.to(device)
