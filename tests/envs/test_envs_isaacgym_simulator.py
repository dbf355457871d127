"""The far side of ``isaacgym:`` on the stand-in of ``isaacgym_standin/``: Isaac Gym itself cannot be had here."""

import importlib
import json
import sys
import types
from pathlib import Path

import pytest
import torch

from envs.isaacgym import simulator as far_side

STANDIN = Path(__file__).parent / "isaacgym_standin"


@pytest.fixture
def build(monkeypatch):
    """``build(task, num_envs, overrides...)`` on the stand-in, in this process: torch is imported already."""
    monkeypatch.syspath_prepend(STANDIN)
    monkeypatch.setitem(sys.modules, "isaacgym", types.ModuleType("isaacgym"))

    def make(task, num_envs=4, *overrides, seed=0, states=False):
        subtask = "reorientation" if task == "AllegroKuka" else None
        return far_side.make(num_envs, seed, "cpu", task, subtask, overrides, states)

    yield make
    for name in [one for one in sys.modules if one.split(".")[0] in ("isaacgymenvs", "hydra")]:
        monkeypatch.delitem(sys.modules, name)


def follow(simulator, speed=1.0):
    """Actions that take the ball to its goal."""
    task = simulator._task
    return ((task.goal - task.place) * 10).clamp(-speed, speed)


def play(simulator, steps, policy=None):
    """Clones of what each step returned."""
    simulator.reset()
    zero = torch.zeros(simulator.num_envs, simulator.action_size)
    rows = []
    for _ in range(steps):
        returned = simulator.step(zero if policy is None else policy(simulator))
        rows.append({name: value.clone() for name, value in returned.items()})
    return rows


def test_sizes_are_the_task_s_and_arrays_torch_s(build):
    simulator = build("ShadowHand", 4, "task.env.episodeLength=6")
    sizes = (simulator.num_envs, simulator.observation_size, simulator.action_size, simulator.state_size)
    assert sizes == (4, 11, 3, 0)
    assert (simulator.device, simulator.arrays, simulator.exact_state) == ("cpu", "torch", False)
    assert simulator.max_episode_steps == 5  # progress runs from 1 to episodeLength - 1


def test_reset_returns_an_observation_of_running_episodes(build):
    simulator = build("ShadowHand")
    assert not simulator._task.reset()["obs"].any()  # the real one's: nothing was computed yet
    observation = simulator.reset()["obs"].clone()
    assert observation[:, :3].ne(0).any(1).all()
    assert torch.equal(observation[:, 10], torch.log(torch.full((4,), 1.1)))  # one step in
    assert not simulator._task.reset_buf.any()
    again = simulator.reset()["obs"]
    assert (again[:, :3] != observation[:, :3]).any(1).all()  # other episodes


def test_the_observation_returned_at_an_end_is_the_terminal_one_and_flagged(build):
    simulator = build("ShadowHand", 4, "task.env.episodeLength=6")
    simulator.reset()
    task, ended = simulator._task, 0
    for step in range(12):
        before = task.place.clone()
        returned = simulator.step(torch.full((4, 3), 0.5))
        done = returned["terminated"] | returned["truncated"]
        assert torch.equal(returned["stale_obs"], done)
        assert torch.equal(returned["obs"][:, :3], task.place)
        if done.any():
            ended += 1
            # It belongs to the episode that ended: one step on from where that was.
            torch.testing.assert_close(task.place, before + 0.05)
            assert step in (3, 8)  # 4 steps after reset's own, then 5
        elif step:
            moved = (task.place - before - 0.05).abs().amax(1) > 1e-6
            assert bool(moved.all()) == (step in (4, 9))  # the action after an end meets a fresh state
    assert ended == 2


def test_falls_terminate_and_time_truncates(build):
    simulator = build("AllegroKuka", 8, "task.env.episodeLength=12")
    down = torch.tensor([0.0, 0.0, -2.0]).repeat(8, 1)
    down[4:] = 0.0
    down[4:, 0] = 3.0  # far from every goal, and never down
    rows = play(simulator, 11, lambda _: down)
    terminated = torch.stack([row["terminated"] for row in rows])
    truncated = torch.stack([row["truncated"] for row in rows])
    assert not (terminated & truncated).any()
    assert terminated[:, :4].any(0).all()
    assert not terminated[:, 4:].any()
    assert truncated[:, 4:].any(0).all()


@pytest.mark.parametrize("task", ["AllegroKuka", "ShadowHand"])
def test_successes_at_an_end_are_those_of_the_episode_that_ends(build, task):
    simulator = build(task, 16, "task.env.episodeLength=9", "task.env.successTolerance=0.1")
    simulator.reset()
    gym = simulator._task
    counted, finished = gym.successes.clone(), torch.zeros(16, dtype=torch.bool)
    at_end, ends, late = torch.zeros(16), 0, 0
    for _ in range(60):
        returned = simulator.step(follow(simulator, 0.7))
        if task == "AllegroKuka":  # the number in extras is the last episode's, and changes one step after its end
            assert torch.equal(gym.extras["successes"][finished], at_end[finished])
        counted += (gym.reset_goal_buf != 0).float()
        finished = returned["stale_obs"].clone()
        assert torch.equal(returned["successes"][finished], counted[finished])
        late += int((gym.extras["successes"][finished] != counted[finished]).sum())
        ends += int(finished.sum())
        at_end, counted = counted.clone(), torch.where(finished, 0.0, counted)
    assert ends > 20
    assert (late > 5) == (task == "AllegroKuka")


