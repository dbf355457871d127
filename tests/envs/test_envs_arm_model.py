"""The arm's kinematics against its published Denavit-Hartenberg table, and the arm with the hand."""

from math import radians

import numpy as np
import pytest
import torch

from envs.arm_hand import iiwa, model
from envs.hand import allegro, world
from envs.sim.batch import BatchSim
from envs.sim.model import Model, Scene

mujoco = pytest.importorskip("mujoco")

# d in m and alpha in degrees of the LBR iiwa 7 R800; all a are 0.
TABLE = [(0.34, -90), (0, 90), (0.4, 90), (0, -90), (0.4, -90), (0, 90), (0.126, 0)]
LIMITS = np.radians([170, 120, 170, 120, 170, 120, 175])
TABLE_TOP = [world.box("table", (0.2375, 0.2, 0.15), (0, 0, 0.38))]


def flange_by_table(angles):
    """Position and rotation of the flange, by products of the Denavit-Hartenberg matrices."""
    pose = np.eye(4)
    for angle, (d, alpha) in zip(angles, TABLE, strict=True):
        c, s, ca, sa = np.cos(angle), np.sin(angle), np.cos(radians(alpha)), np.sin(radians(alpha))
        pose = pose @ [[c, -s * ca, s * sa, 0], [s, c * ca, -c * sa, 0], [0, sa, ca, d], [0, 0, 0, 1]]
    return pose[:3, 3], pose[:3, :3]


