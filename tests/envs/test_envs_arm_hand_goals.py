"""Goals one after the other: successes, the clock, the ends of an episode, the curriculum, on a teleported object."""

import pytest
import torch

from envs.arm_hand.options import RegraspOptions, ReorientOptions, ThrowOptions
from envs.arm_hand.task import ArmHand
from envs.arm_hand.tasks import Regrasp, Reorient, Throw
from envs.curriculum import Curriculum

REST = torch.zeros(1, 2, 23)
"""Keeps the arm where it is."""
Step = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict]


def regrasp(**options: float) -> Regrasp:
    env = Regrasp(num_envs=2, seeds=[1], device="cpu", options=RegraspOptions(force_scale=0, **options))
    env.reset()
    return env


def reorient(**options: float) -> Reorient:
    env = Reorient(num_envs=2, seeds=[1], device="cpu", options=ReorientOptions(force_scale=0, **options))
    env.reset()
    return env


def put(env: ArmHand, copy: int, pose: torch.Tensor) -> None:
    """Put a copy's object somewhere, at rest."""
    env.sim.views["qpos"][copy, -7:] = pose.double()
    env.sim.views["qvel"][copy, -6:] = 0


def goal_pose(env: ArmHand, copy: int, above: float = 0.0) -> torch.Tensor:
    pose = torch.cat((env.sim.views["mocap_pos"][copy, 0], env.sim.views["mocap_quat"][copy, 0]))
    return pose + torch.tensor([0, 0, above, 0, 0, 0, 0], dtype=pose.dtype)


def step_at_goal(env: ArmHand, copy: int = 0, above: float = 0.0) -> Step:
    put(env, copy, goal_pose(env, copy, above))
    return env.step(REST)


def last(observation: torch.Tensor, copy: int = 0) -> list[float]:
    """Lifted, clock, successes of a copy, as the policy sees them but without logarithms."""
    lifted, clock, successes, _ = observation[0, copy, -4:].tolist()
    return [lifted, round(10 * (2.718281828**clock - 1)), round(2.718281828**successes - 1)]


def test_thirty_steps_at_the_goal_make_a_regrasp_and_put_the_object_back() -> None:
    env = regrasp()
    goals = env.sim.views["mocap_pos"][:, 0].clone()
    _, reward, *_ = step_at_goal(env)
    assert reward[0, 0] > 300 + 1000 / 30  # lifted, too: and the goal came closer
    for step in range(2, 30):
        observation, reward, *_ = step_at_goal(env)
        assert reward[0, 0].item() == pytest.approx(1000 / 30, abs=0.5)
        assert last(observation) == [1, step, 0]
    observation, reward, terminated, truncated, _ = step_at_goal(env)
    assert reward[0, 0].item() == pytest.approx(1000 / 30, abs=0.5) and not terminated.any() and not truncated.any()
    assert last(observation) == [0, 0, 1] and last(observation, 1) == [0, 30, 0]
    assert env.sim.views["qpos"][0, -5] < 0.73 and env.sim.views["qpos"][0, -7:-5].abs().max() <= 0.1
    moved = (env.sim.views["mocap_pos"][:, 0] - goals).norm(dim=-1)
    assert moved[0] > 1e-3 and moved[1] == 0
    # What was closest so far is that of the new goal and of the object's new place; nothing is lifted any more.
    distance = (env.sim.views["qpos"][0, -7:-4] - env.sim.views["mocap_pos"][0, 0]).norm().item()
    assert observation[0, 0, -9].item() == pytest.approx(distance, abs=1e-5)
    _, reward, *_ = step_at_goal(env)
    assert reward[0, 0] > 300
    env.close()


def test_goals_of_reorientation_follow_each_other_in_the_air() -> None:
    env = reorient()
    step_at_goal(env)
    where = env.sim.views["qpos"][0, -7:].clone()
    before = env.sim.views["mocap_quat"][0, 0].clone()
    observation, reward, *_ = step_at_goal(env)
    assert last(observation) == [1, 0, 2] and reward[0, 0] > 1000
    assert (env.sim.views["qpos"][0, -7:] - where).norm() > 0.01  # it stays where it was put, not at its start
    assert env.sim.views["qpos"][0, -5] > 0.66 and (env.sim.views["mocap_quat"][0, 0] - before).norm() > 0.01
    env.close()


def test_a_goal_of_reorientation_needs_the_rotation() -> None:
    env = reorient(tolerance=0.01)
    pose = goal_pose(env, 0)
    # Turned by half a turn about the body's x: (w, x, y, z) -> (-x, w, z, -y).
    turned = torch.stack((-pose[4], pose[3], pose[6], -pose[5]))
    put(env, 0, torch.cat((pose[:3], turned)))
    observation, reward, *_ = env.step(REST)
    assert last(observation)[2] == 0 and reward[0, 0] < 1000
    observation, reward, *_ = step_at_goal(env)
    assert last(observation)[2] == 1 and reward[0, 0] > 1000
    env.close()


def test_a_success_starts_the_clock_anew() -> None:
    env = reorient(time_limit=6)
    for step in range(1, 10):
        if step == 4:
            put(env, 0, goal_pose(env, 0))
        _, _, terminated, truncated, info = env.step(REST)
        assert not terminated.any()
        assert truncated.tolist() == [[False, step == 6]]
    # The object of copy 0 now falls in the air; time runs out 6 steps after the success.
    observation, _, terminated, truncated, info = env.step(REST)
    assert truncated.tolist() == [[True, False]] and not terminated.any()
    assert info["final_info"]["successes"][0, 0] == 1 and info["final_info"]["lifted"].tolist()[0][0] == 1
    assert last(observation) == [0, 0, 0]
    env.close()


