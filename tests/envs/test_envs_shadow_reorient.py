"""hand/shadow_reorient: layout, forces, reward and goals, against plain MuJoCo and numbers worked out by hand."""

import dataclasses

import numpy as np
import pytest
import torch
from in_hand import PUBLISHED, actions_for

from envs.hand import shadow
from envs.hand.options import ShadowReorientOptions
from envs.hand.shadow_reorient import ShadowReorient
from envs.hand.shadow_reorient import scene as shadow_scene
from envs.sim.require import MissingPackageError, locate

mujoco = pytest.importorskip("mujoco")
try:
    locate("gymnasium_robotics", extra="shadow", purpose="the test")
except MissingPackageError as missing:
    pytest.skip(str(missing), allow_module_level=True)

GOAL = torch.tensor([0.0, -0.39, 0.56], dtype=torch.float64)
DRIVEN = [shadow.JOINTS.index(joint) for joint in shadow.DRIVEN]


def make(num_envs=4, seeds=(0,), **options):
    env = ShadowReorient(num_envs=num_envs, seeds=seeds, device="cpu", options=ShadowReorientOptions(**options))
    return env, env.reset()[0]


def cube_of(env):
    return env.sim.views["qpos"][:, 24:31]


def test_defaults_are_the_published_ones():
    options = dataclasses.asdict(ShadowReorientOptions())
    assert {name: options[name] for name in PUBLISHED} == PUBLISHED and options["object_size"] == 0.05
    env, observation = make()
    assert observation.shape == (1, 4, 211) and env.action_space.shape == (20,)
    assert env.step_seconds == pytest.approx(1 / 60) and env.max_episode_steps == 600
    assert env.sim.model.mj.body("cube").mass[0] == pytest.approx(567 * 0.05**3, rel=1e-3)


def test_joints_and_cube_are_observed_as_published():
    env, _ = make(num_envs=3)
    for step in range(4):
        actions = actions_for(env, step)
        observation = env.step(actions)[0][0].double()
    qpos, qvel = (env.sim.views[name].clone() for name in ("qpos", "qvel"))
    low, high = torch.tensor(env.sim.model.mj.jnt_range[:24]).T
    goal = env.sim.views["mocap_quat"][:, 0]
    spin = []
    for world in range(3):
        _, data = env.sim.world(world)
        spin.append(data.body("cube").cvel[:3].copy())

    def check(start, end, expected):
        torch.testing.assert_close(observation[:, start:end], expected.clamp(-5, 5), atol=2e-5, rtol=1e-5)

    check(0, 24, -1 + 2 * (qpos[:, :24] - low) / (high - low))
    check(24, 48, 0.2 * qvel[:, :24])
    check(72, 79, qpos[:, 24:31])
    check(79, 82, qvel[:, 24:27])
    check(82, 85, 0.2 * torch.tensor(np.array(spin)))
    check(85, 88, GOAL.expand(3, 3))
    check(88, 92, goal)
    check(191, 211, actions[0].double())
    # The rotation from goal to cube: its product with the goal, written out, is the cube's.
    cube, turn = qpos[:, 27:31], observation[:, 92:96]
    real = turn[:, :1] * goal[:, :1] - (turn[:, 1:] * goal[:, 1:]).sum(-1, keepdim=True)
    rest = turn[:, :1] * goal[:, 1:] + goal[:, :1] * turn[:, 1:] + torch.linalg.cross(turn[:, 1:], goal[:, 1:])
    torch.testing.assert_close(torch.cat((real, rest), -1), cube, atol=1e-5, rtol=0)


def test_tips_are_observed_where_they_are():
    env, _ = make(num_envs=2)
    for step in range(4):
        observation = env.step(actions_for(env, step))[0][0]
    for world in range(2):
        model, data = env.sim.world(world)
        for tip, block in zip(shadow.TIPS, observation[world, 96:161].view(5, 13).numpy(), strict=True):
            velocity = np.zeros(6)
            mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_XBODY, data.body(tip).id, velocity, 0)
            expected = (data.body(tip).xpos, data.body(tip).xquat, velocity[3:], velocity[:3])
            np.testing.assert_allclose(block, np.clip(np.concatenate(expected), -5, 5), atol=1e-5, err_msg=tip)


