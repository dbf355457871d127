"""The loss of some rows of a minibatch, per seed.

L = mean [ -min(r A, clip(r) A) + 0.5 vf_coef max(huber(V - R), huber(V_clip - R)) - ent_coef H + penalty(f) ]

K  seeds    B  rows
"""

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from algorithms.ppo.losses import importance_ratio, policy_loss
from algorithms.splagger.agent import Agent

STATISTICS = ("loss/policy", "loss/value", "policy/entropy", "policy/approx_kl", "policy/clip_fraction", "loss/latent")
"""What ``objective`` reports beside the loss, in this order."""


def huber_value_loss(values: Tensor, values_old: Tensor, returns: Tensor, clip_coef: float) -> Tensor:
    """The worse Huber error of the prediction and of the prediction held within eps of the old one; any shape."""
    held = values_old + (values - values_old).clamp(-clip_coef, clip_coef)
    return torch.maximum(
        smooth_l1_loss(values, returns, reduction="none"), smooth_l1_loss(held, returns, reduction="none")
    )


def objective(agent: Agent, rows: dict[str, Tensor], outputs: Tensor, total_rows: int) -> tuple[Tensor, Tensor]:
    """Loss and statistics; summed over the parts of a minibatch they are those of the whole.

    Args:
        agent: Being moved.
        rows: Columns by name: ``obs`` (normalised) ``[K, B, S]``, ``actions``, ``logp``, ``advantages``, ``returns``,
            ``values``, and ``noise`` where latents are sampled.
        outputs: The memory's head outputs, ``[K, B, 2 D]``.
        total_rows: Rows of the minibatch.

    Returns:
        Loss ``[K]`` and ``STATISTICS`` ``[K, 6]`` (detached).
    """
    config, distribution = agent.config, agent.policy.distribution
    u, c = agent.policy.embed(rows["obs"], config.latent.read(outputs, rows.get("noise")))
    params, values = agent.policy.act(u, c), agent.policy.value(u, c)
    logp = distribution.log_prob(params, rows["actions"])
    ratio = importance_ratio(logp, rows["logp"])
    surrogate = policy_loss(ratio, torch.ones_like(ratio), rows["advantages"], config.clip_coef)
    error = huber_value_loss(values, rows["values"], rows["returns"], config.clip_coef)
    entropy = distribution.entropy(params)
    penalty = config.latent.penalty(outputs)
    loss = surrogate + 0.5 * config.vf_coef * error - config.ent_coef * entropy + penalty
    with torch.no_grad():
        log_ratio = logp - rows["logp"]
        figures = (
            surrogate,
            error,
            entropy,
            ratio - 1 - log_ratio,  # the k3 estimator of KL(old || new)
            ((ratio - 1).abs() > config.clip_coef).to(ratio.dtype),
            penalty,
        )
        statistics = torch.stack([one.sum(1) for one in figures], dim=1) / total_rows
    return loss.sum(1) / total_rows, statistics
