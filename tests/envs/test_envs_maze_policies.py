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
    """Full speed along the straight line to ``target``, ``[2]`` or ``[K, N, 2]``."""
    offset = target - observation[..., :2]
    return offset / offset.abs().amax(-1, keepdim=True).clamp_min(1e-6)


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
        lip_end = BARRIER_X - options.lip - clearance
        self.waypoints = torch.tensor(
            [
                [min(lip_end, env.layout.start[0] + 0.3), LIP_Y - clearance],
                [lip_end, LIP_Y + THICKNESS + clearance],
                [BARRIER_X - clearance, 1.0 - options.gap + clearance],
                [BARRIER_X + THICKNESS + clearance, 1.0 - options.gap + clearance],
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


def test_chance_finds_the_goal_too_rarely_to_learn_from_but_not_never(scores):
    assert 0.0 <= scores["random"][1]["success"] < 0.05


def test_the_score_range_is_what_random_and_oracle_reach(scores):
    floor, ceiling = registry.find("maze/deceptive").score_range
    assert scores["random"][0] == pytest.approx(floor, abs=0.04)
    assert scores["oracle"][0] == pytest.approx(ceiling, abs=0.04)


def test_a_longer_lip_makes_the_way_round_longer_and_the_oracle_still_arrives():
    options = DeceptiveOptions(lip=0.9, gap=0.2)
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