def placed(part, angles=()):
    compiled = mujoco.MjModel.from_xml_string(world.document("test", [part]))
    data = mujoco.MjData(compiled)
    data.qpos[: len(angles)] = angles
    mujoco.mj_forward(compiled, data)
    return compiled, data


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        ((0, 0, 0, 0, 0, 0, 0), (0, 0, 1.266)),
        ((0, 90, 0, 0, 0, 0, 0), (0.926, 0, 0.34)),  # stretched forward
        ((90, 90, 0, 0, 0, 0, 0), (0, 0.926, 0.34)),
        ((0, 0, 0, 90, 0, 0, 0), (-0.526, 0, 0.74)),  # axis 4 bends the other way
        ((0, 0, 0, -90, 0, 90, 0), (0.4, 0, 0.614)),  # forearm forward, hand down
        ((0, 30, 0, -60, 0, 90, 45), (0.6, 0, 0.5604101615)),  # upper arm 30 degrees, forearm level, flange down
    ],
)
def test_flange_is_at_points_one_can_work_out(degrees, expected):
    angles = np.radians(degrees)
    if degrees[1] == 30:
        expected = (0.4 * np.sin(angles[1]) + 0.4, 0, 0.34 + 0.4 * np.cos(angles[1]) - 0.126)
    _, data = placed(iiwa.iiwa(), angles)
    np.testing.assert_allclose(data.site("flange").xpos, expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_flange_follows_the_published_table(seed):
    angles = np.random.default_rng(seed).uniform(-LIMITS, LIMITS)
    _, data = placed(iiwa.iiwa(), angles)
    position, rotation = flange_by_table(angles)
    np.testing.assert_allclose(data.site("flange").xpos, position, atol=1e-9)
    np.testing.assert_allclose(data.site("flange").xmat.reshape(3, 3), rotation, atol=1e-9)


def test_ranges_torques_and_mass_are_the_published_ones():
    compiled, _ = placed(
        iiwa.iiwa(drive=[world.Drive(stiffness=40, damping=5, torque=t, armature=0) for t in iiwa.TORQUES])
    )
    np.testing.assert_allclose(compiled.jnt_range, np.stack((-LIMITS, LIMITS), 1))
    assert compiled.actuator_forcerange[:, 1].tolist() == [176, 176, 110, 110, 110, 40, 40]
    moving = compiled.body_mass[2:].sum()
    assert moving == pytest.approx(3.4525 + 3.4821 + 4.05623 + 3.4822 + 2.1633 + 2.3466 + 3.129)
    assert 20 < moving < 24  # the data sheet's total with the base: 23.9 kg
    turning, _ = placed(iiwa.iiwa(wrist_limit=6.27))
    assert turning.joint("arm_joint_7").range.tolist() == [-6.27, 6.27]


def test_robot_has_the_arms_joints_and_then_the_hands():
    compiled, _ = placed(model.arm_hand())
    assert tuple(compiled.joint(index).name for index in range(23)) == model.JOINTS
    assert tuple(compiled.actuator(index).name for index in range(23)) == model.JOINTS


def test_hand_continues_the_arm():
    _, data = placed(model.arm_hand())
    palm = data.body("palm")
    frame = palm.xmat.reshape(3, 3)
    np.testing.assert_allclose(frame[:, 2], (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(frame[:, 0], (-np.sqrt(0.5), -np.sqrt(0.5), 0), atol=1e-12)
    # AllegroKuka: flange 0.152 m beyond axis 6, the hand's frame 0.1175 m beyond that.
    assert palm.xpos[2] == pytest.approx(0.34 + 0.4 + 0.4 + 0.152 + 0.1175)
    middle_of_palm = palm.xpos - 0.009 * frame[:, 0]
    np.testing.assert_allclose(middle_of_palm[:2], 0, atol=2e-4)


def test_at_home_the_hand_is_level_above_the_table_palm_down():
    _, data = placed(model.arm_hand(position=(0, 0.8, 0)), model.HOME)
    frame = data.body("palm").xmat.reshape(3, 3)
    assert frame[2, 0] < -0.99  # the palm's normal
    assert frame[1, 2] < -0.99  # the fingers point over the table, away from the arm's base
    x, y, z = data.site("palm_centre").xpos
    assert abs(x) < 0.2375 and abs(y) < 0.2 and 0.53 < z < 0.75


def test_base_can_be_moved_and_turned_and_names_prefixed():
    _, plain = placed(model.arm_hand(), model.HOME)
    _, moved = placed(model.arm_hand(position=(0.5, 0.2, 0), yaw=np.pi / 2, prefix="left_"), model.HOME)
    for tip in allegro.TIPS:
        x, y, z = plain.site(tip).xpos
        np.testing.assert_allclose(moved.site("left_" + tip).xpos, (0.5 - y, 0.2 + x, z), atol=1e-12)


def test_two_robots_meet_each_other_but_not_themselves():
    parts = [
        model.arm_hand(position=(-0.4, 0, 0), yaw=0.0, prefix="left_", robot=0),
        model.arm_hand(position=(0.4, 0, 0), yaw=np.pi, prefix="right_", robot=1),
    ]
    compiled = mujoco.MjModel.from_xml_string(world.document("test", parts))
    data = mujoco.MjData(compiled)
    data.qpos[[1, 24]] = np.pi / 4  # both lean over the middle
    mujoco.mj_forward(compiled, data)
    pairs = [[compiled.geom(geom).name.partition("_")[0] for geom in pair] for pair in data.contact.geom]
    assert pairs and all(sorted(pair) == ["left", "right"] for pair in pairs)


def test_random_targets_keep_the_robot_finite():
    parts = [
        model.arm_hand(position=(0, 0.8, 0)),
        *TABLE_TOP,
        world.cuboid("object", (0.025,) * 3, 0.05, position=(0, 0, 0.63)),
    ]
    compiled = Model(Scene(world.document("test", parts)))
    sim = BatchSim(compiled, sensed=("ncon", "nefc"), num_worlds=12, threads=1)
    home, low, high = torch.tensor(model.HOME).double(), *compiled.constant("actuator_ctrlrange").double().T
    sim.views["qpos"][:, :7] = home
    generator = torch.Generator().manual_seed(0)
    for step in range(120):
        if step % 20 == 0:
            drawn = torch.rand(12, 23, generator=generator, dtype=torch.float64)
            sim.views["ctrl"][:] = drawn * (high - low) + low
            sim.views["ctrl"][:, :7] = home + (drawn[:, :7] - 0.5)
        sim.step(2)
        assert not sim.unhealthy().any() and sim.views["qpos"].isfinite().all()
        assert sim.views["qvel"][:, :7].abs().max() < 10 and sim.views["qvel"][:, 7:23].abs().max() < 80
        assert sim.views["ncon"].max() <= 24 and sim.views["nefc"].max() <= 128
