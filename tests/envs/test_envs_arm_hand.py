"""The arm-hand tasks in the simulator: observation, objects, control, forces."""

from dataclasses import replace

import pytest
import torch

from envs.arm_hand import SPECS
from envs.arm_hand.cuboids import scales
from envs.arm_hand.observation import layout
from envs.arm_hand.options import RegraspOptions, ReorientOptions, ThrowOptions, TwoArmsOptions
from envs.arm_hand.scene import TABLE_TOP
from envs.arm_hand.task import ArmHand
from envs.arm_hand.tasks import Regrasp, Reorient, Throw, TwoArmsReorient
from envs.registry import find, make
from envs.testing import random_actions

PUBLISHED = {
    "arm_hand/regrasp": (99, 23, 400, 30),
    "arm_hand/throw": (99, 23, 300, 5),
    "arm_hand/reorient": (117, 23, 600, 1),
    "arm_hand/two_arms_reorient": (196, 46, 600, 1),
}
"""Sizes of observation and action, time limit, steps of a success (AllegroKuka, as SAPG uses it)."""
SMALL = RegraspOptions(big_cuboids=False, sticks=False, force_scale=0)


def part(env: ArmHand, observation: torch.Tensor, name: str) -> torch.Tensor:
    """A named part of the observation."""
    parts = layout(len(env.robots), len(env.corners))
    values = observation.split([size for _, size in parts], -1)
    return dict(zip([name for name, _ in parts], values, strict=True))[name]


@pytest.mark.parametrize("env_id", PUBLISHED)
def test_sizes_and_times_are_the_published_ones(env_id: str) -> None:
    spec, (observation, action, time_limit, success_steps) = find(env_id), PUBLISHED[env_id]
    options = spec.options()
    env = make(env_id, num_envs=2, seeds=[1])
    assert env.observation_space.shape == (observation,) and env.action_space.shape == (action,)
    assert (options.time_limit, options.success_steps, options.max_successes) == (time_limit, success_steps, 50)
    assert env.max_episode_steps == spec.facts(2, options).max_episode_steps == 50 * time_limit
    env.close()


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.id)
def test_random_play_keeps_every_world_healthy(spec) -> None:
    env = make(spec.id, num_envs=8, seeds=[3])
    env.reset()
    for action in random_actions(env, 200):
        observation, reward, _, _, info = env.step(action)
        assert observation.isfinite().all() and reward.isfinite().all()
        assert not info["final_info"]["unhealthy"].any()
    assert part(env, observation, "joint_speeds").abs().amax() > 0.5
    env.close()


def test_observation_says_what_the_simulator_holds() -> None:
    env = Reorient(num_envs=3, seeds=[5], device="cpu", options=ReorientOptions())
    env.reset()
    # Far from the hand, a spin about the body's x of an object turned by 90 degrees about z: the world's y.
    pose = [-0.6, -0.4, 1.2, 0.5**0.5, 0, 0, 0.5**0.5]
    env.sim.views["qpos"][:, -7:] = torch.tensor(pose, dtype=torch.float64)
    env.sim.views["qvel"][:, -6:] = torch.tensor([0, 0, 2, 3, 0, 0], dtype=torch.float64)
    observation, reward, *_ = env.step(torch.zeros(1, 3, 23))
    model, views = env.sim.model, env.sim.views
    quaternion, velocity, spin = part(env, observation, "object_motion").split((4, 3, 3), -1)
    assert torch.allclose(quaternion, views["qpos"][:, -4:].float())
    assert torch.allclose(velocity, torch.tensor([0, 0, 2 - 9.81 / 60]), atol=1e-2)
    assert torch.allclose(spin, torch.tensor([0, 3.0, 0]), atol=0.1)
    palm = views["site_xpos"][:, model.ids("site", ["palm_centre"])[0]].float()
    tip = views["site_xpos"][:, model.ids("site", ["thumb_tip"])[0]].float()
    assert torch.allclose(part(env, observation, "palms")[0], palm)
    assert torch.allclose(part(env, observation, "tips_from_palm")[0, :, 9:], tip - palm, atol=1e-6)
    # The four corners' mean is the object's middle; so it is of the goal's.
    corners = part(env, observation, "keypoints_from_palm").unflatten(-1, (4, 3)).mean(-2)[0] + palm
    assert torch.allclose(corners, views["qpos"][:, -7:-4].float(), atol=1e-6)
    goal = corners - part(env, observation, "keypoints_from_goal").unflatten(-1, (4, 3)).mean(-2)[0]
    assert torch.allclose(goal, views["mocap_pos"][:, 0].float(), atol=1e-6)
    assert torch.allclose(part(env, observation, "reward")[..., 0], reward / 100)
    assert torch.equal(part(env, observation, "scale"), env.scale)
    assert torch.allclose(part(env, observation, "clock"), torch.tensor(1.1).log())
    assert part(env, observation, "joints").abs().amax() <= 1.01
    env.close()


