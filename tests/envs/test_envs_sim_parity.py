"""Both back-ends simulate the same worlds: tightly over ten steps, in distribution afterwards."""

import pytest
import torch
from warp_worlds import batch_sim, drop, everywhere, warp_sim

from envs.hand.options import ReorientOptions
from envs.hand.reorient import scene as hand
from envs.locomotion import models
from envs.sim.batch import BatchSim
from envs.sim.model import Scene
from envs.sim.warp import WarpSim


def both(num_worlds: int, heights: torch.Tensor) -> tuple[BatchSim, WarpSim]:
    sims = batch_sim(num_worlds), warp_sim(num_worlds)
    for sim in sims:
        drop(sim, heights)
    return sims


def test_the_same_controls_give_the_same_ten_steps() -> None:
    cpu, gpu = both(8, torch.linspace(0.05, 0.35, 8))  # in the floor, on it, above it
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        control = torch.rand(8, 1, generator=generator) * 2 - 1
        for sim in (cpu, gpu):
            sim.views["ctrl"].copy_(control)
            sim.step(1)
        for name, view in cpu.views.items():
            assert view.shape == gpu.views[name].shape, name
            assert torch.allclose(view.float(), gpu.views[name], rtol=1e-3, atol=1e-3), name
    error = (cpu.views["qpos"].float() - gpu.views["qpos"]).abs()
    assert error.max() < 1e-4 and error.median() < 1e-6
    assert cpu.views["qvel"][0, 3] > 0.1  # the floor has thrown the first ball out


def test_many_bounces_have_the_same_statistics() -> None:
    generator = torch.Generator().manual_seed(1)
    cpu, gpu = both(128, torch.rand(128, generator=generator) * 0.5 + 0.1)
    figures = []
    for sim in (cpu, gpu):
        for _ in range(3):
            sim.step(20)
        height, speed = sim.views["qpos"][:, 3].double(), sim.views["qvel"].double().square().sum(-1)
        figures.append(torch.stack((height.mean(), height.std(), speed.mean(), speed.std())))
        assert not sim.unhealthy().any()
    assert torch.allclose(*figures, rtol=0.02), figures


def test_sizes_and_masses_of_each_world_agree() -> None:
    sims = batch_sim(4), warp_sim(4)
    scale = torch.tensor([1.0, 0.5, 1.5, 2.0])
    for sim in sims:
        sim.expand("geom_size")[:, -1, 0] *= scale  # the ball
        sim.expand("body_mass")[:, 2] *= scale**3
        sim.expand("body_inertia")[:, 2] *= (scale**5).unsqueeze(-1)
        sim.commit_model(everywhere(sim))
        drop(sim, 0.1 * scale + 0.01)
        for _ in range(15):
            sim.step(10)
    cpu, gpu = (sim.views["qpos"][:, 3].float() for sim in sims)
    assert torch.allclose(cpu, gpu, atol=1e-4)
    assert torch.allclose(gpu, 0.1 * scale, atol=5e-3)  # each ball rests on its own radius
    for field in ("geom_rbound", "body_subtreemass", "body_invweight0", "dof_invweight0"):
        ours, theirs = (sim.expand(field).float() for sim in sims)
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6), field


def test_sensors_after_a_reset_agree() -> None:
    cpu, gpu = both(3, torch.tensor([0.2, 0.4, 0.6]))
    first = torch.tensor([True, False, False])
    for sim in (cpu, gpu):
        sim.step(5)
        sim.reset(first)
        sim.views["qpos"][0, 0] = 0.7
        sim.views["qvel"][0, 0] = -2
        sim.forward(first)
    for name, view in cpu.views.items():
        assert torch.allclose(view.float(), gpu.views[name], atol=1e-4), name
    assert gpu.views["sensordata"][0, 0].item() == pytest.approx(0.7)


def play(sim: BatchSim | WarpSim, steps: int, substeps: int, keep: slice) -> torch.Tensor:
    """Coordinates after each step under random controls that are the same for every simulator, ``[T, W, nq]``."""
    generator = torch.Generator().manual_seed(2)
    low, high = sim.model.constant("actuator_ctrlrange").unbind(-1)
    sim.reset(everywhere(sim))
    shape = (sim.num_worlds, len(sim.model.constant("qpos0")[keep]))
    start = 0.1 * torch.rand(shape, generator=generator)
    sim.views["qpos"][:, keep] += start.to(sim.views["qpos"].dtype)
    sim.forward(everywhere(sim))
    path = []
    for _ in range(steps):
        sim.views["ctrl"].copy_(low + (high - low) * torch.rand(sim.num_worlds, len(low), generator=generator))
        sim.step(substeps)
        assert not sim.unhealthy().any()
        path.append(sim.views["qpos"].double().clone())
    return torch.stack(path)


@pytest.mark.slow  # compiles for each model
@pytest.mark.parametrize(
    ("scene", "substeps", "keep"),
    [(models.cheetah(), 5, slice(1, None)), (hand(ReorientOptions()), 4, slice(0, 16))],
    ids=["cheetah", "hand with cube"],
)
def test_tasks_play_alike(scene: Scene, substeps: int, keep: slice) -> None:
    cpu, gpu = (make(64, scene, ("qpos",)) for make in (batch_sim, warp_sim))
    tight = [play(sim, 10, 1, keep) for sim in (cpu, gpu)]
    assert (tight[0] - tight[1]).abs().median() < 1e-5 and (tight[0] - tight[1]).abs().quantile(0.95) < 1e-3
    long = [play(sim, 30, substeps, keep) for sim in (cpu, gpu)]
    spread = long[0][-1].std(0).mean()
    for moment in (torch.Tensor.mean, torch.Tensor.std):
        ours, theirs = (moment(path[-1], 0) for path in long)
        assert (ours - theirs).abs().mean() < 0.2 * spread, moment
