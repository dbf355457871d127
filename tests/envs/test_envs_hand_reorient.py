"""hand/reorient: layout, reward, goals, control and ends, against numbers worked out from the simulator's state."""

import dataclasses

import numpy as np
import pytest
import torch
from in_hand import PUBLISHED, actions_for

from envs import registry
from envs.hand import allegro
from envs.hand.options import ReorientOptions
from envs.hand.reorient import Reorient, resting_place
from envs.testing import check_vector_env

pytest.importorskip("mujoco")


def make(num_envs=4, seeds=(0,), **options):
    env = Reorient(num_envs=num_envs, seeds=seeds, device="cpu", options=ReorientOptions(**options))
    return env, env.reset()[0]


def cube_of(env):
    return env.sim.views["qpos"][:, 16:23]


def test_defaults_are_the_published_ones():
    options = dataclasses.asdict(ReorientOptions())
    assert {name: options[name] for name in PUBLISHED} == PUBLISHED
    env, observation = make()
    assert observation.shape == (1, 4, 88) and env.action_space.shape == (16,)
    assert env.step_seconds == pytest.approx(1 / 30) and env.max_episode_steps == 600


def test_keeps_the_environments_contract():
    def short(num_envs, seeds):
        return registry.make(
            "hand/reorient", num_envs=num_envs, seeds=seeds, options=ReorientOptions(time_limit=40, fall_distance=0.1)
        )

    check_vector_env(short, metrics=registry.find("hand/reorient").metrics)


def test_keeps_the_contract_with_a_clock_that_successes_restart():
    options = ReorientOptions(time_limit=12, max_consecutive_successes=3, success_tolerance=1.5)
    assert registry.find("hand/reorient").facts(4, options).max_episode_steps == 36
    check_vector_env(
        lambda num_envs, seeds: Reorient(num_envs=num_envs, seeds=seeds, device="cpu", options=options),
        metrics=registry.find("hand/reorient").metrics,
    )


def test_observation_has_the_published_layout():
    env, _ = make()
    for step in range(5):
        actions = actions_for(env, step)
        observation = env.step(actions)[0][0].double()
    qpos, qvel, ctrl = (env.sim.views[name].clone() for name in ("qpos", "qvel", "ctrl"))
    low, high = torch.tensor([link.limits for finger in allegro.FINGERS for link in allegro.LINKS[finger]]).double().T
    goal = env.sim.views["mocap_quat"][:, 0]
    angular = []
    for world in range(4):
        _, data = env.sim.world(world)
        angular.append(data.body("cube").cvel[:3].copy())
        rotation = data.body("cube").xmat.reshape(3, 3)
        np.testing.assert_allclose(angular[-1], rotation @ qvel[world, 19:22].numpy(), atol=1e-9)

    def check(start, end, expected):
        torch.testing.assert_close(
            observation[:, start:end], torch.as_tensor(expected).clamp(-5, 5), atol=2e-5, rtol=1e-5
        )

    check(0, 16, -1 + 2 * (qpos[:, :16] - low) / (high - low))
    check(16, 32, 0.2 * qvel[:, :16])
    check(32, 48, 10 * (3 * (ctrl - qpos[:, :16]) - 0.1 * qvel[:, :16]).clamp(-0.5, 0.5))
    check(48, 55, qpos[:, 16:23])
    check(55, 58, qvel[:, 16:19])
    check(58, 61, 0.2 * torch.tensor(np.array(angular)))
    check(61, 64, torch.tensor(resting_place(ReorientOptions())).double().expand(4, 3))
    check(64, 68, goal)
    check(72, 88, actions[0].double())


def test_difference_quaternion_turns_the_goal_into_the_cube():
    _, observation = make(num_envs=8)
    cube, goal, difference = observation[0, :, 51:55], observation[0, :, 64:68], observation[0, :, 68:72]
    w, xyz = difference[:, :1], difference[:, 1:]
    # (w, v)(w', v') written out for the product difference * goal.
    real = w * goal[:, :1] - (xyz * goal[:, 1:]).sum(-1, keepdim=True)
    imaginary = w * goal[:, 1:] + goal[:, :1] * xyz + torch.linalg.cross(xyz, goal[:, 1:])
    torch.testing.assert_close(torch.cat((real, imaginary), -1), cube)


def test_reward_is_the_published_sum():
    env, before = make(num_envs=6, success_tolerance=1e-6)
    actions = actions_for(env) * 1.5  # beyond the space: counted as clipped
    goal = before[0, :, 64:68]
    _, reward, *_ = env.step(actions)
    cube = cube_of(env).float()
    distance = (cube[:, :3] - torch.tensor(resting_place(ReorientOptions()))).norm(dim=-1)
    dot = (cube[:, 3:] * goal).sum(-1).abs().clamp(max=1)  # cosine of half the angle between two rotations
    expected = -10 * distance + 1 / (2 * dot.acos() + 0.1) - 0.0002 * actions.clamp(-1, 1).square().sum(-1)[0]
    torch.testing.assert_close(reward[0], expected, atol=1e-3, rtol=1e-4)


def test_a_reached_goal_pays_is_counted_and_replaced_at_once():
    env, before = make(num_envs=3)
    cube_of(env)[1, 3:] = before[0, 1, 64:68].double()
    after, reward, terminated, truncated, info = env.step(torch.zeros(1, 3, 16))
    assert (reward[0] > 200).tolist() == [False, True, False] and not (terminated | truncated).any()
    assert info["final_info"]["successes"].tolist() == [[0, 1, 0]]
    changed = (after[0, :, 64:68] != before[0, :, 64:68]).any(-1)
    assert changed.tolist() == [False, True, False]
    after, reward, *_ = env.step(torch.zeros(1, 3, 16))
    assert (reward < 100).all()  # the new goal is another one
    torch.testing.assert_close(env.sim.views["mocap_quat"][:, 0].float(), after[0, :, 64:68])