def test_a_success_restarts_the_clock_where_successes_are_counted(build):
    simulator = build("AllegroKuka", 32, "task.env.episodeLength=8", "task.env.maxConsecutiveSuccesses=3")
    assert simulator.max_episode_steps == 3 * 7
    rows = play(simulator, 120, lambda one: follow(one, 1.0))
    length, longest, last = torch.zeros(32), 0, []
    for row in rows:
        length += 1
        done = row["stale_obs"]
        longest = max(longest, int(length[done].max()) if done.any() else 0)
        last += row["successes"][done & row["terminated"]].tolist()
        length[done] = 0
    assert 7 < longest <= simulator.max_episode_steps
    assert set(last) == {3.0}  # the last success allowed is an end of the task, not of its time


def test_an_episode_without_that_rule_is_never_longer_than_its_time(build):
    simulator = build("ShadowHand", 8, "task.env.episodeLength=8")
    rows = play(simulator, 40, follow)
    ends = torch.stack([row["stale_obs"] for row in rows])
    assert ends[5].all()  # with reset's own step: 7
    assert ends[12].all()
    assert sum(row["successes"].sum() for row in rows) > 0


def test_quaternions_stay_as_isaac_gym_orders_them(build):
    (row,) = play(build("ShadowHand"), 1)
    x, w = row["obs"][:, 3], row["obs"][:, 6]
    torch.testing.assert_close(x**2 + w**2, torch.ones(4))
    assert (w > 0.8).all()  # small angles about x: (x, 0, 0, w)


def test_privileged_states_where_they_are_asked_for(build):
    simulator = build("ShadowHand", states=True)
    assert simulator.state_size == 13
    first = simulator.reset()
    assert first["state"].shape == (4, 13)
    assert torch.equal(simulator.step(torch.zeros(4, 3))["state"][:, :11], simulator._task.obs_buf)
    assert "state" not in build("ShadowHand").reset()
    with pytest.raises(KeyError, match="asymmetric_observations"):
        build("AllegroKuka", states=True)


def test_the_task_learns_how_far_training_has_come(build):
    simulator = build("AllegroKuka")
    play(simulator, 5)
    assert simulator._task.total_train_env_frames == 4 * 4  # before the fifth step
    assert simulator.state_dict()["frames"] == 5 * 4


def test_a_curriculum_is_reported_saved_and_restored(build):
    narrow = ("task.env.toleranceCurriculumInterval=20", "task.env.episodeLength=50")
    first = build("AllegroKuka", 16, *narrow, "task.env.maxConsecutiveSuccesses=4")
    rows = play(first, 120, follow)
    tolerance = torch.stack([row["success_tolerance"] for row in rows])
    assert tolerance[0].tolist() == pytest.approx([0.075] * 16)
    assert tolerance[-1, 0] < 0.07
    assert (tolerance[1:] <= tolerance[:-1]).all()
    saved = first.state_dict()
    second = build("AllegroKuka", 16, *narrow, seed=1)
    second.load_state_dict(saved)
    assert second._task.success_tolerance == first._task.success_tolerance
    assert second._task.last_curriculum_update == first._task.last_curriculum_update
    assert second._task.reset_buf.all()
    last = first._task.prev_episode_successes
    assert last.mean() > 1
    second.reset()
    assert torch.equal(second._task.prev_episode_successes, last)  # what the next step of the curriculum averages
    assert json.loads(json.dumps(saved)) == saved  # nothing of the physics, nothing that aliases a buffer


def test_a_resumed_task_does_not_draw_the_same_numbers_again(build):
    first = build("ShadowHand")
    begun = first.reset()["obs"].clone()
    play(first, 3)
    saved = first.state_dict()
    again = build("ShadowHand").reset()["obs"].clone()
    assert torch.equal(again, begun)
    resumed = build("ShadowHand")
    resumed.load_state_dict(saved)
    assert not torch.equal(resumed.reset()["obs"], begun)


def test_a_held_tolerance_stays_whatever_the_task_does(build):
    simulator = build("AllegroKuka", 16, "task.env.toleranceCurriculumInterval=5", "task.env.maxConsecutiveSuccesses=4")
    assert simulator.curriculum() == {"success_tolerance": 0.075}
    simulator.hold({"success_tolerance": 0.05})
    rows = play(simulator, 80, follow)
    assert torch.stack([row["success_tolerance"] for row in rows]).amax() == pytest.approx(0.05)
    assert simulator._task.success_tolerance >= 0.05 * 0.9  # at most the step just taken
    assert simulator._task.frame_since_restart > 80
    assert build("ShadowHand").curriculum() == {}


def test_overrides_reach_the_task_and_wrong_ones_are_refused(build):
    assert build("AllegroKuka", 2, "task.env.episodeLength=77")._task.max_episode_length == 77
    assert build("AllegroKuka", 2)._task.max_episode_length == 600
    with pytest.raises(KeyError, match="episodeLenght"):
        build("AllegroKuka", 2, "task.env.episodeLenght=77")


def test_the_same_seed_plays_the_same_episodes(build):
    one, same, other = (play(build("ShadowHand", 3, seed=seed), 4)[-1]["obs"] for seed in (5, 5, 6))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_isaac_gym_is_imported_first_and_nothing_of_ours_stands_in_its_way(build):
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "isaacgym")
        with pytest.raises(ImportError, match="imported before isaacgym"):  # torch is here already
            build("ShadowHand")
    folder = str(Path(far_side.__file__).parent)
    sys.path.insert(0, folder)
    importlib.reload(far_side)
    assert folder not in sys.path
