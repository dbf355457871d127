"""Targets against numbers worked out by hand; `terminated` and `truncated` never count as one."""

import pytest
import torch

from algorithms.ppo.advantages import bootstrap_values, gae, n_step_returns, one_step_targets

# One environment, five steps. The episode terminates at step 1, another is cut by time at step 3 (V(final) = 6), and
# the rollout ends in the middle of a third (V(s_5) = 3). gamma = lambda = 0.5.
REWARDS = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
VALUES = torch.tensor([[[2.0, 1.0, 4.0, 2.0, 1.0]]])
TERMINATED = torch.tensor([[[False, True, False, False, False]]])
TRUNCATED = torch.tensor([[[False, False, False, True, False]]])
TIMEOUT_VALUES = torch.tensor([[[0.0, 0.0, 0.0, 6.0, 0.0]]])
LAST_VALUE = torch.tensor([[3.0]])
DONES = TERMINATED | TRUNCATED


def next_values() -> torch.Tensor:
    return bootstrap_values(VALUES, LAST_VALUE, DONES, TIMEOUT_VALUES)


def test_what_follows_a_step_is_0_after_termination_and_the_final_value_after_a_timeout():
    assert next_values().flatten().tolist() == [1, 0, 2, 6, 3]


def test_gae_by_hand():
    # delta_0 = 1 + 0.5 * 1 - 2 = -0.5      A_0 = -0.5 + 0.25 * A_1 = -0.25
    # delta_1 = 2 + 0.5 * 0 - 1 =  1        A_1 = 1                     (terminated: nothing carried over)
    # delta_2 = 3 + 0.5 * 2 - 4 =  0        A_2 = 0 + 0.25 * A_3 = 1.25
    # delta_3 = 4 + 0.5 * 6 - 2 =  5        A_3 = 5                     (truncated: V(final), nothing carried over)
    # delta_4 = 5 + 0.5 * 3 - 1 =  5.5      A_4 = 5.5                   (rollout ends: V(s_5))
    advantages = gae(REWARDS, VALUES, next_values(), DONES, gamma=0.5, gae_lambda=0.5)
    assert advantages.flatten().tolist() == [-0.25, 1, 1.25, 5, 5.5]


def test_a_timeout_taken_for_a_termination_would_change_the_advantages_before_it():
    merged = bootstrap_values(VALUES, LAST_VALUE, DONES, torch.zeros_like(TIMEOUT_VALUES))
    advantages = gae(REWARDS, VALUES, merged, DONES, gamma=0.5, gae_lambda=0.5)
    # delta_3 = 4 + 0 - 2 = 2, A_2 = 0 + 0.25 * 2 = 0.5
    assert advantages.flatten().tolist() == [-0.25, 1, 0.5, 2, 5.5]


def test_n_step_returns_by_hand_across_episode_ends():
    # G_0 = 1 + 0.5 * 2             G_1 = 2      (terminated: no bootstrap)
    # G_2 = 3 + 0.5 * (4 + 0.5 * 6) (truncated after two rewards: V(final))
    # G_3 = 4 + 0.5 * 6             G_4 = 5 + 0.5 * 3
    returns = n_step_returns(REWARDS, VALUES, next_values(), DONES, gamma=0.5, n=3)
    assert returns.flatten().tolist() == [2, 2, 6.5, 7, 6.5]


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        # r_t + V(s_{t+1}) / 2
        (1, [1.5, 4.0, 4.0, 4.5, 6.5]),
        # r_t + r_{t+1} / 2 + V(s_{t+2}) / 4; the last step has one reward left
        (2, [3.0, 4.0, 5.25, 7.25, 6.5]),
        # 1 + 1 + 0.75 + 2 / 8;  2 + 1.5 + 1 + 1 / 8;  3 + 2 + 1.25 + 3 / 8;  4 + 2.5 + 3 / 4;  5 + 3 / 2
        (3, [3.0, 4.625, 6.625, 7.25, 6.5]),
    ],
)
def test_n_step_returns_by_hand_inside_one_episode(n, expected):
    none = torch.zeros_like(DONES)
    following = bootstrap_values(VALUES, LAST_VALUE, none, torch.zeros_like(VALUES))
    returns = n_step_returns(REWARDS, VALUES, following, none, gamma=0.5, n=n)
    assert returns.flatten().tolist() == expected


def test_one_step_targets_by_hand():
    assert one_step_targets(REWARDS, next_values(), gamma=0.5).flatten().tolist() == [1.5, 2, 4, 7, 6.5]


def random_rollout():
    generator = torch.Generator().manual_seed(0)
    shape = (2, 3, 7)
    rewards, values, timeouts = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3))
    dones = torch.rand(shape, generator=generator) < 0.3
    truncated = dones & (torch.rand(shape, generator=generator) < 0.5)
    last = torch.randn(shape[:2], generator=generator, dtype=torch.float64)
    return rewards, values, bootstrap_values(values, last, dones, timeouts * truncated), dones


def test_gae_with_lambda_0_is_the_one_step_error():
    rewards, values, following, dones = random_rollout()
    expected = one_step_targets(rewards, following, 0.9) - values
    torch.testing.assert_close(gae(rewards, values, following, dones, 0.9, 0.0), expected, rtol=0, atol=0)


def test_gae_with_lambda_1_is_the_longest_n_step_return_less_the_value():
    rewards, values, following, dones = random_rollout()
    longest = n_step_returns(rewards, values, following, dones, 0.9, rewards.shape[-1])
    torch.testing.assert_close(gae(rewards, values, following, dones, 0.9, 1.0) + values, longest)


def test_gae_is_the_exponential_mean_of_n_step_errors_inside_an_episode():
    # Schulman et al. 2016, eq. 16: A = (1 - lambda) sum_n lambda^(n-1) (G^(n) - V), the last n taking the rest.
    rewards, values, _, _ = random_rollout()
    none = torch.zeros(rewards.shape, dtype=torch.bool)
    following = bootstrap_values(values, values[..., 0], none, torch.zeros_like(values))
    steps, gae_lambda = rewards.shape[-1], 0.7
    errors = [n_step_returns(rewards, values, following, none, 0.9, n)[..., 0] for n in range(1, steps + 1)]
    weights = [(1 - gae_lambda) * gae_lambda ** (n - 1) for n in range(1, steps)] + [gae_lambda ** (steps - 1)]
    mixed = sum(w * e for w, e in zip(weights, errors, strict=True)) - values[..., 0]
    torch.testing.assert_close(gae(rewards, values, following, none, 0.9, gae_lambda)[..., 0], mixed)


def test_targets_do_not_write_to_their_inputs():
    before = REWARDS.clone(), VALUES.clone()
    gae(REWARDS, VALUES, next_values(), DONES, 0.5, 0.5)
    n_step_returns(REWARDS, VALUES, next_values(), DONES, 0.5, 3)
    assert torch.equal(before[0], REWARDS)
    assert torch.equal(before[1], VALUES)
