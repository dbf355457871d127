"""SplAgger and its relatives, trained end to end by recurrent PPO, K seeds at once.

    f_t = head([k_t, aggregate(z_1 .. z_t)]),   [k_t, z_t] = encode(tau_1 .. tau_t),   pi(a | s_t; theta(f_t))
    maximise  E[ min(r A, clip(r) A) ] - 0.5 vf_coef max(huber) + ent_coef H       A: GAE over the whole trial

(Beck, Jackson, Vuorio, Xiong, Whiteson; RLC 2024.) The memory is trained by the policy's loss alone; gradients reach
back through the whole rollout and stop at the ends of trials. An episode of the environment is a trial.

Deviations from the paper's code (each is an option or a stated choice; ``presets.py`` names the options of all quirks):

* A trial's last transition does not enter the next trial's memory (``terminal_transition``).
* The memory lives on between rollouts (``memory_at_rollout``).
* The maximum of no items is nothing rather than 0 (``aggregator.initial``); an empty memory says what an all-zero token
  says, as in the code.
* Discrete actions enter one-hot (``action_encoding``).
* The critic's last bias starts at 0 (``critic_bias``).
* Observation statistics move after the update, so the first ratio is 1 (``normalizer_update``); observations in their
  units are clamped to +-5.
* The running return behind the reward's scale restarts with its own trial (``return_reset``), and a rollout is scaled
  by statistics that include it; the code scales step by step.
* The memory runs once per minibatch as a parallel scan. The code calls it once per time step, and once more over the
  rollout after the last minibatch of every epoch.
* PEARL is the permutation-invariant model it claims to be: no recurrence, a Gaussian product, a sampled latent of the
  size the policy expects, PPO on the latents as sampled, KL to N(0, I). The published configuration keeps the GRU in
  front of the product, builds a policy of another size, replaces samples by means in the update and takes the KL to the
  previous posterior.
* Learned temperatures are learned on every device, as logarithms.
"""

from collections.abc import Iterator

import gymnasium
import torch
from torch import Tensor

from algorithms.ppo import advantages
from algorithms.ppo.distributions import distribution_for
from algorithms.ppo.evaluation import play_episodes
from algorithms.ppo.fused_trainer import FusedTrainer, Part
from algorithms.ppo.normalizer import RunningNormalizer
from algorithms.splagger import probes
from algorithms.splagger.agent import Agent
from algorithms.splagger.collector import Collector
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.describe import describe
from algorithms.splagger.memory import Memory
from algorithms.splagger.policy import ActorCritic
from algorithms.splagger.rewards import RewardScale
from algorithms.splagger.rollout import allocate
from algorithms.splagger.update import Updater
from algorithms.trainer import Metrics


