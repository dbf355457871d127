"""Split and aggregate policy gradients (Singla, Agarwal, Pathak; ICML 2024) for K seeds at once.

    maximise  sum_i [ L_on(pi_i) + lambda L_off(pi_i; X_i) ],   X_leader = all followers, X_follower = {}    (Alg. 1)
    L_off = E_{(s,a) ~ pi_j, j in X_i} min(r A, clip(r, mu (1 - eps), mu (1 + eps)) A)                       (Eq. 3)
    r = pi_i / pi_j,  mu = pi_i,old / pi_j,  A = r_t + gamma V_i(s'_{t+1}) - V_i(s_t)                        (Eq. 6)

The N environments are split into M blocks, one per policy. Every policy learns from its own block by PPO; relabelled
rows of the followers join the leader's. All losses are summed and one optimiser moves the shared backbone.

Deviations from the paper:

* Eq. 2 and 3 print the advantage outside the minimum; we use min(r A, clip(r) A), as PPO and the public code do.
* The paper does not name the on-policy advantage: GAE (its lambda is in the tables); only critic targets are 3-step.
* Ratios are bounded by e^20 in the exponent: an unbounded one overflows and poisons its minibatch.
* One mean and variance standardises the advantages of all policies together, as the public code does (paper: silent).
* A recurrent learner reads a relabelled chunk from the state its follower stored at the chunk's start; the public code
  takes the follower's stored state at every step.
* phi_j enters the actor's and the critic's first layer (paper: both networks are conditioned on the same phi_j).

Differences between paper and public code are options of ``SAPGConfig``; ``presets.py`` sets them all.
"""

from typing import Any

import torch
from torch import Tensor

from algorithms.ppo import advantages
from algorithms.ppo.fused_trainer import Part
from algorithms.ppo.networks import PolicySet
from algorithms.ppo.rollout import Rollout
from algorithms.ppo.rows import Batch
from algorithms.ppo.trainer import PPOTrainer
from algorithms.sapg import probes
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.relabel import Relabeller, Target, draw_chunks
from envs.streams import Streams


