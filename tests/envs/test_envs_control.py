"""The native control tasks against gymnasium's own, step by step from the same states."""

import gymnasium
import numpy as np
import pytest
import torch

from envs import registry
from envs.control import CartPoleOptions, PendulumOptions

STEPS = 60


def test_pendulum_moves_like_gymnasiums():
    env = registry.make("control/pendulum", num_envs=6, seeds=[0, 1])
    observation = env.reset()[0].view(-1, 3).double()
    references = [gymnasium.make("Pendulum-v1").unwrapped for _ in observation]
    for reference, (cos, sin, speed) in zip(references, observation.tolist(), strict=True):
        reference.reset(seed=0)
        reference.state = np.array([np.arctan2(sin, cos), speed])
    actions = 3 * torch.randn(STEPS, 2, 6, 1, generator=torch.Generator().manual_seed(0))  # beyond the bounds too
    for action in actions:
        observation, reward, *_ = env.step(action)
        wanted = [
            one.step(torque)[:2] for one, torque in zip(references, action.view(-1, 1).double().numpy(), strict=True)
        ]
        # float32 against float64 for 60 steps of a system that is not chaotic at this scale
        np.testing.assert_allclose(observation.view(-1, 3), np.stack([one[0] for one in wanted]), atol=2e-3)
        np.testing.assert_allclose(reward.view(-1), [one[1] for one in wanted], atol=2e-3, rtol=1e-3)


def test_cartpole_moves_like_gymnasiums():
    env = registry.make("control/cartpole", num_envs=6, seeds=[0, 1])
    observation = env.reset()[0].view(-1, 4)
    references = [gymnasium.make("CartPole-v1").unwrapped for _ in observation]
    for reference, state in zip(references, observation.double().numpy(), strict=True):
        reference.reset(seed=0)
        reference.state = state
    actions = torch.randint(0, 2, (STEPS, 2, 6), generator=torch.Generator().manual_seed(0))
    alive = np.ones(12, bool)
    for action in actions:
        _, reward, terminated, _, info = env.step(action)
        for copy in np.flatnonzero(alive):
            state, wanted_reward, fallen, *_ = references[copy].step(int(action.view(-1)[copy]))
            np.testing.assert_allclose(info["final_obs"].view(-1, 4)[copy], state, atol=1e-4)
            assert reward.view(-1)[copy] == wanted_reward
            assert bool(terminated.view(-1)[copy]) == fallen
            alive[copy] = not fallen
    assert not alive.any(), "random pushes let every pole fall within 60 steps"


def test_pendulum_reports_upright_only_near_the_top():
    env = registry.make("control/pendulum", num_envs=3, seeds=[0], options=PendulumOptions(time_limit=1))
    env.reset()
    state = env.state_dict()
    state["state"] = {"angle": torch.tensor([[0.1, 2 * torch.pi - 0.1, 1.0]]), "speed": torch.zeros(1, 3)}
    env.load_state_dict(state)
    _, _, _, truncated, info = env.step(torch.zeros(1, 3, 1))
    assert truncated.all()
    assert info["final_info"]["upright"].tolist() == [[1.0, 1.0, 0.0]]


def returns(env_id, policy, num_envs=300, options=None):
    """Mean return of one episode per copy."""
    env = registry.make(env_id, num_envs=num_envs, seeds=[0], options=options)
    observation, _ = env.reset()
    total, open_ = torch.zeros(1, num_envs), torch.ones(1, num_envs, dtype=torch.bool)
    for _ in range(env.max_episode_steps):
        observation, reward, terminated, truncated, _ = env.step(policy(observation))
        total += reward * open_
        open_ &= ~(terminated | truncated)
    return total.mean().item()


def swing_up(observation):
    """Pump energy until near the top, then hold by PD."""
    cos, sin, speed = observation.unbind(-1)
    energy = speed**2 / 6 + 5 * (cos - 1)  # 0 at rest at the top: m l^2 / 3 inertia, m g l / 2
    pump = -4 * energy * speed.sign()
    hold = -20 * torch.atan2(sin, cos) - 4 * speed
    return torch.where(cos > 0.85, hold, pump).clamp(-2, 2).unsqueeze(-1)


def balance(observation):
    x, x_dot, theta, theta_dot = observation.unbind(-1)
    return (0.02 * x + 0.1 * x_dot + theta + 0.3 * theta_dot > 0).long()


def random_torque():
    generator = torch.Generator().manual_seed(0)
    return lambda observation: torch.rand(1, observation.shape[1], 1, generator=generator) * 4 - 2


def random_push():
    generator = torch.Generator().manual_seed(0)
    return lambda observation: torch.randint(0, 2, observation.shape[:2], generator=generator)


def test_pendulum_scores_lie_between_chance_and_a_good_controller():
    floor, ceiling = registry.find("control/pendulum").score_range
    assert returns("control/pendulum", random_torque()) == pytest.approx(floor, abs=60)
    assert returns("control/pendulum", swing_up) == pytest.approx(ceiling, abs=40)


def test_cartpole_scores_lie_between_chance_and_a_good_controller():
    floor, ceiling = registry.find("control/cartpole").score_range
    assert returns("control/cartpole", random_push()) == pytest.approx(floor, abs=3)
    assert returns("control/cartpole", balance) == ceiling


def test_the_time_limit_is_an_option():
    assert returns("control/cartpole", balance, options=CartPoleOptions(time_limit=30)) == 30
