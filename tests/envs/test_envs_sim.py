"""The simulated tasks' base: a tiny hinge on the CPU back-end."""

import sys

import numpy as np
import pytest
import torch
from hinge import HINGE, Hinge

from envs.sim.batch import BatchSim
from envs.sim.model import Model
from envs.sim.require import MissingPackageError, require
from envs.testing import check_vector_env


def test_keeps_the_environments_contract() -> None:
    check_vector_env(Hinge, metrics=("unhealthy",))


def test_observation_is_that_of_the_state_after_the_step() -> None:
    env = Hinge(2, (0,))
    env.reset()
    observation, *_ = env.step(torch.ones(1, 2, 1))
    assert torch.allclose(observation[..., 2], observation[..., 0].sin(), atol=1e-6)  # the tip, from the new angle


def test_a_broken_world_ends_alone_and_is_counted() -> None:
    env, calm = Hinge(3, (0, 5)), Hinge(3, (0, 5))
    before, _ = env.reset()
    calm.reset()
    actions = torch.zeros(2, 3, 1)
    expected, *_ = calm.step(actions)
    actions[1, 2] = 10
    observation, reward, terminated, truncated, info = env.step(actions)
    assert terminated.tolist() == [[False] * 3, [False, False, True]] and not truncated.any()
    assert reward[1, 2] == 0 and info["final_info"]["unhealthy"].tolist() == [[0, 0, 0], [0, 0, 1]]
    assert torch.equal(info["final_obs"][1, 2], before[1, 2])
    assert observation.isfinite().all() and torch.equal(observation[~terminated], expected[~terminated])
    assert observation[1, 2, 1] == 0  # a fresh start


def test_worlds_do_not_depend_on_the_number_of_threads() -> None:
    states = []
    for threads in (1, 2):
        sim = BatchSim(Model(HINGE), sensed=(), num_worlds=16, threads=threads)
        sim.views["ctrl"].copy_(torch.linspace(-1, 1, 16, dtype=torch.float64).unsqueeze(-1))
        sim.step(50)
        states.append(sim.state_dict()["state"])
    assert torch.equal(*states) and states[0].std(0).max() > 0.1


def test_a_masked_reset_leaves_the_other_worlds() -> None:
    sim = BatchSim(Model(HINGE), sensed=("site_xpos",), num_worlds=3)
    sim.views["qpos"][:, 0] = 1.0
    sim.step(1)
    kept = sim.views["qpos"].clone()
    mask = torch.tensor([False, True, False])
    sim.reset(mask)
    sim.views["qpos"][1, 0] = 0.5
    sim.forward(mask)
    assert torch.equal(sim.views["qpos"][~mask], kept[~mask])
    assert sim.views["site_xpos"][1, 0, 0].item() == pytest.approx(np.sin(0.5), abs=1e-12)


def test_expanded_fields_change_one_world_and_survive_a_checkpoint() -> None:
    def falling() -> BatchSim:
        sim = BatchSim(Model(HINGE), sensed=(), num_worlds=2)
        sim.expand("body_mass")
        return sim

    sim = falling()
    heavy = torch.tensor([False, True])
    sim.expand("body_mass")[1, 1] *= 8
    sim.commit_model(heavy)
    sim.views["ctrl"].fill_(1)
    sim.step(10)
    assert sim.views["qvel"][0, 0].abs() > 2 * sim.views["qvel"][1, 0].abs()
    saved = sim.state_dict()
    sim.step(10)
    other = falling()
    other.load_state_dict(saved)
    other.step(10)
    assert torch.equal(other.state_dict()["state"], sim.state_dict()["state"])


def test_names_lead_to_rows() -> None:
    model = Model(HINGE)
    assert model.ids("site", ["tip"]) == [0] and model.ids("body", ["ball", "arm"]) == [2, 1]
    assert (
        model.qpos("hinge") == slice(0, 1) and model.qpos("free") == slice(1, 8) and model.qvel("free") == slice(1, 7)
    )
    assert model.sensor("speed") == slice(1, 4)
    assert torch.equal(model.constant("actuator_ctrlrange"), torch.tensor([[-1.0, 1.0]]))
    with pytest.raises(KeyError, match="nose"):
        model.ids("site", ["nose"])


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(MissingPackageError, match=r"hand needs the package `mujoco`.*pip install 'ablate\[mujoco\]'"):
        require("mujoco", extra="mujoco", purpose="hand")
