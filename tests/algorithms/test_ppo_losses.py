"""Loss terms against numbers worked out by hand."""

import math

import pytest
import torch

from algorithms.ppo.losses import MAX_LOG_RATIO, importance_ratio, policy_loss, value_loss


@pytest.mark.parametrize(
    ("center", "ratio", "advantage", "loss", "slope"),
    [
        # Clip around 1, eps 0.2: [0.8, 1.2]. Good actions gain nothing beyond 1.2, bad ones nothing below 0.8.
        (1.0, 1.5, 2.0, -2.4, 0.0),  # min(3, 2.4)
        (1.0, 0.5, 2.0, -1.0, -2.0),  # min(1, 1.6)
        (1.0, 1.5, -2.0, 3.0, 2.0),  # min(-3, -2.4)
        (1.0, 0.5, -2.0, 1.6, 0.0),  # min(-1, -1.6)
        (1.0, 1.1, 2.0, -2.2, -2.0),  # inside
        # Clip around mu = 2: [1.6, 2.4]. The same ratios, another answer.
        (2.0, 1.5, 2.0, -3.0, -2.0),  # min(3, 3.2)
        (2.0, 1.5, -2.0, 3.2, 0.0),  # min(-3, -3.2)
        (2.0, 3.0, 2.0, -4.8, 0.0),  # min(6, 4.8)
        (2.0, 3.0, -2.0, 6.0, 2.0),  # min(-6, -4.8)
        # mu = 0.1, an action the leader finds unlikely: [0.08, 0.12] still lets it learn; around 1 it is clipped away
        # from below for a bad action (slope 0), though the leader has not moved at all.
        (0.1, 0.1, -2.0, 0.2, 2.0),  # min(-0.2, -0.2)
        (1.0, 0.1, -2.0, 1.6, 0.0),  # min(-0.2, -1.6)
    ],
)
def test_clipped_surrogate_by_hand(center, ratio, advantage, loss, slope):
    r = torch.tensor([ratio], requires_grad=True)
    found = policy_loss(r, torch.tensor([center]), torch.tensor([advantage]), 0.2)
    assert found.item() == pytest.approx(loss)
    # At r = mu both branches are one: min's subgradient may be either half; the sum of both is the slope.
    (gradient,) = torch.autograd.grad(found.sum(), r)
    assert gradient.item() == pytest.approx(slope)


def test_clip_around_mu_is_ppos_clip_of_the_ratio_to_the_old_policy():
    # r = pi_new / pi_j, mu = pi_old / pi_j: min(r A, clip(r, mu(1 +- eps)) A) = mu min(r/mu A, clip(r/mu, 1 +- eps) A).
    generator = torch.Generator().manual_seed(0)
    log_r, log_mu, advantages = torch.randn(3, 200, generator=generator, dtype=torch.float64)
    ratio, mu = log_r.exp(), log_mu.exp()
    expected = mu * policy_loss(ratio / mu, torch.ones_like(mu), advantages, 0.2)
    torch.testing.assert_close(policy_loss(ratio, mu, advantages, 0.2), expected)


def test_importance_ratio_is_the_quotient_of_densities():
    ratio = importance_ratio(torch.tensor([0.6]).log(), torch.tensor([0.2]).log())
    assert ratio.item() == pytest.approx(3.0)


def test_a_hopeless_ratio_stays_finite_and_sends_no_gradient():
    logp = torch.tensor([500.0, 0.0], requires_grad=True)
    ratio = importance_ratio(logp, torch.tensor([-500.0, 0.0]))
    assert ratio.tolist() == pytest.approx([math.exp(MAX_LOG_RATIO), 1.0])
    ratio.sum().backward()
    assert logp.grad.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("value", "old", "target", "loss"),
    [
        (2.0, 1.0, 3.0, 3.24),  # moved too far: held at 1.2, (1.2 - 3)^2 > (2 - 3)^2
        (2.0, 1.9, 3.0, 1.0),  # within 0.2
        (0.5, 1.0, 0.0, 0.64),  # held at 0.8
        (0.5, 1.0, 0.9, 0.16),  # the plain error is the worse one
    ],
)
def test_clipped_value_loss_by_hand(value, old, target, loss):
    v, o, r = torch.tensor([[value], [old], [target]])
    assert value_loss(v, o, r, 0.2, clip=True).item() == pytest.approx(loss)
    assert value_loss(v, o, r, 0.2, clip=False).item() == pytest.approx((value - target) ** 2)