def test_two_arms_have_their_own_palms() -> None:
    env = TwoArmsReorient(num_envs=8, seeds=[5], device="cpu", options=TwoArmsOptions())
    observation, _ = env.reset()
    left, right = part(env, observation, "palms").split(3, -1)
    assert (left[..., 0] < -0.1).all() and (right[..., 0] > 0.1).all()
    assert part(env, observation, "tips_from_palm").unflatten(-1, (8, 3)).norm(dim=-1).amax() < 0.3
    side = env.sim.views["qpos"][:, -7].sign()
    assert set(side.tolist()) == {-1.0, 1.0} and (env.sim.views["qpos"][:, -7].abs() - 0.35).abs().amax() <= 0.1
    env.close()


def test_cuboids_are_the_published_sets() -> None:
    cube = (1.0, 1.0, 1.0)
    assert scales(small=False, big=False, sticks=False) == [cube]
    small, big, sticks = (
        set(scales(small=name == "small", big=name == "big", sticks=name == "sticks")) - {cube}
        for name in ("small", "big", "sticks")
    )
    assert all(1 <= x * y * z <= 2.5 for x, y, z in small) and (0.5, 2.0, 1.0) in small and (0.5, 0.5, 3.0) not in small
    assert all(2.5 <= x * y * z <= 15 for x, y, z in big) and (3.0, 1.0, 1.0) in big and (1.0, 3.0, 3.0) not in big
    assert (6.0, 0.75, 0.75) in sticks and (3.0, 1.0, 1.0) not in sticks and (2.0, 4.0, 0.5) not in sticks
    assert all(max(shape) > 3 * sorted(shape)[1] for shape in sticks)


def test_every_copy_has_its_own_cuboid_and_the_same_in_every_episode() -> None:
    env = Throw(num_envs=40, seeds=[1, 2], device="cpu", options=ThrowOptions(time_limit=2))
    again = Throw(num_envs=40, seeds=[1, 9], device="cpu", options=ThrowOptions(time_limit=2))
    assert len({tuple(shape) for shape in env.scale[0].tolist()}) == 40
    assert torch.equal(env.scale[0], again.scale[0]) and not torch.equal(env.scale[1], again.scale[1])
    kept = env.scale.clone()
    env.reset()
    for action in random_actions(env, 3):
        observation, *_ = env.step(action)
    assert torch.equal(part(env, observation, "scale"), kept)
    body, geom = env.sim.model.ids("body", ["object"])[0], env.sim.model.ids("geom", ["object"])[0]
    assert torch.allclose(env.sim.expand("body_mass")[:, body].float(), 0.05 * env.scale.flatten(0, 1).prod(-1))
    assert torch.allclose(env.sim.expand("geom_size")[:, geom].float(), 0.025 * env.scale.flatten(0, 1))
    env.close()
    again.close()