def test_a_fallen_cube_ends_the_episode():
    env, _ = make(num_envs=3, fall_penalty=7.0)
    for _ in range(4):
        env.step(torch.zeros(1, 3, 16))
    plain, _ = make(num_envs=3)
    plain.load_state_dict(env.state_dict())
    for one in (env, plain):
        cube_of(one)[0, 2] -= 0.3
    _, reward, terminated, truncated, info = env.step(torch.zeros(1, 3, 16))
    assert terminated.tolist() == [[True, False, False]] and not truncated.any()
    assert info["final_info"]["hold_time"][0, 0] == 5 and info["final_info"]["unhealthy"][0, 0] == 0
    assert info["final_obs"][0, 0, 50] < 0.3 and cube_of(env)[0, 2] > 0.55
    difference = plain.step(torch.zeros(1, 3, 16))[1] - reward
    torch.testing.assert_close(difference, torch.tensor([[7.0, 0.0, 0.0]]), atol=1e-4, rtol=0)


def test_a_success_restarts_the_clock_where_successes_are_limited():
    env, observation = make(num_envs=2, time_limit=6, max_consecutive_successes=2)
    lengths = []
    for step in range(1, 13):
        if step == 4:
            cube_of(env)[1, 3:] = observation[0, 1, 64:68].double()
        observation, _, terminated, truncated, _ = env.step(torch.zeros(1, 2, 16))
        assert not terminated.any()
        lengths += [(copy, step) for copy in (0, 1) if truncated[0, copy]]
    assert lengths == [(0, 6), (1, 10), (0, 12)]
    cube_of(env)[0, 3:] = observation[0, 0, 64:68].double()
    env, observation = make(num_envs=2, time_limit=6, max_consecutive_successes=2)
    for expected in (False, True):
        cube_of(env)[0, 3:] = observation[0, 0, 64:68].double()
        observation, _, terminated, _, info = env.step(torch.zeros(1, 2, 16))
        assert terminated.tolist() == [[expected, False]]
    assert info["final_info"]["successes"][0, 0] == 2


def test_actions_are_targets_over_the_joints_ranges():
    env, _ = make(num_envs=3)
    low, high = env.sim.model.mj.actuator_ctrlrange.T
    actions = torch.tensor([-1.0, 0.0, 2.0]).view(1, 3, 1).expand(1, 3, 16)
    env.step(actions)
    np.testing.assert_allclose(env.sim.views["ctrl"], np.stack((low, (low + high) / 2, high)), atol=1e-6)


def test_moving_average_and_relative_control_start_from_the_last_target():
    env, _ = make(moving_average=0.25)
    before, actions = env.sim.views["ctrl"].clone(), actions_for(env)
    low, high = (torch.tensor(bound) for bound in env.sim.model.mj.actuator_ctrlrange.T)
    env.step(actions)
    target = low + (high - low) * (actions[0].double() + 1) / 2
    torch.testing.assert_close(env.sim.views["ctrl"], 0.75 * before + 0.25 * target, atol=1e-6, rtol=0)

    env, _ = make(relative_control=True, speed_scale=3.0)
    before = env.sim.views["ctrl"].clone()
    env.step(actions)
    moved = torch.minimum(torch.maximum(before + 3 / 60 * actions[0].double(), low), high)
    torch.testing.assert_close(env.sim.views["ctrl"], moved, atol=1e-6, rtol=0)


def test_starts_vary_within_their_ranges():
    env, _ = make(num_envs=200)
    qpos = env.sim.views["qpos"]
    low, high = (torch.tensor(bound) for bound in env.sim.model.mj.jnt_range[:16].T)
    assert (qpos[:, :16] >= low - 1e-6).all() and (qpos[:, :16] <= (0.2 * high).maximum(low) + 1e-6).all()
    middle = torch.tensor(resting_place(ReorientOptions())) + torch.tensor([0, 0, 0.04])
    offset = cube_of(env)[:, :3] - middle
    assert 0.009 < offset.abs().max() <= 0.01 + 1e-6
    assert cube_of(env)[:, 3:].std(0).min() > 0.25


@pytest.mark.parametrize("size", [0.05, 0.08])
def test_a_cube_of_any_size_comes_to_rest_where_its_goal_is(size):
    env, _ = make(num_envs=2, object_size=size, object_mass=0.05, joint_noise=0.0, position_noise=0.0)
    assert env.sim.model.mj.body("cube").mass[0] == pytest.approx(0.05)
    cube_of(env)[:, 3:] = torch.tensor([1.0, 0, 0, 0]).double()
    env.sim.views["ctrl"].copy_(torch.zeros(2, 16).double())
    for _ in range(60):
        env.sim.step(4)
    height = cube_of(env)[:, 2]
    assert (height - resting_place(ReorientOptions(object_size=size))[2]).abs().max() < 0.002


def test_holding_the_cube_is_better_than_throwing_it_about():
    """What the task is for: a fixed cupped hand keeps the cube far longer than random targets do."""
    held = {}
    for name in ("cupped", "random"):
        env, _ = make(num_envs=24, time_limit=120)
        times = []
        for step in range(120):
            drawn = actions_for(env, step)
            actions = torch.zeros_like(drawn) if name == "cupped" else drawn.sign()
            _, _, terminated, truncated, info = env.step(actions)
            times += info["final_info"]["hold_time"][terminated | truncated].tolist()
        held[name] = np.mean(times)
    assert held["random"] < 30 and held["cupped"] > 90
