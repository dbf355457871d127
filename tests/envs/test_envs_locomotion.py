"""The locomotion tasks against hand-stepped worlds; ``test_envs_contract.py`` plays them too."""

import dataclasses

import numpy as np
import pytest
import torch
from locomotion_reference import (
    AntReference,
    CheetahDirReference,
    CheetahVelReference,
    RadiansAntReference,
    WalkerReference,
)
from pydantic import TypeAdapter, ValidationError
from trial_play import build

from envs import registry
from envs.locomotion.options import AntDirOptions, CheetahDirOptions, CheetahVelOptions, WalkerParamsOptions
from envs.streams import Streams
from envs.trials import MetaEnv

IDS = ("cheetah_dir", "cheetah_vel", "ant_dir", "walker_params")
SMALL = {
    "cheetah_dir": CheetahDirOptions(steps=12),
    "cheetah_vel": CheetahVelOptions(steps=12, episodes=2),
    "ant_dir": AntDirOptions(steps=14),
    "walker_params": WalkerParamsOptions(steps=8),
}


def play_beside(env, reference, copies, steps, actions):
    """Step the environment and a reference per copy side by side, from one start state to the next.

    Returns how many episodes ended before their horizon and how many by it.
    """
    env.reset()
    views = env.unwrapped.sim.views
    worlds = [reference() for _ in range(copies)]
    horizon, flagged = env.unwrapped.max_episode_steps, env.episodes_per_trial > 1
    ages, fell, timed_out = np.zeros(copies, dtype=int), 0, 0

    def start(copy):
        worlds[copy].start(views["qpos"][copy].numpy(), views["qvel"][copy].numpy(), env.task[0, copy].numpy())
        ages[copy] = 0

    for copy in range(copies):
        start(copy)
    for step in range(steps):
        _, reward, terminated, _, info = env.step(actions[step].unsqueeze(0))
        for copy, world in enumerate(worlds):
            observation, wanted, over = world.step(actions[step, copy].numpy())
            ages[copy] += 1
            final = info["final_obs"][0, copy].numpy()
            shown = final[:-1] if flagged else final
            ended = final[-1] == 1 if flagged else bool(terminated[0, copy])
            assert np.abs(shown - observation).max() < 2e-4, (step, copy)
            assert reward[0, copy].item() == pytest.approx(wanted, abs=3e-4), (step, copy)
            assert ended == (over or ages[copy] == horizon), (step, copy)
            if ended:
                fell, timed_out = fell + over, timed_out + (not over)
                start(copy)
    return fell, timed_out


