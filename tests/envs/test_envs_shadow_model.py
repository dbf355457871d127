"""The Shadow hand's model: what of the published files it keeps, its couplings, its sensors, the missing package."""

import sys

import numpy as np
import pytest

from envs import registry
from envs.hand import shadow, world
from envs.sim.require import MissingPackageError, locate

mujoco = pytest.importorskip("mujoco")
try:
    PUBLISHED = locate("gymnasium_robotics", extra="shadow", purpose="the test") / "envs" / "assets" / "hand"
except MissingPackageError as missing:
    pytest.skip(str(missing), allow_module_level=True)


@pytest.fixture(scope="module")
def hand():
    return mujoco.MjModel.from_xml_string(world.document("hand", [shadow.shadow()]), dict(shadow.meshes()))


@pytest.fixture(scope="module")
def published():
    return mujoco.MjModel.from_xml_path(str(PUBLISHED / "manipulate_block.xml"))


def settled(model, targets, steps=600):
    """Data after the servos have pulled towards targets (joint -> rad) for ``steps`` time steps."""
    data = mujoco.MjData(model)
    for joint, angle in targets.items():
        data.ctrl[shadow.DRIVEN.index(joint)] = angle
    for _ in range(steps):
        mujoco.mj_step(model, data)
    return data


def test_keeps_the_published_joints_servos_and_couplings(hand):
    assert (hand.nv, hand.nu, hand.ntendon, hand.npair) == (24, 20, 4, 19)
    assert tuple(hand.joint(index).name for index in range(24)) == shadow.JOINTS
    assert tuple(hand.joint(joint).name for joint in hand.actuator_trnid[:, 0]) == shadow.DRIVEN
    np.testing.assert_array_equal(hand.actuator_ctrlrange, hand.jnt_range[hand.actuator_trnid[:, 0]])
    assert {hand.tendon(index).name for index in range(4)} == {f"robot0:T_{f}J1c" for f in ("FF", "MF", "RF", "LF")}


def test_bodies_joints_and_servos_have_the_published_numbers(hand, published):
    for index in range(2, hand.nbody):
        name = hand.body(index).name
        for field in ("body_mass", "body_inertia", "body_ipos", "body_pos", "body_quat"):
            np.testing.assert_allclose(
                getattr(hand, field)[index], getattr(published, field)[published.body(name).id], err_msg=name
            )
    joints = [published.joint(joint).id for joint in shadow.JOINTS]
    np.testing.assert_array_equal(hand.jnt_range, published.jnt_range[joints])
    np.testing.assert_array_equal(hand.dof_damping, published.dof_damping[joints])
    np.testing.assert_array_equal(hand.actuator_gainprm, published.actuator_gainprm)
    np.testing.assert_array_equal(hand.actuator_forcerange, published.actuator_forcerange)
    # Where the published mount puts the hand: palm up, fingers along -y.
    data = mujoco.MjData(published)
    mujoco.mj_forward(published, data)
    np.testing.assert_allclose(
        data.body(shadow.MOUNT).xmat.reshape(3, 3), [[-1, 0, 0], [0, 0, -1], [0, -1, 0]], atol=1e-5
    )
    ours = mujoco.MjData(hand)
    mujoco.mj_forward(hand, ours)
    offset = data.body(shadow.MOUNT).xpos
    for tip in shadow.TIPS:
        np.testing.assert_allclose(ours.body(tip).xpos, data.body(tip).xpos - offset, atol=1e-5)


def test_only_primitives_of_hand_and_palm_touch(hand):
    touching = (hand.geom_contype | hand.geom_conaffinity) > 0
    kinds = {int(kind) for kind in hand.geom_type[touching]}
    assert kinds == {int(mujoco.mjtGeom.mjGEOM_CAPSULE), int(mujoco.mjtGeom.mjGEOM_BOX)} and touching.sum() == 19
    assert hand.geom_size[touching].max(-1).min() > 0.005


def test_a_coupled_joint_follows_the_one_before_it(hand):
    data = settled(hand, {"robot0:FFJ1": 1.2, "robot0:FFJ2": 0.8})
    # The tendon allows 0.00705 q0 - 0.00805 q1 to lie in +- 1 mm.
    driven, coupled = (data.joint(f"robot0:FFJ{index}").qpos[0] for index in (1, 0))
    assert driven == pytest.approx(1.2, abs=0.01)
    assert abs(0.00705 * coupled - 0.00805 * driven) < 0.00105 and coupled > 1.2
    assert abs(data.joint("robot0:MFJ0").qpos[0]) < 0.02


def test_gravity_leaves_the_hand_alone(hand):
    data = mujoco.MjData(hand)
    data.qpos[:] = hand.jnt_range.mean(-1)
    mujoco.mj_forward(hand, data)
    assert np.abs(data.qfrc_bias).max() > 0.01  # what would hold it up
    np.testing.assert_allclose(data.qfrc_passive, data.qfrc_bias, atol=1e-9)


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium_robotics", None)
    with pytest.raises(
        MissingPackageError, match=r"Shadow hand needs .*gymnasium_robotics.*'ablate\[shadow\]'"
    ) as error:
        registry.make("hand/shadow_reorient", num_envs=1, seeds=(0,))
    assert "\n" not in str(error.value)


def test_the_package_is_read_but_not_imported(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "gymnasium_robotics"]:
        monkeypatch.delitem(sys.modules, name)
    shadow.shadow()
    assert len(shadow.meshes()) == 12 and "gymnasium_robotics" not in sys.modules