def test_the_last_success_ends_the_episode() -> None:
    env = reorient(max_successes=3, time_limit=5)
    assert env.max_episode_steps == 15
    for _ in range(2):
        *_, terminated, truncated, info = step_at_goal(env)
        assert not (terminated | truncated).any()
    observation, reward, terminated, truncated, info = step_at_goal(env)
    assert terminated.tolist() == [[True, False]] and not truncated.any() and reward[0, 0] > 1000
    assert info["final_info"]["successes"].tolist() == [[3, 0]] and last(observation) == [0, 0, 0]
    env.close()


def test_an_object_that_falls_ends_the_episode() -> None:
    env = regrasp()
    put(env, 1, torch.tensor([0.8, 0, 0.09, 1, 0, 0, 0]))
    *_, terminated, truncated, info = env.step(REST)
    assert terminated.tolist() == [[False, True]] and not truncated.any() and not info["final_info"]["unhealthy"].any()
    assert env.sim.views["qpos"][1, -5] > 0.6  # a fresh start
    env.close()


@pytest.mark.parametrize(("make", "ends"), [(reorient, True), (regrasp, False)])
def test_only_reorientation_ends_when_the_hand_is_far(make, ends: bool) -> None:
    env = make()
    put(env, 0, torch.tensor([0, -1.9, 1.0, 1, 0, 0, 0]))
    *_, terminated, _, _ = env.step(REST)
    assert terminated.tolist() == [[ends, False]]
    env.close()


def test_five_steps_in_the_bin_make_a_throw() -> None:
    env = Throw(num_envs=2, seeds=[2], device="cpu", options=ThrowOptions())
    env.reset()
    for _ in range(4):
        observation, *_ = step_at_goal(env, above=0.05)
        assert last(observation)[2] == 0
    observation, *_ = step_at_goal(env, above=0.05)
    assert last(observation) == [0, 0, 1]
    env.close()


def test_the_bin_holds_what_falls_into_it() -> None:
    options = ThrowOptions(small_cuboids=False, success_steps=90)
    env = Throw(num_envs=2, seeds=[2], device="cpu", options=options)
    env.reset()
    bin_at = goal_pose(env, 0)
    put(env, 0, goal_pose(env, 0, above=0.18))
    for _ in range(60):
        env.step(REST)
    resting = env.sim.views["qpos"][0, -7:-4] - bin_at[:3]
    assert resting[:2].abs().max() < 0.09 and resting[2].item() == pytest.approx(0.01 + 0.025, abs=2e-3)
    env.close()


def test_bins_stand_on_both_sides() -> None:
    env = Throw(num_envs=256, seeds=[2], device="cpu", options=ThrowOptions())
    env.reset()
    x, y, z = env.sim.views["mocap_pos"][:, 0].unbind(-1)
    assert 0.3 < (x > 0).double().mean() < 0.7
    for values, low, high in ((x.abs(), 0.5, 0.9), (y, -1.0, 0.7), (z, 0.0, 1.0)):
        assert low <= values.min() < low + 0.1 and high - 0.1 < values.max() <= high
    env.close()


def test_the_tolerance_follows_the_successes_of_each_seed_and_a_checkpoint() -> None:
    options = ReorientOptions(max_successes=2, tolerance_successes=2, tolerance_interval=4, force_scale=0)

    def build() -> Reorient:
        env = Reorient(num_envs=1, seeds=[1, 2], device="cpu", options=options)
        env.reset()
        return env

    env, actions = build(), torch.zeros(2, 1, 23)
    assert isinstance(env, Curriculum)
    seen = []
    for _ in range(9):
        put(env, 0, goal_pose(env, 0))  # seed 0 succeeds at every step, seed 1 never
        *_, info = env.step(actions)
        seen.append(info["final_info"]["tolerance"].flatten().tolist())
    # Its first episode ends in step 2, its tolerance narrows in steps 4 and 8.
    expected = [0.075] * 3 + [0.0675] * 4 + [0.06075] * 2
    assert [first for first, _ in seen] == pytest.approx(expected)
    assert [second for _, second in seen] == pytest.approx([0.075] * 9)
    other = build()
    other.load_state_dict(env.state_dict())
    other.set_curriculum(build().curriculum())
    assert other.curriculum()["tolerance"].tolist() == pytest.approx([0.075, 0.075])
    other.load_state_dict(env.state_dict())
    for _ in range(3):
        put(other, 0, goal_pose(other, 0))
        other.step(actions)
    assert other.curriculum()["tolerance"].tolist() == pytest.approx([0.054675, 0.075])
    env.close()
    other.close()


def test_an_evaluation_keeps_the_tolerance_it_was_given() -> None:
    env = reorient(max_successes=1, tolerance_successes=0, tolerance_interval=1)
    env.set_curriculum({"tolerance": torch.tensor([0.03])})
    for _ in range(3):
        *_, info = env.step(REST)
    assert info["final_info"]["tolerance"].tolist() == [[pytest.approx(0.03)] * 2]
    env.close()