CASES = {
    "cheetah_dir": ("cheetah_dir", CheetahDirOptions(steps=17), CheetahDirReference, 1.0),
    "cheetah_vel": ("cheetah_vel", CheetahVelOptions(steps=17), CheetahVelReference, 1.0),
    "cheetah_dir, unbounded": ("cheetah_dir", CheetahDirOptions(steps=40, actions="unbounded"), CheetahDirReference, 3),
    "ant_dir": ("ant_dir", AntDirOptions(steps=70), AntReference, 1.0),
    "ant_dir, radians": ("ant_dir", AntDirOptions(steps=70, angle="radians"), RadiansAntReference, 1.0),
    "walker_params": ("walker_params", WalkerParamsOptions(steps=11), WalkerReference, 1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_observations_rewards_and_ends_are_those_of_worlds_stepped_by_hand(case):
    name, options, reference, largest = CASES[case]
    env = build(f"locomotion/{name}", 4, options, seeds=(3,))
    steps = 80 if name == "ant_dir" else 30
    actions = (Streams([1], "actions").uniform(steps, 4, env.action_space.shape[0])[0] * 2 - 1) * largest
    if name == "ant_dir":
        actions[:, :2], actions[:, 2:] = 0.3 * actions[:, :2], actions[:, 2:].sign()  # two walk, two jump too high
    fell, timed_out = play_beside(env, reference, 4, steps, actions)
    assert (fell > 0) == (name in ("ant_dir", "walker_params"))
    assert (timed_out > 0) == (options.steps < steps)


def test_the_ants_contacts_have_the_margin_of_one_geom():
    env = build("locomotion/ant_dir", 1, seeds=(0,))
    env.reset()
    margins = set()
    for _ in range(20):
        env.step(torch.zeros(1, 1, 8))
        margins |= set(env.unwrapped.sim.world(0)[1].contact.includemargin.round(9))
    assert margins == {0.01}


def test_the_contact_cost_is_not_zero():
    env = build("locomotion/ant_dir", 1, seeds=(0,))
    env.reset()
    costs = []
    for _ in range(40):
        env.step(torch.zeros(1, 1, 8))
        costs.append(env.unwrapped._state["cfrc_ext"].clamp(-1, 1).square().sum().item())
    assert sum(cost > 1 for cost in costs) > 10


def test_defaults_are_the_published_tasks():
    for name, size, actions, steps, published in (
        ("cheetah_dir", 20, 6, 200, {"steps": 200, "episodes": 1, "actions": "bounded"}),
        ("cheetah_vel", 20, 6, 200, {"steps": 200, "episodes": 1, "actions": "bounded", "max_speed": 3.0}),
        ("ant_dir", 27, 8, 200, {"steps": 200, "episodes": 1, "actions": "bounded", "angle": "direction"}),
        (
            "walker_params",
            17 + 1,
            6,
            400,
            {"steps": 200, "episodes": 2, "actions": "bounded", "frame_skip": 4, "spread": 3.0},
        ),
    ):
        spec = registry.find(f"locomotion/{name}")
        assert dataclasses.asdict(spec.options()) == published
        assert (spec.facts(4, spec.options()).max_episode_steps, spec.task_parameters) == (steps, True)
        env = registry.make(spec.id, num_envs=2, seeds=[0])
        assert isinstance(env, MetaEnv)
        assert env.observation_space.shape == (size,)
        assert env.action_space.shape == (actions,)
        assert (env.max_episode_steps, env.episodes_per_trial) == (steps, published["episodes"])
        assert env.unwrapped.step_seconds == pytest.approx(0.016 if name == "walker_params" else 0.05)


def test_the_cheetah_weighs_14_kg_and_compiling_it_warns_of_nothing(capfd):
    env = build("locomotion/cheetah_dir", 1)
    assert env.unwrapped.sim.model.mj.body_mass.sum() == pytest.approx(14, abs=1e-9)
    assert "WARNING" not in "".join(capfd.readouterr())


def test_tasks_and_starts_are_spread_as_published():
    envs = {name: build(f"locomotion/{name}", 4000) for name in IDS}
    for env in envs.values():
        env.reset()
    for name in ("cheetah_dir", "ant_dir"):
        task = envs[name].task
        assert set(task.unique().tolist()) == {-1.0, 1.0}
        assert abs(task.mean().item()) < 5 / 4000**0.5
    speeds = envs["cheetah_vel"].task
    assert (speeds.min() >= 0) and (speeds.max() <= 3) and speeds.mean().item() == pytest.approx(1.5, abs=0.07)
    exponents = envs["walker_params"].task
    assert exponents.abs().max() <= 3 and exponents.std().item() == pytest.approx(3**0.5, abs=0.02)
    for name, low, normal in (("cheetah_dir", 0.1, True), ("ant_dir", 0.1, True), ("walker_params", 0.005, False)):
        sim = envs[name].unwrapped.sim
        noise = (sim.views["qpos"] - torch.from_numpy(sim.model.mj.qpos0))[:, :3]
        assert noise.abs().max() <= low + 1e-6 and noise.std().item() == pytest.approx(low / 3**0.5, rel=0.03), name
        assert sim.views["qvel"].std().item() == pytest.approx(0.1 if normal else low / 3**0.5, rel=0.03), name
    turns = envs["ant_dir"].unwrapped.sim.views["qpos"][:, 3:7]
    assert torch.allclose(turns.norm(dim=-1), torch.ones(4000, dtype=torch.float64), atol=1e-6)


def rewards_of(name, task, options=None, steps=6):
    """Rewards and last observation of the same play under a task."""
    env = build(f"locomotion/{name}", 2, options, seeds=(5,))
    env.reset({"task": torch.as_tensor(task)})
    actions = Streams([2], "actions").uniform(steps, 2, env.action_space.shape[0])[0] * 2 - 1
    played = [env.step(one.unsqueeze(0)) for one in actions]
    assert not any(step[2].any() for step in played)
    return torch.stack([step[1] for step in played]), played[-1][0]


def test_cheetahs_tasks_differ_in_reward_alone():
    forward, seen = rewards_of("cheetah_dir", [1.0])
    backward, also = rewards_of("cheetah_dir", [-1.0])
    assert torch.equal(seen, also)
    speed = (forward - backward) / 2
    assert speed.abs().max() > 0.1
    slow, _ = rewards_of("cheetah_vel", [0.5])
    fast, _ = rewards_of("cheetah_vel", [2.5])
    assert torch.allclose(slow - fast, (speed - 2.5).abs() - (speed - 0.5).abs(), atol=1e-4)


def test_directions_of_the_ant_are_opposite_or_one_radian_to_each_side():
    forward, _ = rewards_of("ant_dir", [1.0])
    backward, _ = rewards_of("ant_dir", [-1.0])
    left, _ = rewards_of("ant_dir", [1.0], AntDirOptions(angle="radians"))
    right, _ = rewards_of("ant_dir", [-1.0], AntDirOptions(angle="radians"))
    along = (forward - backward) / 2
    assert along.abs().max() > 0.05
    assert torch.allclose((left + right) / 2 - (forward + backward) / 2, along * np.cos(1.0), atol=1e-4)


def test_the_walkers_tasks_differ_in_dynamics():
    nominal, seen = rewards_of("walker_params", [0.0])
    heavy, other = rewards_of("walker_params", torch.cat((torch.full((8,), 2.0), torch.zeros(57))))
    assert (seen - other).abs().max() > 0.05
    assert not torch.allclose(nominal, heavy, atol=1e-3)


@pytest.mark.parametrize("name", IDS)
def test_a_task_lasts_for_its_trial(name):
    options = dataclasses.replace(SMALL[name], episodes=3)
    env = build(f"locomotion/{name}", 40, options, seeds=(1, 2))
    env.reset()
    task, trials = env.task, 0
    for _ in range(50):
        _, _, terminated, truncated, _ = env.step(torch.zeros(2, 40, env.action_space.shape[0]))
        assert torch.equal(env.task[~terminated], task[~terminated])
        assert not truncated.any()
        trials, task = trials + int(terminated.sum()), env.task
    assert trials >= 80
    assert len(task.flatten(0, 1).unique(dim=0)) == (2 if name.endswith("_dir") else 80)


def test_only_models_of_new_tasks_are_touched(monkeypatch):
    env = build("locomotion/walker_params", 3, WalkerParamsOptions(steps=4))
    sim, touched = env.unwrapped.sim, []
    commit = sim.commit_model
    monkeypatch.setattr(sim, "commit_model", lambda mask: (touched.append(mask.tolist()), commit(mask)))
    env.reset()
    for step in range(16):
        before = sim.expand("body_mass").clone()
        *_, terminated, _, _ = env.step(torch.zeros(1, 3, 6))
        assert terminated.all() == terminated.any() == (step % 8 == 7)
        assert torch.equal(sim.expand("body_mass"), before) != terminated.all()
        masses = torch.from_numpy(sim.model.mj.body_mass) * 1.5 ** env.task[0, :, :8].double()
        assert torch.allclose(sim.expand("body_mass"), masses, rtol=1e-6)
    assert touched == [[True] * 3] * 3


def test_a_broken_episode_counts_against_its_trial():
    env = build("locomotion/walker_params", 2, WalkerParamsOptions(steps=4))
    env.reset()
    env.unwrapped.sim.views["qvel"][1] = torch.nan
    observation, reward, terminated, _, _ = env.step(torch.zeros(1, 2, 6))
    assert observation.isfinite().all() and reward[0, 1] == 0
    assert observation[0, :, -1].tolist() == [0, 1] and not terminated.any()
    counted = torch.zeros(2)
    for _ in range(8):
        *_, terminated, _, info = env.step(torch.zeros(1, 2, 6))
        counted += info["final_info"]["unhealthy"][0] * terminated[0]
    assert counted.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("cheetah_dir", [0.5]),
        ("cheetah_vel", [3.5]),
        ("cheetah_vel", [-0.1]),
        ("ant_dir", [0.0]),
        ("walker_params", [3.5]),
        ("walker_params", [float("nan")]),
    ],
)
def test_tasks_outside_the_distribution_are_refused(name, task):
    with pytest.raises(ValueError, match="the task is"):
        build(f"locomotion/{name}", 2).reset({"task": torch.tensor(task)})


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (CheetahVelOptions, {"max_speed": 0.0}),
        (AntDirOptions, {"angle": "degrees"}),
        (WalkerParamsOptions, {"frame_skip": 0}),
        (CheetahDirOptions, {"actions": "clipped"}),
    ],
)
def test_options_without_a_task_are_refused(options, wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TypeAdapter(options).validate_python(wrong)


def test_unbounded_actions_cost_what_they_are_and_push_no_harder():
    bounded, unbounded = (
        build("locomotion/cheetah_dir", 1, CheetahDirOptions(actions=kind), seeds=(4,))
        for kind in ("bounded", "unbounded")
    )
    assert bounded.action_space.is_bounded() and not unbounded.action_space.is_bounded()
    bounded.reset(), unbounded.reset()
    seen, reward, *_ = bounded.step(torch.ones(1, 1, 6))
    also, less, *_ = unbounded.step(torch.full((1, 1, 6), 3.0))
    assert torch.equal(seen, also)
    assert (reward - less).item() == pytest.approx(0.05 * 6 * (9 - 1), abs=1e-5)
