"""The crossroads: what its places are worth, what walls do, and what simple policies make of it."""

import pytest
import torch

from envs import registry
from envs.maze.options import CrossroadsOptions


def _play(policy, *, num_envs=64, options=None):
    env = registry.make("maze/crossroads", num_envs=num_envs, seeds=[0, 1], options=options or CrossroadsOptions())
    observation, _ = env.reset()
    total = torch.zeros(2, num_envs)
    for _ in range(env.max_episode_steps):
        observation, reward, terminated, truncated, info = env.step(policy(observation))
        total += reward
    assert not terminated.any()
    assert truncated.all()
    return total, info["final_info"]


def _always(x, y):
    return lambda observation: torch.tensor([x, y]).expand(*observation.shape[:2], 2)


def test_the_best_arm_is_worth_its_full_price_at_its_end():
    total, figures = _play(_always(1.0, 0.0))
    torch.testing.assert_close(total, torch.full_like(total, 2.0), rtol=0, atol=0.03)
    assert figures["success"].all()
    assert not figures["decoy"].any()


@pytest.mark.parametrize("arm", [(-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_a_decoy_is_worth_a_quarter_of_it(arm):
    total, figures = _play(_always(*arm))
    torch.testing.assert_close(total, torch.full_like(total, 0.5), rtol=0, atol=0.03)
    assert figures["decoy"].all()
    assert not figures["success"].any()


def test_whoever_follows_the_worth_uphill_walks_into_a_decoy():
    def uphill(observation):
        x, y = observation[..., 0], observation[..., 1]
        # Slopes at depth 0.05: the best arm's is 2 * 8 * 0.05^7, a decoy's 0.5.
        towards_y = y.abs() >= x.abs()
        return torch.stack((torch.where(towards_y, 0.0, -1.0), torch.where(towards_y, torch.sign(y), 0.0)), -1)

    total, figures = _play(uphill)
    assert figures["decoy"].float().mean() > 0.95
    assert total.mean() < 0.55


def test_the_return_is_what_the_last_place_is_worth():
    options = CrossroadsOptions(start_noise=0.0, speed=0.1, response=1.0, time_limit=5, steepness=3.0)
    total, _ = _play(_always(1.0, 0.0), options=options)
    torch.testing.assert_close(total, torch.full_like(total, 2.0 * 0.5**3), rtol=0, atol=1e-5)


def test_corners_are_wall():
    env = registry.make("maze/crossroads", num_envs=1, seeds=[0], options=CrossroadsOptions(start_noise=0.0))
    env.reset()
    for _ in range(20):
        observation, *_ = env.step(torch.tensor([[[1.0, 0.0]]]))
    for _ in range(20):
        observation, *_ = env.step(torch.tensor([[[0.0, 1.0]]]))
    assert observation[0, 0, 1] == pytest.approx(0.2, abs=1e-6)


def test_the_declared_range_holds():
    generator = torch.Generator().manual_seed(0)
    total, _ = _play(lambda o: torch.rand(*o.shape[:2], 2, generator=generator) * 2 - 1, num_envs=2000)
    floor, ceiling = registry.find("maze/crossroads").score_range
    assert total.mean() == pytest.approx(floor, abs=0.05)
    assert total.max() <= ceiling