def test_cuboids_rest_at_their_own_height() -> None:
    env = Throw(num_envs=24, seeds=[1], device="cpu", options=ThrowOptions())
    env.reset()
    half = 0.025 * env.scale[0]
    pose = torch.zeros(24, 7)
    pose[:, 2], pose[:, 3] = TABLE_TOP + half[:, 2] + 0.01, 1.0
    up = torch.zeros(1, 24, 23)
    up[..., 1] = -0.5
    for step in range(60):
        if step == 20:  # the arm has lifted the hand out of the way
            env.sim.views["qpos"][:, -7:] = pose.double()
            env.sim.views["qvel"][:, -6:] = 0
        env.step(up if step < 20 else torch.zeros_like(up))
    height = env.sim.views["qpos"][:, -5].float() - TABLE_TOP
    assert height.std() > 0.01 and torch.allclose(height, half[:, 2], atol=1e-3)
    env.close()


def test_nothing_starts_inside_the_table() -> None:
    env = Regrasp(num_envs=256, seeds=[4], device="cpu", options=RegraspOptions())
    env.reset()
    position, turn = env.sim.views["qpos"][:, -7:].float().split((3, 4), -1)
    w, x, y, z = turn.unbind(-1)
    assert torch.allclose(turn.norm(dim=-1), torch.ones(256))
    up = torch.stack((2 * (x * z - w * y), 2 * (y * z + w * x), w * w + z * z - x * x - y * y), -1)
    lowest = position[:, 2] - (up.abs() * 0.025 * env.scale[0]).sum(-1)
    assert lowest.min() >= TABLE_TOP + 0.0049 and (position[:, 2] - 0.63).min() >= -0.02
    assert position[:, :2].abs().max() <= 0.1 and position[:, :2].std() > 0.04
    env.close()


def test_the_arm_is_driven_relatively_and_the_hand_absolutely() -> None:
    env = Regrasp(num_envs=1, seeds=[1], device="cpu", options=SMALL)
    env.reset()
    before = env.sim.views["ctrl"].clone()
    env.step(torch.full((1, 1, 23), 5.0))  # clipped to 1
    after = env.sim.views["ctrl"]
    high = env.sim.model.constant("actuator_ctrlrange")[:, 1].double()
    assert torch.allclose(after[0, :6], torch.minimum(before[0, :6] + 10 / 60, high[:6]), atol=1e-5)
    assert torch.allclose(after[0, 7:], high[7:])
    env.close()


def test_two_arms_are_driven_absolutely() -> None:
    env = TwoArmsReorient(num_envs=1, seeds=[1], device="cpu", options=TwoArmsOptions())
    env.reset()
    env.step(torch.full((1, 1, 46), 0.5))
    low, high = env.sim.model.constant("actuator_ctrlrange").double().unbind(-1)
    assert torch.allclose(env.sim.views["ctrl"][0], low + (high - low) * 0.75)
    env.close()


def test_random_forces_scale_with_the_object() -> None:
    env = Regrasp(num_envs=64, seeds=[1], device="cpu", options=replace(SMALL, force_scale=2.0))
    env.reset()
    (body,) = env.sim.model.ids("body", ["object"])
    accelerations, changes = [], []
    before = torch.zeros(64)
    for action in random_actions(env, 120):
        env.step(action)
        force = env.sim.views["xfrc_applied"][:, body, :3].norm(dim=-1).float()
        changes.append(((force / before - 1).abs() > 0.01) & (before > 0))
        accelerations.append(force / (0.05 * env.scale[0].prod(-1)))
        before = force
    # New ones come with a chance between 0.001 and 0.1 per step: about 0.02 on average.
    share = torch.stack(changes[20:]).float().mean().item()
    assert 0.005 < share < 0.06
    # 2 m/s^2 times the length of three normal numbers (1.6), faded a little.
    assert 1.5 < torch.stack(accelerations)[-20:].amax(0).median() < 4.5
    other = [name for name in range(env.sim.model.mj.nbody) if name != body]
    assert not env.sim.views["xfrc_applied"][:, other].any()
    env.close()


def test_no_forces_act_in_throw() -> None:
    env = Throw(num_envs=4, seeds=[1], device="cpu", options=ThrowOptions())
    env.reset()
    for action in random_actions(env, 50):
        env.step(action)
    assert not env.sim.views["xfrc_applied"].any()
    env.close()
