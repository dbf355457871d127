"""The GPU back-end on Warp's CPU device."""

import sys

import pytest
import torch
from warp_worlds import FLOOR, SENSED, WarpHinge, batch_sim, drop, everywhere, on_device, warp_sim

import envs.sim.env
from envs.sim.env import SimEnv
from envs.sim.make import NoBackEndError, make_sim
from envs.sim.model import Model, Scene
from envs.sim.protocol import Sim
from envs.sim.require import MissingPackageError
from envs.sim.warp import WarpSim
from envs.sim.warp_room import max_constraints, max_contacts
from envs.sim.warp_stages import needs_whole_stages
from envs.testing import check_vector_env


@pytest.fixture
def on_warp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envs.sim.env, "make_sim", on_device)


@pytest.mark.usefixtures("on_warp")
def test_a_task_keeps_the_environments_contract() -> None:
    check_vector_env(WarpHinge, metrics=("unhealthy",))


@pytest.mark.usefixtures("on_warp")
def test_a_broken_world_ends_alone_and_is_counted() -> None:
    env, calm = WarpHinge(3, (0, 5)), WarpHinge(3, (0, 5))
    env.reset()
    calm.reset()
    actions = torch.zeros(2, 3, 1)
    expected, *_ = calm.step(actions)
    actions[1, 2] = 10  # NaN velocities
    observation, reward, terminated, _, info = env.step(actions)
    assert terminated.tolist() == [[False] * 3, [False, False, True]]
    assert reward[1, 2] == 0 and info["final_info"]["unhealthy"].tolist() == [[0, 0, 0], [0, 0, 1]]
    assert observation.isfinite().all() and torch.equal(observation[~terminated], expected[~terminated])
    later, *_, info = env.step(torch.zeros(2, 3, 1))
    assert later.isfinite().all() and not info["final_info"]["unhealthy"].any()  # the reset left no NaN behind


def test_recorded_steps_are_the_plain_ones() -> None:
    recorded, plain = warp_sim(3), warp_sim(3)
    heights = torch.tensor([0.09, 0.2, 0.4])
    plain._records = False
    for sim in (recorded, plain):
        drop(sim, heights)
        for _ in range(4):
            sim.step(5)
    assert recorded._recordings["step 5"] is not None and plain._recordings["step 5"] is None
    for name, view in recorded.views.items():
        assert torch.equal(view, plain.views[name]), name


def test_views_are_the_simulators_memory() -> None:
    sim = warp_sim(2)
    for name in ("qpos", "qvel", "ctrl", "site_xpos", "xquat"):
        assert sim.views[name].data_ptr() == getattr(sim._data, name).ptr, name


def test_a_masked_reset_leaves_the_other_worlds() -> None:
    sim = warp_sim(3)
    drop(sim, torch.tensor([0.3, 0.4, 0.5]))
    sim.step(3)
    before = {name: view.clone() for name, view in sim.views.items()}
    middle = torch.tensor([False, True, False])
    for _ in range(2):  # plainly, then recorded
        sim.reset(middle)
        sim.forward(middle)
        for name, view in sim.views.items():
            assert torch.equal(view[~middle], before[name][~middle]), name
        assert sim.views["qpos"][1].tolist() == [0, 3, 0, 2, 1, 0, 0, 0] and not sim.views["qvel"][1].any()
        assert sim.views["site_xpos"][1, 0].tolist() == pytest.approx([0, 0, 1], abs=1e-6)


def test_a_checkpoint_continues_bit_for_bit() -> None:
    def swinging() -> WarpSim:
        sim = warp_sim(2)
        sim.expand("body_mass")[1, 1] *= 3
        sim.commit_model(everywhere(sim))
        drop(sim, torch.tensor([0.095, 0.095]))
        sim.views["ctrl"].fill_(1)
        return sim

    sim = swinging()
    sim.step(7)
    saved = sim.state_dict()
    sim.step(7)
    other = warp_sim(2)
    other.load_state_dict(saved)
    other.step(7)
    assert torch.equal(other.views["qpos"], sim.views["qpos"]) and torch.equal(other.views["cvel"], sim.views["cvel"])
    assert sim.views["qvel"][1, 0] > sim.views["qvel"][0, 0] + 0.01  # more weight, the same inertia


def test_expanding_keeps_earlier_views_and_replaces_recordings() -> None:
    sim = warp_sim(2)
    drop(sim, torch.tensor([1.0, 1.0]))
    for _ in range(3):
        sim.step(1)
    gravity = sim.expand("opt.gravity")
    sim.expand("geom_friction")
    gravity[1] = 0
    drop(sim, torch.tensor([1.0, 1.0]))
    for _ in range(3):
        sim.step(1)
    assert sim.views["qvel"][:, 3].tolist() == pytest.approx([-9.81 * 0.03, 0], rel=1e-5)


def test_an_overflow_ends_the_world_and_is_told_once() -> None:
    crowded = FLOOR.mjcf.replace('contype="0" conaffinity="0"', "")  # the rod touches the floor, too
    sim = warp_sim(2, Scene(crowded, contacts=1))
    drop(sim, torch.tensor([0.095, 0.095]))
    with pytest.warns(RuntimeWarning, match=r"room for 1 contacts and 4 constraint rows: raise `contacts`"):
        sim.step(1)
    assert sim.unhealthy().tolist() == [True, True]  # the buffer is shared: Warp cannot say whose contact is missing
    sim.step(1)  # silent: filterwarnings is `error`