class SplAggerTrainer(FusedTrainer):
    """One memory and policy per seed; see ``algorithms.trainer.Trainer`` for the contract."""

    config: SplAggerConfig

    def _build(self) -> None:
        config, env, seeds = self.config, self.env, self.seeds
        (obs_size,) = env.observation_space.shape
        distribution = distribution_for(env.action_space, self.device)
        num_actions = 0
        if isinstance(env.action_space, gymnasium.spaces.Discrete) and config.action_encoding == "one_hot":
            num_actions = int(env.action_space.n)
        self.agent = Agent(
            config,
            Memory(config, seeds, obs_size, num_actions or distribution.action_size).to(self.device),
            ActorCritic(config, seeds, obs_size, distribution).to(self.device),
            RunningNormalizer(len(seeds), obs_size, 5.0, enabled=config.normalize_observations, device=self.device),
            num_actions,
        )
        self._rewards = RewardScale(
            len(seeds), self._num_envs, config.gamma, own_trial=config.return_reset == "own_trial", device=self.device
        )
        self.updater = Updater(self.agent, seeds)
        self._check_tokens = probes.check_tokens(seeds, config.token_size, self.device)
        self._untrained = self._profiles("untrained_")
        self.collector = Collector(env, self.agent, config, seeds)
        self._rollout = allocate(
            seeds=len(seeds),
            steps=config.num_steps,
            rows=self._num_envs,
            obs=obs_size,
            action=distribution.action_size,
            latent=2 * config.latent_dim,
            noise=config.latent.noise_size(config.latent_dim),
            state=self.agent.memory.state_size,
            device=self.device,
        )

    def iterations(self, env_steps: int) -> Iterator[Metrics]:
        """Train until each seed has seen ``env_steps`` transitions; yield one row of metrics per update."""
        config, rollout, normalizer = self.config, self._rollout, self.agent.normalizer
        while self.env_steps < env_steps:
            self.collector.collect(rollout)
            targets = self._targets()
            if config.normalizer_update == "before_update":
                normalizer.update(rollout.obs.flatten(1, 2))
            figures = self.updater.update(rollout, targets, self._learning_rate())
            if config.normalizer_update == "after_update":
                normalizer.update(rollout.obs.flatten(1, 2))
            self.env_steps += self._num_envs * config.num_steps
            yield self._report(figures | self._checks())

    def _targets(self) -> dict[str, Tensor]:
        """Advantages by GAE over trials (normalised), critic targets A + V, and V; each ``[K, T, N]``."""
        config, rollout = self.config, self._rollout
        values = self.agent.values(rollout.obs, rollout.outputs[:, :-1], rollout.noise)
        rewards = self._rewards.scale(rollout.rewards, rollout.dones) if config.normalize_rewards else rollout.rewards
        # ``advantages`` has time last: [K, N, T].
        last, dones = self.collector.last_value(), rollout.dones.transpose(1, 2)
        next_values = advantages.bootstrap_values(
            values.transpose(1, 2), last, dones, rollout.timeout_values.transpose(1, 2)
        )
        estimate = advantages.gae(
            rewards.transpose(1, 2), values.transpose(1, 2), next_values, dones, config.gamma, config.gae_lambda
        ).transpose(1, 2)
        mean, std = estimate.mean((1, 2), keepdim=True), estimate.std((1, 2), keepdim=True)
        return {"advantages": (estimate - mean) / (std + 1e-5), "returns": estimate + values, "values": values}

    def _learning_rate(self) -> float:
        """Constant, or falling linearly to 0 over ``anneal_steps``."""
        config = self.config
        if config.anneal_steps is None:
            return config.learning_rate
        return config.learning_rate * max(0.0, 1 - self.env_steps / config.anneal_steps)

    def _checks(self) -> dict[str, Tensor]:
        """Manipulation checks, and where the balance of the split stands; each ``[K]``."""
        agent, updater = self.agent, self.updater
        figures = probes.memory_checks(agent.memory, self._check_tokens)
        none = torch.zeros(len(self.seeds), device=self.device)
        # Slot E of a generated parameter is the base network; the heads are the others.
        heads = [updater.policy.mean_gradient_of(one)[:, :, :-1].flatten(1) for one in agent.policy.generated()]
        figures["check/hypernetwork_grad_norm"] = torch.cat(heads, dim=1).norm(dim=1) if heads else none
        noise = self._rollout.noise
        figures["check/latent_noise"] = none if noise is None else noise.abs().mean((1, 2, 3))
        gate = agent.memory.gate
        figures["check/gate_grad_norm"] = none
        if gate is not None:
            figures["check/gate_grad_norm"] = updater.memory.mean_gradient_of(gate).flatten(1).norm(dim=1)
            figures["probe/aggregated_share"] = gate.detach().sigmoid().mean((1, 2))
        return figures

    def _report(self, figures: dict[str, Tensor]) -> Metrics:
        """One transfer of all figures to float64 arrays ``[K]``."""
        figures |= {f"episode/{name}": value[:, 0] for name, value in self.collector.episodes.flush().items()}
        finite = (one.parameters.isfinite().all(1) for one in (self.updater.memory, self.updater.policy))
        figures["health/finite"] = torch.stack(list(finite)).all(0)
        return self._row(figures)

    def evaluate(self, episodes: int) -> Metrics:
        """Play ``episodes`` trials with the most likely actions and mean latents; the same tasks at every call."""
        agent, distribution = self.agent, self.agent.policy.distribution
        # What is carried: the head's output, the memory, and the action just taken.
        widths = (2 * self.config.latent_dim, agent.memory.state_size, distribution.action_size)

        with torch.no_grad():
            empty = agent.begin(episodes)

        def act(obs: Tensor, _critic: Tensor, state: Tensor, _resets: Tensor) -> tuple[Tensor, Tensor]:
            output, memory, _ = state.split(widths, dim=-1)
            actions = distribution.mode(agent.act(obs, output, None))
            return distribution.to_env(actions), torch.cat([output, memory, actions], dim=-1)

        def remember(obs: Tensor, rewards: Tensor, final_obs: Tensor, dones: Tensor, state: Tensor) -> Tensor:
            _, memory, actions = state.split(widths, dim=-1)
            output, memory, _ = agent.remember(agent.tokens(obs, actions, rewards, final_obs), dones, memory, empty)
            return torch.cat([output, memory, actions], dim=-1)

        none = torch.zeros(len(self.seeds), episodes, distribution.action_size, device=self.device)
        with self._evaluation_env(episodes) as env:
            played = play_episodes(env, act, torch.cat([*empty, none], dim=-1), remember)
        figures = {f"eval/{name}": value.mean(1) for name, value in played.items()}
        figures |= self._untrained | self._profiles()
        return {name: value.double().cpu().numpy() for name, value in figures.items()}

    def _profiles(self, prefix: str = "") -> dict[str, Tensor]:
        """Profiles of the memory as it is; nothing unless the study asks for them."""
        if not self.config.gradient_probe:
            return {}
        curves = probes.profiles(self.agent.memory, self.seeds, self.config.token_size)
        return probes.profile_columns(curves, prefix)

    def describe(self) -> dict[str, float]:
        """What could confound a comparison; see ``algorithms.trainer.Trainer.describe``."""
        return describe(self.agent, self.config, self._num_envs, len(self.seeds))

    def _parts(self) -> dict[str, Part]:
        return {
            "updater": self.updater,
            "collector": self.collector,
            "normalizer": self.agent.normalizer,
            "rewards": self._rewards,
        }
