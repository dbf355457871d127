"""Every simulated task runs on the GPU's back-end as on the CPU's: same starts, same first steps, no overflow."""

import pytest
import torch
from warp_worlds import on_device

import envs.sim.env
from envs import registry
from envs.testing import play, random_actions

TASKS = sorted(name for name in registry.specs() if name.startswith(("hand/", "arm_hand/", "locomotion/")))


@pytest.mark.slow  # compiles for each model
@pytest.mark.parametrize("task", TASKS)
def test_a_task_starts_and_steps_alike(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    played = []
    for make in (envs.sim.env.make_sim, on_device):
        monkeypatch.setattr(envs.sim.env, "make_sim", make)
        env = registry.make(task, num_envs=8, seeds=[0, 1])
        first, steps = play(env, random_actions(env, 12))
        played.append((first, [step[0] for step in steps]))
        assert not any(step[4]["final_info"]["unhealthy"].any() for step in steps)
        env.close()
    (one, ours), (other, theirs) = played
    for name in one if isinstance(one, dict) else ("",):
        start, same = (view[name] if name else view for view in (one, other))
        assert torch.allclose(start, same, atol=1e-4), name
        for before, after in zip(ours[:3], theirs[:3], strict=True):
            error = ((before[name] - after[name]) if name else before - after).abs()
            assert error.median() < 1e-4 and error.quantile(0.95) < 0.05, name
