"""Manipulation checks (is the component doing what it says?) and mechanism probes (why does it matter?).

Checks are measured from the batch, the gradients and the network's outputs, never read off the config.

    K  seeds    M  policies    B  sampled rows    D  observation
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from algorithms.ppo.collector import Actor
from algorithms.ppo.layers import StackedLinear
from algorithms.ppo.networks import ActorCritic
from algorithms.ppo.optimizer import StackedAdam
from algorithms.ppo.rollout import Rollout
from algorithms.ppo.rows import Batch, RowLayout

_SAMPLE = 512
_DISTANCE_SAMPLE = 64
_AUTOENCODER_STEPS = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """Some observations of the last rollout.

    Attributes:
        obs: ``[K, B, D]``, raw.
        critic_obs: ``[K, B, D']``, raw.
    """

    obs: Tensor
    critic_obs: Tensor

    def state_dict(self) -> dict[str, Tensor]:
        """As a checkpoint holds it."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def sample_rows(layout: RowLayout, rollout: Rollout) -> Seen:
    """At most ``_SAMPLE`` evenly spaced rows of a rollout, from all policies' environments."""
    rows = rollout.rows.flatten(1, 2)
    rows = rows[:, :: math.ceil(rows.shape[1] / _SAMPLE)]
    return Seen(layout(rows, "obs").clone(), layout.critic_obs(rows).clone())


def batch_checks(layout: RowLayout, batch: Batch, rollout: Rollout) -> dict[str, Tensor]:
    """Who learned from whom, with which entropy coefficient, and how many policies acted."""
    rows = batch.rows.flatten(1, 2)
    off_policy = layout(rows, "off_policy")
    policy = layout.policy(rows)
    acted = layout.policy(rollout.rows.flatten(1, 2))
    one = torch.ones(rows.shape[0], device=rows.device)
    learners = one * 0 if policy is None else ((policy * off_policy.unsqueeze(-1)).sum(1) > 0).sum(1)
    num_policies = one if acted is None else (acted.sum(1) > 0).sum(1)
    own_rows = rollout.rewards[0].numel() / num_policies
    return {
        "check/off_policy_rows": off_policy.sum(1),
        "check/off_policy_targets": learners,
        "check/off_policy_ratio": off_policy.sum(1) / learners.clamp(min=1) / own_rows,
        "check/entropy_coef_max": layout(rows, "ent_coef").amax(1),
        "check/num_policies": num_policies,
    }


def off_policy_ratios(layout: RowLayout, batch: Batch) -> dict[str, Tensor]:
    """Effective sample size of mu = pi_target,old / pi_behaviour over relabelled rows, as a share of their number.

    (sum mu)^2 / (n sum mu^2): 1 when both policies are one, 1/n when a single row carries all the weight.
    """
    rows = batch.rows.flatten(1, 2)
    off_policy = layout(rows, "off_policy").double() * layout.present(rows)
    count = off_policy.sum(1)
    mu = layout(rows, "log_mu").double().exp() * off_policy
    squares = mu.square().sum(1)
    return {
        "probe/effective_sample_size": mu.sum(1).square() / (count * squares),
        "probe/mean_ratio_error": ((mu - 1).abs() * off_policy).sum(1) / count,
    }


def gradient_checks(network: ActorCritic, optimizer: StackedAdam) -> dict[str, Tensor]:
    """Whether gradients reach phi, and how many separate networks they reach.

    Read from their running mean: the last minibatch alone need not hold rows of every policy.
    """
    head = optimizer.mean_gradient_of(network.action_head.weight)
    none = torch.zeros(head.shape[0], device=head.device)
    phi = none if network.phi is None else optimizer.mean_gradient_of(network.phi).flatten(1).norm(dim=1)
    return {"check/latent_grad_norm": phi, "check/num_networks": (head.abs().sum((2, 3)) > 0).sum(1)}


def _under_every_policy(actor: Actor, seen: Seen) -> Tensor:
    """Distribution parameters of the same observations under each policy, ``[K, M, B, P]``."""
    num_policies = actor.network.policies.num_policies
    seeds, rows = seen.obs.shape[:2]
    eye = torch.eye(num_policies, device=seen.obs.device).repeat_interleave(rows, 0).expand(seeds, -1, -1)
    obs = seen.obs.repeat(1, num_policies, 1)
    resets = torch.ones(seeds, num_policies * rows, 1, dtype=torch.bool, device=obs.device)
    params, _, _ = actor(
        obs,
        seen.critic_obs.repeat(1, num_policies, 1),
        eye if num_policies > 1 else None,
        actor.network.initial_state(num_policies * rows),
        resets,
    )
    return params.unflatten(1, (num_policies, rows))


def policy_distance(actor: Actor, seen: Seen) -> dict[str, Tensor]:
    """Largest difference between any policy's network output and the leader's on the same observations."""
    few = Seen(seen.obs[:, :_DISTANCE_SAMPLE], seen.critic_obs[:, :_DISTANCE_SAMPLE])
    params = _under_every_policy(actor, few)
    return {"check/policy_distance": actor.network.distribution.distance(params, params[:, :1]).amax((1, 2))}


def kl_to_leader(actor: Actor, seen: Seen) -> dict[str, Tensor]:
    """Mean KL(pi_j || pi_leader) over sampled observations, for every follower and on average."""
    params = _under_every_policy(actor, seen)
    if params.shape[1] == 1:
        return {}
    kl = actor.network.distribution.kl(params[:, 1:], params[:, :1].expand_as(params[:, 1:])).mean(2)
    each = {f"probe/kl_to_leader_{j + 1}": kl[:, j] for j in range(kl.shape[1])}
    return {"probe/kl_to_leader": kl.mean(1), **each}


def state_diversity(obs: Tensor, seeds: Sequence[int]) -> dict[str, Tensor]:
    """How hard the visited states are to compress (SAPG Sec. 6.4).

    Mean squared error per row of the best k-dimensional linear reconstruction, and of an autoencoder with one ReLU
    layer trained by Adam. NaN for a seed whose observations are not finite.

    Args:
        obs: Normalised observations ``[K, B, D]``.
        seeds: The runs' seeds; the autoencoder starts from their ``probe`` streams.
    """
    centered = (obs - obs.mean(1, keepdim=True)).double()
    # One diverged seed must not fail the others: the decomposition of a batch refuses NaN anywhere in it.
    finite = centered.isfinite().all((1, 2))
    variances = torch.linalg.svdvals(centered.nan_to_num(0, 0, 0)).square() / obs.shape[1]
    figures = {
        f"probe/pca_error_{k}": torch.where(finite, variances[:, k:].sum(1), torch.nan)
        for k in (1, 2, 4, 8, 16)
        if k < min(variances.shape[1], 17)
    }
    return figures | {"probe/autoencoder_error": _autoencoder_error(centered.float(), seeds)}


@torch.enable_grad()
def _autoencoder_error(x: Tensor, seeds: Sequence[int]) -> Tensor:
    """Final reconstruction error ``[K]``; the code has D / 8 units, at least 2 (SAPG: 8 units for 99 to 117 inputs)."""
    num_seeds, _, size = x.shape
    hidden = max(2, size // 8)
    encoder, decoder = StackedLinear(num_seeds, 1, size, hidden), StackedLinear(num_seeds, 1, hidden, size)
    encoder.initialize(seeds, "probe/encoder")
    decoder.initialize(seeds, "probe/decoder")
    optimizer = StackedAdam(
        nn.ModuleList([encoder, decoder]).to(x.device), num_seeds, learning_rate=1e-2, max_grad_norm=float("inf")
    )
    error = x.new_zeros(num_seeds)
    for _ in range(_AUTOENCODER_STEPS):
        optimizer.zero_grad()
        error = (decoder(encoder(x).relu()) - x).square().sum(2).mean(1)
        optimizer.backward(error)
        optimizer.step()
    return error.detach()
