"""Other policies' rows, relabelled for the policy that learns from them (SAPG Sec. 4.1, Alg. 1).

A relabelled row keeps what happened (observation, action, reward, flags, the behaviour's log-probability) and changes
what the learner makes of it: its policy, value, 1-step target, clip centre, entropy coefficient and weight.

    K  seeds    M  policies    C  chunks of a policy    R  chunks drawn per target    S  steps of a chunk
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.ppo.advantages import one_step_targets
from algorithms.ppo.collector import Actor
from algorithms.ppo.losses import MAX_LOG_RATIO
from algorithms.ppo.rollout import Rollout
from algorithms.ppo.rows import RowLayout, take_chunks
from algorithms.sapg.config import SAPGConfig
from envs.streams import Streams


@dataclass(frozen=True, slots=True)
class Target:
    """One policy that learns off-policy.

    Attributes:
        policy: i, counted from the leader.
        blocks: Blocks of environments that its sources X_i act in, in cyclic order after i.
    """

    policy: int
    blocks: tuple[int, ...]


def draw_chunks(
    streams: Streams, config: SAPGConfig, num_sources: int, chunks_per_policy: int, ratio: int
) -> tuple[Tensor, Tensor]:
    """Which chunks of which source each target takes this iteration, one draw for all targets.

    Returns:
        Source positions (0 .. |X_i| - 1) and chunks inside a block, each ``[K, R]``, R = ratio * C: without
        replacement from the union of the sources (``uniform_union``), or whole blocks (``one_block``).
    """
    if config.subsample == "uniform_union":
        drawn = streams.permutation(num_sources * chunks_per_policy)[:, : ratio * chunks_per_policy]
        return drawn // chunks_per_policy, drawn % chunks_per_policy
    blocks = streams.permutation(num_sources)[:, :ratio]
    inside = torch.arange(chunks_per_policy, device=blocks.device)
    return blocks.repeat_interleave(chunks_per_policy, 1), inside.repeat(ratio).expand(blocks.shape[0], -1)


class Relabeller:
    """Builds the relabelled rows of one target."""

    def __init__(
        self, actor: Actor, config: SAPGConfig, layout: RowLayout, ent_coefs: tuple[float, ...], row_weight: float
    ) -> None:
        """Prepare.

        Args:
            actor: Policies and critics, before the update.
            config: Which of the paper's and the code's choices to follow.
            layout: Columns of a row.
            ent_coefs: Entropy coefficient of every policy.
            row_weight: Weight of a relabelled row in the loss.
        """
        self._actor, self._config, self._layout = actor, config, layout
        self._ent_coefs, self._row_weight = ent_coefs, row_weight

    @torch.no_grad()
    def __call__(self, target: Target, rollout: Rollout, index: Tensor) -> tuple[Tensor, Tensor]:
        """Relabel chunks ``index [K, R]`` (of the whole rollout): rows ``[K, R, S, F]`` and states ``[K, R, Z]``."""
        config, layout = self._config, self._layout
        steps = rollout.rows.shape[2] // rollout.chunk_states.shape[2]
        rows = take_chunks(_chunks(rollout.rows, steps), index)
        state = take_chunks(rollout.chunk_states.flatten(1, 2), index)
        rewards, terminated, truncated = (
            take_chunks(_chunks(x, steps), index) for x in (rollout.rewards, rollout.terminated, rollout.truncated)
        )
        policy = torch.zeros_like(layout(rows, "policy"))
        policy[..., target.policy] = 1
        layout(rows, "off_policy").copy_((policy != layout(rows, "policy")).any(-1))
        layout(rows, "policy").copy_(policy)

        params, values, next_values = self._evaluate(rollout, rows, policy, state, index)
        bootstraps = ~terminated if config.timeout_bootstrap == "final_obs" else ~(terminated | truncated)
        targets = one_step_targets(rewards, next_values * bootstraps, config.gamma)
        layout(rows, "value").copy_(values)
        layout(rows, "return").copy_(targets)
        layout(rows, "advantage").copy_(targets - values)
        layout(rows, "ent_coef").fill_(self._ent_coefs[target.policy])
        layout(rows, "weight").fill_(self._row_weight)
        layout(rows, "kl_weight").fill_(float(config.kl_rows == "all"))
        logp_old = self._actor.network.distribution.log_prob(params, layout(rows, "action"))
        log_mu = (logp_old - layout(rows, "logp_behaviour")).clamp(max=MAX_LOG_RATIO)
        layout(rows, "log_mu").copy_(log_mu)
        layout(rows, "log_center").copy_(log_mu * float(config.clip_center == "mu_old"))
        return rows, state

    def _evaluate(
        self, rollout: Rollout, rows: Tensor, policy: Tensor, state: Tensor, index: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the target makes of the rows: parameters ``[K, R, S, P]``, V(s_t) and V(s'_{t+1}) ``[K, R, S]``."""
        layout, shape, steps = self._layout, rows.shape[:3], rows.shape[2]
        flat, flat_policy = rows.flatten(1, 2), policy.flatten(1, 2)
        obs = layout(flat, "obs")
        critic_obs = layout.critic_obs(flat) if layout.privileged else obs
        params, values, states = self._actor(obs, critic_obs, flat_policy, state, layout(rows, "reset") > 0)
        next_obs = take_chunks(_chunks(rollout.next_obs, steps), index).flatten(1, 2)
        next_critic = (
            take_chunks(_chunks(rollout.next_critic_obs, steps), index).flatten(1, 2) if layout.privileged else next_obs
        )
        # Each next state is one more step from the state after its row: B sequences of one step.
        no_resets = torch.zeros(*next_obs.shape[:2], 1, dtype=torch.bool, device=obs.device)
        _, next_values, _ = self._actor(next_obs, next_critic, flat_policy, states, no_resets)
        return params.unflatten(1, shape[1:]), values.view(shape), next_values.view(shape)


def _chunks(x: Tensor, steps: int) -> Tensor:
    """``[K, N, T, ...] -> [K, N * T / S, S, ...]``."""
    return x.unflatten(2, (-1, steps)).flatten(1, 2)