class SAPGTrainer(PPOTrainer):
    """M policies per seed on one backbone; metrics are the leader's."""

    config: SAPGConfig

    def _build(self) -> None:
        super()._build()
        config, num_policies = self.config, self.policies.num_policies
        self._ent_coefs = tuple(config.ent_coef + extra for extra in config.entropy.coefficients(num_policies))
        self._block_of_policy = [int(block) for block in self._policies_of_blocks().argsort()]
        sources = config.aggregation.sources(num_policies)
        self._targets = [
            Target(policy, tuple(self._block_of_policy[j] for j in others))
            for policy, others in enumerate(sources)
            if others
        ]
        self._ratio = config.aggregation.off_policy_ratio(num_policies)
        mean_over_sources = config.off_policy_norm == "mean_over_sources"
        self._relabeller = Relabeller(
            self.actor,
            config,
            self.layout,
            self._ent_coefs,
            config.aggregation.off_policy_coef / (max(self._ratio, 1) if mean_over_sources else 1),
        )
        self._subsample = Streams(self.seeds, "subsample", self.device)
        self._seen = probes.sample_rows(self.layout, self._rollout)

    def _policy_set(self) -> PolicySet:
        config = self.config
        return PolicySet(
            num_policies=config.num_policies,
            latent_dim=config.conditioning.latent_dim(config.num_policies),
            num_networks=config.conditioning.num_networks(config.num_policies),
            num_log_stds=config.num_policies if config.sigma == "per_policy" else 1,
            latent_after_rnn=config.conditioning.position == "after_rnn",
        )

    def _policies_of_blocks(self) -> Tensor:
        """Which policy acts in which block: the leader (policy 0) owns the first or the last one."""
        order = torch.arange(self.config.num_policies, device=self.device)
        return order if self.config.leader_block == "first" else order.flip(0)

    def _assign_policies(self, num_envs: int) -> Tensor:
        return self._policies_of_blocks().repeat_interleave(num_envs // self.config.num_policies)

    def _keeps_next_obs(self) -> bool:
        return any(self.config.aggregation.sources(self.config.num_policies))

    def _assemble(self, rollout: Rollout) -> Batch:
        """Every policy's own rows, then the relabelled rows of every target, in groups of one policy's size."""
        self._fill_on_policy(rollout)
        own = self._on_policy_batch(rollout)
        relabelled = [self._relabeller(target, rollout, index) for target, index in self._draw(own.chunks_per_group)]
        rows = torch.cat([own.rows, *(rows for rows, _ in relabelled)], dim=1) if relabelled else own.rows
        state = torch.cat([own.state, *(state for _, state in relabelled)], dim=1) if relabelled else own.state
        batch = Batch(rows, state, self._update_groups())
        self._normalize_targets(batch)
        return batch

    def _fill_on_policy(self, rollout: Rollout) -> None:
        """GAE advantages; critic targets and entropy coefficients as SAPG has them."""
        super()._fill_on_policy(rollout)
        config, layout = self.config, self.layout
        if config.on_target == "n_step":
            targets = advantages.n_step_returns(
                rollout.rewards,
                rollout.values,
                self._next_values(rollout),
                rollout.dones,
                config.gamma,
                config.n_step,
            )
            layout(rollout.rows, "return").copy_(targets)
        coefs = torch.tensor(self._ent_coefs, device=self.device)[self._policy_of_env]
        layout(rollout.rows, "ent_coef").copy_(coefs.unsqueeze(1))

    def _draw(self, chunks_per_policy: int) -> list[tuple[Target, Tensor]]:
        """Chunks of the rollout that each target learns from, ``[K, ratio * C]``."""
        if not self._targets:
            return []
        positions, inside = draw_chunks(
            self._subsample, self.config, len(self._targets[0].blocks), chunks_per_policy, self._ratio
        )
        drawn = []
        for target in self._targets:
            blocks = torch.tensor(target.blocks, device=self.device)[positions]
            drawn.append((target, blocks * chunks_per_policy + inside))
        return drawn

    def _update_groups(self) -> int:
        return self.policies.num_policies + len(self._targets) * self._ratio

    def _measure(self, batch: Batch) -> dict[str, Tensor]:
        self._seen = probes.sample_rows(self.layout, self._rollout)
        return probes.batch_checks(self.layout, batch, self._rollout) | probes.off_policy_ratios(self.layout, batch)

    def _after_update(self) -> dict[str, Tensor]:
        checks = probes.gradient_checks(self.actor.network, self.updater.optimizer)
        return checks | probes.policy_distance(self.actor, self._seen)

    def _per_policy(self, prefix: str, means: dict[str, Tensor]) -> dict[str, Tensor]:
        """The leader's figures under the plain name; best and mean of the M policies beside its return."""
        leader = self._block_of_policy[0]
        named = {f"{prefix}/{name}": value[:, leader] for name, value in means.items()}
        if "return" in means:
            returns = means["return"]
            best = returns.nan_to_num(nan=-torch.inf).amax(1)
            named[f"{prefix}/return_best_policy"] = torch.where(best.isfinite(), best, torch.nan)
            named[f"{prefix}/return_mean_policy"] = returns.nanmean(1)
        return named

    def _probe(self) -> dict[str, Tensor]:
        return probes.kl_to_leader(self.actor, self._seen) | probes.state_diversity(
            self.actor.obs_normalizer.normalize(self._seen.obs), self.seeds
        )

    def _parts(self) -> dict[str, Part]:
        """See ``PPOTrainer``; also the draws of relabelled rows."""
        return super()._parts() | {"subsample": self._subsample}

    def state_dict(self) -> dict[str, Any]:
        """See ``FusedTrainer.state_dict``; also what the probes look at."""
        return super().state_dict() | {"seen": self._seen.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        super().load_state_dict(state)
        self._seen = probes.Seen(**{name: value.to(self.device) for name, value in state["seen"].items()})

    def describe(self) -> dict[str, float]:
        """See ``algorithms.trainer.Trainer.describe``; also M."""
        return super().describe() | {"num_policies": float(self.policies.num_policies)}