def test_torques_are_those_of_the_last_physics_step():
    env, _ = make(num_envs=3)
    for step in range(20):
        env.step(actions_for(env, step))
    copies = []
    for world in range(3):
        model, data = env.sim.world(world)
        copy = mujoco.MjData(model)
        for name in ("qpos", "qvel", "qacc_warmstart"):
            getattr(copy, name)[:] = getattr(data, name)
        copies.append(copy)
    actions = actions_for(env, 20)
    observation = env.step(actions)[0][0]
    ranges = env.sim.model.mj.actuator_ctrlrange
    for world, copy in enumerate(copies):
        copy.ctrl[:] = ranges.mean(-1) + (ranges[:, 1] - ranges[:, 0]) / 2 * actions[0, world].numpy()
        mujoco.mj_step(model, copy)
        before = copy.qpos.copy()
        mujoco.mj_step(model, copy)
        servo = np.clip(
            model.actuator_gainprm[:, 0] * (copy.ctrl - before[DRIVEN]), *model.actuator_forcerange.T
        )  # kp (target - angle), within the servo's strength
        torques = copy.qfrc_constraint[:24].copy()
        torques[DRIVEN] += servo
        np.testing.assert_allclose(observation[world, 48:72], np.clip(10 * torques, -5, 5), atol=0.02)
    assert observation[:, 48:72].abs().max() > 1


def test_the_wrench_of_a_tip_answers_what_pulls_at_it():
    env, _ = make(num_envs=2, fall_distance=50.0)
    cube_of(env)[:, 2] += 40  # out of the way
    tip = env.sim.model.ids("body", shadow.TIPS[:1])[0]
    env.sim.views["xfrc_applied"][1, tip, :3] = torch.tensor([0.0, 0.02, -0.03], dtype=torch.float64)
    for _ in range(150):
        observation = env.step(torch.full((1, 2, 20), -0.6))[0]
    alone, pulled = observation[0, :, 161:191].view(2, 5, 6) / 10
    assert alone.abs().max() < 1e-3 and pulled[1:].abs().max() < 1e-3
    turn = env.sim.world(1)[1].body(shadow.TIPS[0]).xmat.reshape(3, 3)
    np.testing.assert_allclose(pulled[0, :3], turn.T @ [0.0, -0.02, 0.03], atol=1e-3)
    # The joint also takes the moment of a force at the centre of mass, which lies 1.5 cm in front of it.
    np.testing.assert_allclose(pulled[0, 3:], np.cross([0, 0, 0.015], pulled[0, :3]), atol=1e-4)


def test_forces_are_zero_where_an_episode_begins():
    env, observation = make(num_envs=3, time_limit=5)
    for step in range(6):
        assert observation[..., 48:72].any() == (step not in (0, 5)) == observation[..., 161:191].any()
        observation = env.step(actions_for(env, step))[0]


def test_reward_is_the_published_sum():
    env, before = make(num_envs=6, success_tolerance=1e-6)
    actions = actions_for(env) * 1.5  # beyond the space: counted as clipped
    goal = before[0, :, 88:92].double()
    _, reward, *_ = env.step(actions)
    distance = (cube_of(env)[:, :3] - GOAL).norm(dim=-1)
    dot = (cube_of(env)[:, 3:] * goal).sum(-1).abs().clamp(max=1)  # cosine of half the angle between two rotations
    expected = -10 * distance + 1 / (2 * dot.acos() + 0.1) - 0.0002 * actions.clamp(-1, 1).square().sum(-1)[0]
    torch.testing.assert_close(reward[0].double(), expected, atol=1e-4, rtol=1e-4)