def test_one_world_as_mujoco_sees_it() -> None:
    sim = warp_sim(3)
    sim.expand("body_mass")[2, 1] = 5
    sim.expand("opt.gravity")[2] = 0
    sim.expand("opt.timestep")[2] = 0.02
    drop(sim, torch.tensor([0.3, 0.4, 0.5]))
    sim.step(2)
    model, data = sim.world(2)
    assert not model.opt.gravity.any() and model.body_mass[1] == 5 and sim.model.mj.body_mass[1] != 5
    assert data.qpos == pytest.approx(sim.views["qpos"][2].numpy())
    assert data.site_xpos[0] == pytest.approx(sim.views["site_xpos"][2, 0].numpy(), abs=1e-6)
    assert data.time == pytest.approx(0.04) and model.opt.timestep == pytest.approx(0.02)
    assert sim.world(0) == (model, data)  # the same two objects
    assert model.body_mass[1] == pytest.approx(sim.model.mj.body_mass[1]) and model.opt.gravity[2] != 0


def test_room_follows_from_the_scene() -> None:
    mj = Model(FLOOR).mj
    assert max_contacts(mj) == 1  # a sphere on a plane; the rod touches nothing
    assert max_constraints(mj, 1) == 4  # a pyramid of four edges
    crowd = "".join(f'<body pos="{i} 0 1"><freejoint/><geom type="box" size=".1 .1 .1"/></body>' for i in range(9))
    mj = Model(Scene(f'<mujoco><option cone="elliptic"/><worldbody>{crowd}</worldbody></mujoco>')).mj
    assert max_contacts(mj) == 64 and max_constraints(mj, 64) == 64 * 3


def test_only_what_a_task_reads_is_computed_after_a_step() -> None:
    mj = Model(FLOOR).mj
    assert not needs_whole_stages(mj, ("qpos", "site_xpos", "sensordata")) and needs_whole_stages(mj, ("qfrc_bias",))
    limited = FLOOR.mjcf.replace("<sensor>", '<sensor><actuatorpos actuator="torque"/>')
    assert needs_whole_stages(Model(Scene(limited)).mj, ("sensordata",))


def test_a_field_that_warp_shares_is_refused() -> None:
    with pytest.raises(ValueError, match="no `geom_type` per world"):
        warp_sim(2).expand("geom_type")


def test_back_ends_are_chosen_by_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    def choose(device: str) -> Sim:
        return make_sim(FLOOR, sensed=(), num_worlds=1, device=torch.device(device))

    assert type(choose("cpu")) is type(batch_sim(1))
    with pytest.raises(NoBackEndError, match="on cpu or cuda, not on mps"):
        choose("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NoBackEndError, match="torch finds no CUDA device here"):
        choose("cuda")
    with pytest.raises(NoBackEndError, match="torch finds no CUDA device here"):  # before torch makes a tensor there
        env = WarpHinge.__new__(WarpHinge)
        SimEnv.__init__(env, num_envs=1, seeds=(0,), device="cuda", max_episode_steps=7)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(MissingPackageError, match=r"GPU needs the package `mujoco_warp`.*pip install 'ablate\[warp\]'"):
        choose("cuda")


@pytest.fixture
def cuda() -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda")


@pytest.mark.gpu
def test_graphs_on_cuda_replay_what_plain_launches_do(cuda: torch.device) -> None:
    sims = [WarpSim(Model(FLOOR), sensed=SENSED, num_worlds=64, device=cuda) for _ in range(2)]
    sims[1]._records = False
    for sim in sims:
        sim.expand("body_mass")[::2, 1] *= 2
        for _ in range(3):
            sim.commit_model(everywhere(sim).cuda())
            drop(sim, torch.linspace(0.09, 0.5, 64, device=cuda))
            for _ in range(3):
                sim.step(5)
    assert sims[0]._recordings["commit"] is not None
    for name, view in sims[0].views.items():
        assert torch.allclose(view, sims[1].views[name], atol=1e-4), name


@pytest.mark.gpu
def test_nothing_waits_for_the_device(cuda: torch.device) -> None:
    sim = WarpSim(Model(FLOOR), sensed=SENSED, num_worlds=64, device=cuda)
    mask = torch.zeros(64, dtype=torch.bool, device=cuda)

    def play() -> torch.Tensor:
        sim.reset(mask)
        sim.forward(mask)
        sim.step(4)
        return sim.unhealthy()

    play()  # compiles
    play()  # records
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(600):  # past the watch's period
            unhealthy = play()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert not unhealthy.any()


@pytest.mark.gpu
def test_torch_reads_what_warp_has_just_written(cuda: torch.device) -> None:
    sim = WarpSim(Model(FLOOR), sensed=SENSED, num_worlds=4096, device=cuda)
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream()):
        with torch.cuda.stream(stream):
            sim.reset(everywhere(sim).cuda())
            times = []
            for _ in range(50):
                sim.step(1)
                times.append(sim.views["qvel"][:, 3].clone())
            expected = -9.81 * 0.01 * torch.arange(1, 51, device=cuda)
            assert torch.allclose(torch.stack(times), expected.unsqueeze(1).expand(50, 4096), rtol=1e-3)


def test_close_twice() -> None:
    sim = warp_sim(1)
    sim.close()
    sim.close()
    assert not sim.views
