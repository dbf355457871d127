"""The loss of one minibatch, per seed.

L = sum_rows w [ -min(r A, clip(r) A) + 0.5 vf_coef (V - R)^2 - ent_coef H + bounds_coef bounds ] / sum_rows w
"""

import torch
from torch import Tensor

from algorithms.ppo.config import PPOConfig
from algorithms.ppo.dispatch import Dispatch
from algorithms.ppo.losses import importance_ratio, policy_loss, value_loss
from algorithms.ppo.networks import ActorCritic
from algorithms.ppo.rows import RowLayout

STATISTICS = (
    "loss/policy",
    "loss/value",
    "loss/bounds",
    "policy/entropy",
    "policy/approx_kl",
    "policy/clip_fraction",
    "probe/off_policy_clipped",
)
"""What ``objective`` reports beside the loss, in this order."""


def objective(
    network: ActorCritic,
    config: PPOConfig,
    layout: RowLayout,
    rows: Tensor,
    obs: Tensor,
    critic_obs: Tensor,
    state: Tensor,
    denominators: Tensor,
    dispatch: Dispatch | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss and statistics of some rows of a minibatch; summed over its parts they are those of the whole.

    Args:
        network: Policies and critics being moved.
        config: Coefficients.
        layout: Columns of ``rows``.
        rows: ``[K, c, S, F]``.
        obs: Normalised observations ``[K, c * S, D]``; ``critic_obs`` likewise.
        critic_obs: See ``obs``.
        state: Recurrent state of each chunk, ``[K, c, Z]``.
        denominators: Sums over the whole minibatch of weight, kl_weight, 1 and off_policy, ``[K, 4]``.
        dispatch: Routing to separate networks, None for one network.

    Returns:
        Loss ``[K]`` and ``STATISTICS`` ``[K, 7]`` (detached).
    """
    flat = rows.flatten(1, 2)
    resets = layout(rows, "reset") > 0
    params, values, _ = network(obs, critic_obs, layout.policy(flat), state, resets, dispatch)
    distribution = network.distribution
    logp_behaviour = layout(flat, "logp_behaviour")
    ratio = importance_ratio(distribution.log_prob(params, layout(flat, "action")), logp_behaviour)
    center = layout(flat, "log_center").exp()
    surrogate = policy_loss(ratio, center, layout(flat, "advantage"), config.clip_coef)
    error = value_loss(values, layout(flat, "value"), layout(flat, "return"), config.clip_coef, clip=config.clip_vloss)
    entropy = distribution.entropy(params)
    bounds = distribution.bounds_penalty(params)
    weight = layout(flat, "weight") / denominators[:, :1]
    total = surrogate + 0.5 * config.vf_coef * error - layout(flat, "ent_coef") * entropy + config.bounds_coef * bounds
    loss = (weight * total).sum(1)

    with torch.no_grad():
        clipped = ((ratio / center - 1).abs() > config.clip_coef).float() * layout.present(flat)
        kl = distribution.kl(layout(flat, "params"), params)
        off_policy = layout(flat, "off_policy")
        statistics = torch.stack(
            [
                (weight * surrogate).sum(1),
                (weight * error).sum(1),
                (weight * bounds).sum(1),
                (weight * entropy).sum(1),
                (layout(flat, "kl_weight") * kl).sum(1) / denominators[:, 1],
                clipped.sum(1) / denominators[:, 2],
                (off_policy * clipped).sum(1) / denominators[:, 3],
            ],
            dim=1,
        )
    return loss, statistics


def minibatch_denominators(layout: RowLayout, rows: Tensor) -> Tensor:
    """Sums over a whole minibatch ``[K, c, S, F]`` of weight, kl_weight, 1 and off_policy, ``[K, 4]``.

    Of the last two only over rows that count.

    Never 0: a shuffled minibatch may hold relabelled rows only, which count for nothing in some of them.
    """
    weight, kl_weight, off_policy = (layout(rows, name) for name in ("weight", "kl_weight", "off_policy"))
    present = torch.ones_like(weight) * layout.present(rows)
    sums = [x.sum((1, 2)) for x in (weight, kl_weight, present, off_policy * present)]
    return torch.stack(sums, dim=1).clamp(min=1e-12)
