"""What the deceptive maze is for: following the dense reward ends in the trap, the way round pays."""

import pytest
import torch

from envs import registry
from envs.maze.layout import BARRIER_X, LIP_Y, THICKNESS
from envs.maze.options import DeceptiveOptions

N = 200


def episodes(env, policy):
    """One episode of every copy under ``policy(observation, step)``; mean return and mean metrics."""
    observation, _ = env.reset()
    total = torch.zeros(env.num_seeds, env.num_envs)
    metrics, open_ = {}, torch.ones_like(total, dtype=torch.bool)
    for step in range(env.max_episode_steps):
        observation, reward, terminated, truncated, info = env.step(policy(observation, step))
        total += reward * open_
        ending = (terminated | truncated) & open_
        for name, value in info["final_info"].items():
            metrics[name] = torch.where(ending, value, metrics.get(name, torch.zeros_like(value)))
        open_ &= ~ending
    assert not open_.any()
    return total.mean().item(), {name: value.mean().item() for name, value in metrics.items()}


def towards(observation, target):
    """Along the straight line to ``target``, ``[2]`` or ``[K, N, 2]``; slower within 0.1 of it."""
    offset = target - observation[..., :2]
    return offset / offset.abs().amax(-1, keepdim=True).clamp_min(0.1)


def greedy(env):
    goal = torch.tensor(env.layout.goal)
    return lambda observation, _: towards(observation, goal)


def random(env):
    generator = torch.Generator().manual_seed(0)
    return lambda *_: torch.rand(env.num_seeds, env.num_envs, 2, generator=generator) * 2 - 1


class Oracle:
    """Knows the map: back and up around the lip, through the gap, down to the goal."""

    def __init__(self, env, options):
        clearance = 0.08
        lip_end, top = BARRIER_X - options.lip - clearance, 1.0 - options.gap
        lip_y = min(LIP_Y, top - THICKNESS)
        self.waypoints = torch.tensor(
            [
                [min(lip_end, env.layout.start[0] + 0.3), lip_y - clearance],
                [lip_end, lip_y + THICKNESS + clearance],
                [BARRIER_X - clearance, top + clearance],
                [BARRIER_X + THICKNESS + clearance, top + clearance],
                list(env.layout.goal),
            ]
        )
        self.next = torch.zeros(env.num_seeds, env.num_envs, dtype=torch.int64)

    def __call__(self, observation, step):
        if step == 0:
            self.next.zero_()
        target = self.waypoints[self.next]
        near = (target - observation[..., :2]).norm(dim=-1) < 0.06
        self.next = (self.next + near).clamp_max(len(self.waypoints) - 1)
        return towards(observation, self.waypoints[self.next])


@pytest.fixture(scope="module")
def scores():
    options = DeceptiveOptions()
    env = registry.make("maze/deceptive", num_envs=N, seeds=[0, 1], options=options)
    return {
        "random": episodes(env, random(env)),
        "greedy": episodes(env, greedy(env)),
        "oracle": episodes(env, Oracle(env, options)),
    }


def test_following_the_dense_reward_ends_in_the_trap(scores):
    _, metrics = scores["greedy"]
    assert metrics["success"] == 0.0
    assert metrics["trap"] == 1.0


def test_the_way_round_reaches_the_goal_in_time(scores):
    _, metrics = scores["oracle"]
    assert metrics["success"] == 1.0
    assert metrics["trap"] == 0.0


def test_most_of_the_score_needs_the_way_round_but_the_trap_beats_chance(scores):
    random_return, greedy_return, oracle_return = (scores[name][0] for name in ("random", "greedy", "oracle"))
    assert greedy_return > random_return + 0.1
    assert greedy_return < random_return + 0.25 * (oracle_return - random_return)


def test_a_fresh_gaussian_policy_finds_the_goal_rarely_but_not_never():
    env = registry.make("maze/deceptive", num_envs=4000, seeds=[0])
    generator = torch.Generator().manual_seed(0)
    _, metrics = episodes(env, lambda *_: torch.randn(1, 4000, 2, generator=generator))
    assert 0 < metrics["success"] < 0.02
    assert 0.05 < metrics["trap"] < 0.5


def test_the_score_range_is_what_random_and_oracle_reach(scores):
    floor, ceiling = registry.find("maze/deceptive").score_range
    assert scores["random"][0] == pytest.approx(floor, abs=0.04)
    assert scores["oracle"][0] == pytest.approx(ceiling, abs=0.04)


@pytest.mark.parametrize("shape", [{"lip": 0.9, "gap": 0.2, "speed": 0.08}, {"lip": 0.0, "gap": 1.0, "speed": 0.05}])
def test_deeper_and_shallower_traps_still_trap_the_greedy_and_let_the_oracle_arrive(shape):
    options = DeceptiveOptions(**shape)
    env = registry.make("maze/deceptive", num_envs=N, seeds=[0], options=options)
    assert episodes(env, Oracle(env, options))[1]["success"] == 1.0
    assert episodes(env, greedy(env))[1]["trap"] == 1.0


def test_without_walls_the_straight_line_is_the_oracle():
    env = registry.make("maze/open", num_envs=N, seeds=[0])
    straight, metrics = episodes(env, greedy(env))
    assert metrics["success"] == 1.0
    floor, ceiling = registry.find("maze/open").score_range
    assert straight == pytest.approx(ceiling, abs=0.04)
    assert episodes(env, random(env))[0] == pytest.approx(floor, abs=0.06)
