"""The Allegro hand's model against its published numbers, and its stability."""

import itertools

import numpy as np
import pytest
import torch

from envs.hand import allegro, world
from envs.sim.batch import BatchSim
from envs.sim.model import Model, Scene

mujoco = pytest.importorskip("mujoco")

# (origin, roll pitch yaw, axis) of every joint and the tip's offset, as SimLab's URDF has them.
FINGER = [((0, 0, 0.0164), (0, 0, 0), "y"), ((0, 0, 0.054), (0, 0, 0), "y"), ((0, 0, 0.0384), (0, 0, 0), "y")]
CHAINS = {
    "index": ([((0, 0.0435, -0.001542), (-0.08726646255, 0, 0), "z"), *FINGER], 0.0267),
    "middle": ([((0, 0, 0.0007), (0, 0, 0), "z"), *FINGER], 0.0267),
    "ring": ([((0, -0.0435, -0.001542), (0.08726646255, 0, 0), "z"), *FINGER], 0.0267),
    "thumb": (
        [
            ((-0.0182, 0.019333, -0.045987), (0, -1.65806278845, -1.5707963259), "-x"),
            ((-0.027, 0.005, 0.0399), (0, 0, 0), "z"),
            ((0, 0, 0.0177), (0, 0, 0), "y"),
            ((0, 0, 0.0514), (0, 0, 0), "y"),
        ],
        0.0423,
    ),
}
RANGES = [
    *[(-0.47, 0.47), (-0.196, 1.61), (-0.174, 1.709), (-0.227, 1.618)] * 3,
    *[(0.263, 1.396), (-0.105, 1.163), (-0.189, 1.644), (-0.162, 1.719)],
]


def turn(axis, angle):
    c, s = np.cos(angle), np.sin(angle)
    if axis == "-x":
        return turn("x", -angle)
    return {
        "x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]


def tip_of(finger, angles):
    """Plain matrix products along the published joints."""
    links, offset = CHAINS[finger]
    position, rotation = np.zeros(3), np.eye(3)
    for (origin, (roll, pitch, yaw), axis), angle in zip(links, angles, strict=True):
        position = position + rotation @ origin
        rotation = rotation @ turn("z", yaw) @ turn("y", pitch) @ turn("x", roll) @ turn(axis, angle)
    return position + rotation @ (0, 0, offset)


def placed(part, qpos=None):
    model = mujoco.MjModel.from_xml_string(world.document("test", [part]))
    data = mujoco.MjData(model)
    if qpos is not None:
        data.qpos[: len(qpos)] = qpos
    mujoco.mj_forward(model, data)
    return model, data


def test_joints_and_actuators_stand_in_the_published_order_with_the_published_ranges():
    model, _ = placed(allegro.allegro())
    assert tuple(model.joint(index).name for index in range(model.njnt)) == allegro.JOINTS
    assert tuple(model.actuator(index).name for index in range(model.nu)) == allegro.JOINTS
    assert model.jnt_range.tolist() == pytest.approx(np.array(RANGES)) and model.jnt_limited.all()
    assert model.actuator_ctrlrange.tolist() == pytest.approx(np.array(RANGES))


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_fingertips_are_where_the_published_joints_put_them(seed):
    angles = np.zeros(16) if seed is None else np.random.default_rng(seed).uniform(*np.array(RANGES).T)
    _, data = placed(allegro.allegro(), angles)
    for index, finger in enumerate(allegro.FINGERS):
        expected = tip_of(finger, angles[4 * index : 4 * index + 4])
        np.testing.assert_allclose(data.site(f"{finger}_tip").xpos, expected, atol=1e-9)


def test_the_middle_finger_is_as_long_as_its_phalanges():
    _, data = placed(allegro.allegro())
    np.testing.assert_allclose(
        data.site("middle_tip").xpos, (0, 0, 0.0007 + 0.0164 + 0.054 + 0.0384 + 0.0267), atol=1e-12
    )


def test_masses_are_the_published_ones():
    model, _ = placed(allegro.allegro())
    finger, thumb = (0.0119, 0.065, 0.0355, 0.0264), (0.0176, 0.0119, 0.038, 0.0556)
    links = [model.body(f"{name}_link_{link}").mass[0] for name in allegro.FINGERS for link in range(4)]
    assert links == pytest.approx([*finger * 3, *thumb])
    assert model.body("palm").mass[0] == pytest.approx(0.4154)


def test_palm_up_lets_the_palm_look_up_and_the_fingers_forward():
    for tilt in (0.0, 0.35):
        _, data = placed(allegro.allegro(orientation=allegro.palm_up(tilt)))
        rotation = data.body("palm").xmat.reshape(3, 3)
        np.testing.assert_allclose(rotation[:, 2], (np.cos(tilt), 0, np.sin(tilt)), atol=1e-12)
        np.testing.assert_allclose(rotation[:, 0], (-np.sin(tilt), 0, np.cos(tilt)), atol=1e-12)


def test_only_fingertips_of_a_hand_meet_each_other():
    tips = {f"{finger}_3" for finger in allegro.FINGERS}
    met = set()
    for seed in range(40):
        model, data = placed(allegro.allegro(), np.random.default_rng(seed).uniform(*np.array(RANGES).T))
        met |= {model.geom(geom).name for pair in data.contact.geom for geom in pair}
    assert met and met <= tips


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        (("link", 0), ("link", 0), False),
        (("link", 0), ("tip", 0), False),
        (("tip", 0), ("tip", 0), True),
        (("link", 0), ("link", 1), True),
        (("tip", 0), ("link", 1), True),
        (("object", 0), ("link", 1), True),
        (("object", 0), ("tip", 0), True),
        (("object", 0), ("object", 0), True),
        (("object", 0), ("table", 0), True),
        (("table", 0), ("link", 0), True),
        (("table", 0), ("tip", 1), True),
        (("table", 0), ("table", 0), False),
    ],
)
def test_what_meets_what(first, second, meet):
    balls = "".join(
        f'<body pos="{x} 0 0"><freejoint/><geom size=".1" {world.contact(*kind)}/></body>'
        for x, kind in ((0, first), (0.1, second))
    )
    _, data = placed(world.Part(balls))
    assert bool(data.ncon) == meet


def test_random_targets_keep_a_hand_with_a_cube_finite_and_small():
    parts = [
        allegro.allegro(orientation=allegro.palm_up()),
        world.cuboid("cube", (0.0325,) * 3, 0.1, position=(0.0, 0.0, 0.06)),
    ]
    model = Model(Scene(world.document("test", parts)))
    sim = BatchSim(model, sensed=("ncon", "nefc"), num_worlds=16, threads=1)
    low, high = model.constant("actuator_ctrlrange").double().T
    generator = torch.Generator().manual_seed(0)
    for _, half_second in itertools.product(range(8), range(15)):
        if half_second == 0:
            sim.views["ctrl"][:] = torch.rand(16, 16, generator=generator, dtype=torch.float64) * (high - low) + low
        sim.step(4)
        assert not sim.unhealthy().any() and sim.views["qpos"].isfinite().all()
        assert sim.views["qvel"][:, :16].abs().max() < 60  # rad/s
        # The buffers of the GPU back-end are made for 24 contacts and 128 rows.
        assert sim.views["ncon"].max() <= 24 and sim.views["nefc"].max() <= 128
