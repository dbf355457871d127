"""Proximal policy optimisation (Schulman et al. 2017) for K seeds at once.

    maximise  E[ min(r A, clip(r, 1 - eps, 1 + eps) A) ] - 0.5 vf_coef (V - R)^2 + ent_coef H - bounds_coef bounds
    r = pi_new(a | s) / pi_old(a | s),   A: generalised advantage estimation,   step size adapted to KL(old || new)

Deviations from rl_games, which SAPG's PPO baseline runs on (each is an option or a stated choice):

* Time-outs bootstrap from the final observation, not from the state before (``timeout_bootstrap``).
* Rows are shuffled anew in every epoch; rl_games never shuffles a feed-forward PPO batch (``minibatch_layout``).
* Observation statistics move after the update, so an iteration sees one normaliser and its first ratio is exactly 1
  (``normalizer_update``).
* The value normaliser counts returns only; rl_games also counts the old predictions.
* Steps taken from a stale observation are left out unless the environment says ``lazy_reset = "train"``: Isaac Gym's
  tasks restart a copy one step late, and rl_games learns from the step in between.
* KL is measured against the policy that acted; rl_games overwrites the old policy after every minibatch.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from algorithms.ppo import advantages
from algorithms.ppo.collector import Actor, Collector, one_hot_policies
from algorithms.ppo.config import Lstm, PPOConfig
from algorithms.ppo.describe import describe
from algorithms.ppo.distributions import distribution_for
from algorithms.ppo.evaluation import play_episodes
from algorithms.ppo.fused_trainer import FusedTrainer, Part
from algorithms.ppo.networks import ActorCritic, PolicySet
from algorithms.ppo.normalizer import RunningNormalizer
from algorithms.ppo.rollout import Rollout, allocate
from algorithms.ppo.rows import Batch, RowLayout
from algorithms.ppo.update import Updater, observe
from algorithms.trainer import Metrics
from envs.vector import lazy_reset


class PPOTrainer(FusedTrainer):
    """One policy per seed; see ``algorithms.trainer.Trainer`` for the contract."""

    config: PPOConfig

    def _build(self) -> None:
        self.policies = self._policy_set()
        self._policy_of_env = self._assign_policies(self._num_envs)
        config, env, num_seeds = self.config, self.env, len(self.seeds)
        (obs_size,) = env.observation_space.shape
        privileged = env.critic_observation_space is not None
        (critic_size,) = (env.critic_observation_space or env.observation_space).shape
        if privileged and config.trunk == "shared":
            raise ValueError("trunk: a shared trunk cannot serve a critic with observations of its own; use `separate`")
        distribution = distribution_for(env.action_space, self.device)
        network = ActorCritic(
            self.seeds,
            obs_size,
            critic_size,
            distribution,
            self.policies,
            config.network,
            shared=config.trunk == "shared",
            bf16=config.precision == "bf16",
        ).to(self.device)
        normalizers = [
            RunningNormalizer(num_seeds, size, 5.0, enabled=enabled, device=self.device)
            for size, enabled in (
                (obs_size, config.normalize_observations),
                (critic_size, config.normalize_observations),
                (1, config.normalize_values),
            )
        ]
        self.actor = Actor(network, *normalizers)
        self.layout = RowLayout(
            obs=obs_size,
            critic_obs=critic_size if privileged else 0,
            policy=self.policies.columns,
            action=distribution.action_size,
            params=distribution.num_params,
            stale=lazy_reset(env) == "mask",
        )
        self.updater = Updater(self.actor, config, self.layout, self.seeds, self._num_envs)
        policy = one_hot_policies(self._policy_of_env, num_seeds, self.policies.num_policies)
        self.collector = Collector(env, self.actor, config, self.seeds, policy)
        self.chunk_steps = config.chunk_steps or (config.num_steps if isinstance(config.network, Lstm) else 1)
        self._rollout = allocate(
            self.layout,
            seeds=num_seeds,
            num_envs=self._num_envs,
            num_steps=config.num_steps,
            chunk_steps=self.chunk_steps,
            state_size=network.state_size,
            next_obs_sizes=(obs_size, critic_size if privileged else 0) if self._keeps_next_obs() else (0, 0),
            device=self.device,
        )

    def _policy_set(self) -> PolicySet:
        """How many policies there are and what they share."""
        return PolicySet()

    def _assign_policies(self, num_envs: int) -> Tensor:
        """Which policy acts in which environment, ``[N]`` int64."""
        return torch.zeros(num_envs, dtype=torch.int64, device=self.device)

    def _keeps_next_obs(self) -> bool:
        """Whether somebody evaluates other policies' next states."""
        return False

    def iterations(self, env_steps: int) -> Iterator[Metrics]:
        """Train until each seed has seen ``env_steps`` transitions; yield one row of metrics per update."""
        while self.env_steps < env_steps:
            self.collector.collect(self._rollout, self.layout)
            batch = self._assemble(self._rollout)
            figures = self._measure(batch)
            figures |= self.updater.update(batch)
            if self.config.normalizer_update == "after_update":
                observe(self.actor, self.layout, self._rollout.rows)
            self.env_steps += self._num_envs * self.config.num_steps
            figures |= self._after_update()
            yield self._report(figures)

    def _assemble(self, rollout: Rollout) -> Batch:
        """Fill in targets: every policy's own rows, learned on-policy."""
        self._fill_on_policy(rollout)
        batch = self._on_policy_batch(rollout)
        self._normalize_targets(batch)
        return batch

    def _fill_on_policy(self, rollout: Rollout) -> None:
        """Advantages by GAE, critic targets A + V."""
        next_values = self._next_values(rollout)
        config, rows = self.config, rollout.rows
        estimate = advantages.gae(
            rollout.rewards, rollout.values, next_values, rollout.dones, config.gamma, config.gae_lambda
        )
        self.layout(rows, "advantage").copy_(estimate)
        self.layout(rows, "return").copy_(estimate + rollout.values)
        self.layout(rows, "value").copy_(rollout.values)
        for name in ("weight", "kl_weight"):
            self.layout(rows, name).fill_(1)
        self.layout(rows, "ent_coef").fill_(config.ent_coef)

    def _next_values(self, rollout: Rollout) -> Tensor:
        return advantages.bootstrap_values(rollout.values, rollout.last_value, rollout.dones, rollout.timeout_values)

    def _on_policy_batch(self, rollout: Rollout) -> Batch:
        """View the rollout as chunks, grouped by policy (their environments lie side by side)."""
        rows = rollout.rows.unflatten(2, (-1, self.chunk_steps)).flatten(1, 2)
        return Batch(rows, rollout.chunk_states.flatten(1, 2), self.policies.num_policies)

    def _normalize_targets(self, batch: Batch) -> None:
        """Move the value statistics, put targets in their units, standardise advantages; per seed.

        Rows that must not count get no weight and move no statistics.
        """
        returns, values = self.layout(batch.rows, "return"), self.layout(batch.rows, "value")
        counted = self.layout.counted(batch.rows)
        if counted is not None:
            for name in ("weight", "kl_weight"):
                self.layout(batch.rows, name).masked_fill_(~counted, 0)
        normalizer = self.actor.value_normalizer
        normalizer.update(returns.flatten(1).unsqueeze(-1), None if counted is None else counted.flatten(1))
        for column in (returns, values):
            column.copy_(normalizer.normalize(column.flatten(1).unsqueeze(-1)).view_as(column))
        if self.config.normalize_advantages:
            column = self.layout(batch.rows, "advantage")
            mean, std = advantages.mean_and_std(column, counted)
            column.copy_((column - mean) / (std + 1e-8))

    def _measure(self, batch: Batch) -> dict[str, Tensor]:
        """Figures of the batch itself, each ``[K]``."""
        return {}

    def _after_update(self) -> dict[str, Tensor]:
        """Figures of the updated policies, each ``[K]``."""
        return {}

    def _report(self, figures: dict[str, Tensor]) -> Metrics:
        """One transfer of all figures to float64 arrays ``[K]``."""
        figures |= self._per_policy("episode", self.collector.episodes.flush())
        figures["health/finite"] = self.updater.optimizer.parameters.isfinite().all(1)
        return self._row(figures)

    def _per_policy(self, prefix: str, means: dict[str, Tensor]) -> dict[str, Tensor]:
        """Name per-policy means ``[K, M]`` (block order): here the only policy's."""
        return {f"{prefix}/{name}": value[:, 0] for name, value in means.items()}

    def evaluate(self, episodes: int) -> Metrics:
        """Play ``episodes`` episodes of every policy with its most likely actions; the same starts at every call."""
        num_policies = self.policies.num_policies
        distribution = self.actor.network.distribution
        with self._evaluation_env(episodes * num_policies) as env:
            policy = one_hot_policies(self._assign_policies(env.num_envs), len(self.seeds), num_policies)

            def act(obs: Tensor, critic_obs: Tensor, state: Tensor, resets: Tensor) -> tuple[Tensor, Tensor]:
                params, _, states = self.actor(obs, critic_obs, policy, state, resets.unsqueeze(-1))
                return distribution.to_env(distribution.mode(params)), states

            played = play_episodes(env, act, self.actor.network.initial_state(env.num_envs))
        means = {name: value.unflatten(1, (num_policies, -1)).mean(-1) for name, value in played.items()}
        figures = self._per_policy("eval", means) | self._probe()
        return {name: value.double().cpu().numpy() for name, value in figures.items()}

    def reported_copy(self, num_envs: int) -> int:
        """The first one of policy 0."""
        return int(self._assign_policies(num_envs).argmin())

    def _probe(self) -> dict[str, Tensor]:
        """Mechanism figures too dear for every update, each ``[K]``."""
        return {}

    def describe(self) -> dict[str, float]:
        """What could confound a comparison; see ``algorithms.trainer.Trainer.describe``."""
        return describe(self.actor.network, self.config, self._num_envs, len(self.seeds), self._update_groups())

    def _update_groups(self) -> int:
        """Groups of rows in an update, each as many as one policy collects."""
        return self.policies.num_policies

    def _parts(self) -> dict[str, Part]:
        actor = self.actor
        return {
            "updater": self.updater,
            "collector": self.collector,
            "obs_normalizer": actor.obs_normalizer,
            "critic_normalizer": actor.critic_normalizer,
            "value_normalizer": actor.value_normalizer,
        }