def test_reward_of_a_quarter_turn_and_of_a_success_by_hand():
    env, before = make(num_envs=2)
    goal = before[0, :, 88:92].double()
    w, x, y, z = goal[0]
    half = 0.5**0.5
    quarter = half * torch.stack((w - z, x - y, y + x, z + w))  # a quarter turn about the world's z, then the goal
    cube_of(env)[:] = torch.cat((GOAL.expand(2, 3), torch.stack((quarter, goal[1]))), -1)
    cube_of(env)[:, 0] += 0.05
    env.sim.views["qvel"][:, 24:] = 0
    env.sim.views["qpos"][:, :24] = 0
    _, reward, terminated, _, info = env.step(torch.full((1, 2, 20), -0.5))
    # -10 * 0.05 + 1 / (pi / 2 + 0.1) - 0.0002 * 20 * 0.25, and 1 / 0.1 + 250 for the one at its goal; it falls 2 mm.
    torch.testing.assert_close(reward[0], torch.tensor([0.097540, 259.499]), atol=0.01, rtol=0)
    assert info["final_info"]["successes"].tolist() == [[0, 1]] and not terminated.any()


def test_a_reached_goal_is_replaced_at_once():
    env, before = make(num_envs=3)
    cube_of(env)[1, 3:] = before[0, 1, 88:92].double()
    after, reward, *_ = env.step(torch.zeros(1, 3, 20))
    assert (reward[0] > 200).tolist() == [False, True, False]
    assert (after[0, :, 88:92] != before[0, :, 88:92]).any(-1).tolist() == [False, True, False]
    after, reward, *_ = env.step(torch.zeros(1, 3, 20))
    assert (reward < 100).all()
    torch.testing.assert_close(env.sim.views["mocap_quat"][:, 0].float(), after[0, :, 88:92])


def test_an_open_hand_holds_the_cube_near_its_goal():
    env, _ = make(num_envs=2, joint_noise=0.0, position_noise=0.0)
    cube_of(env)[:, 3:] = torch.tensor([1.0, 0, 0, 0]).double()
    for _ in range(30):
        env.sim.step(4)
    assert (cube_of(env)[:, :3] - GOAL).norm(dim=-1).max() < 0.05
    assert env.sim.views["qvel"].abs().max() < 0.01


def test_random_play_stays_finite():
    env, _ = make(num_envs=16)
    for step in range(200):
        actions = actions_for(env, step)
        observation, reward, _, _, info = env.step(actions.sign() if step % 2 else actions)
        assert observation.isfinite().all() and reward.isfinite().all()
        assert info["final_info"]["unhealthy"].sum() == 0
    assert env.sim.views["qvel"].abs().max() < 300


@pytest.mark.slow
def test_both_back_ends_move_hand_and_cube_alike():
    pytest.importorskip("mujoco_warp")
    from warp_worlds import batch_sim, everywhere, warp_sim  # its settings of Warp are for slow tests only

    scene = shadow_scene(ShadowReorientOptions())
    sims = [make(4, scene, ShadowReorient.sensed) for make in (batch_sim, warp_sim)]
    ranges = torch.tensor(sims[0].model.mj.actuator_ctrlrange)
    for sim in sims:
        sim.reset(everywhere(sim))
        sim.views["qvel"][:, 27:30] = torch.linspace(-1, 1, 12).view(4, 3).to(sim.views["qvel"].dtype)
        sim.forward(everywhere(sim))
    targets = torch.rand(4, 20, generator=torch.Generator().manual_seed(0)).double()
    targets = ranges[:, 0] + (ranges[:, 1] - ranges[:, 0]) * targets
    for _ in range(10):  # the cube is in the air
        for sim in sims:
            sim.views["ctrl"].copy_(targets)
            sim.step(1)
    for name in ShadowReorient.sensed:
        ours, theirs = (sim.views[name].float() for sim in sims)
        torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}")
    assert sims[0].views["qvel"][:, :24].abs().max() > 1 and not sims[1].unhealthy().any()
