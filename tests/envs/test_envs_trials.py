"""Trials of a toy task by hand: flags, boundaries, tasks that stay and tasks that change."""

import gymnasium
import numpy as np
import pytest
import torch
from trial_play import play_trial

from envs.control import CartPoleOptions
from envs.control.cartpole import CartPole
from envs.testing import check_vector_env
from envs.trials import MetaEnv, TaskEnv, Trials


class Stairs(TaskEnv):
    """Climb (action 1) or rest: the top is at step 2 or 3, which the task says; 4 steps at most; reward is the height.

    The start height is 0.5 or 0 at random, and only the whole part counts.
    """

    task_size = 1
    num_draws = 2

    def __init__(self, num_envs, seeds, limit=4):
        super().__init__(num_envs=num_envs, seeds=seeds, device="cpu", max_episode_steps=limit)
        self.observation_space = gymnasium.spaces.Box(0.0, 9.0, (1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)

    def _draw_task(self, numbers):
        return torch.where(numbers[:, 0] < 0.5, 2.0, 3.0).unsqueeze(-1)

    def _check_task(self, task):
        if (task < 2).any():
            raise ValueError("stairs have two steps")

    def _begin(self, numbers, task):
        return {"height": 0.5 * (numbers[:, 1] < 0.5)}

    def _play(self, state, actions, numbers):
        height = state["height"] + actions
        return {"height": height}, height.floor(), height.floor() >= state["task"][..., 0]

    def _observe(self, state):
        return state["height"].unsqueeze(-1).clone()

    def _metrics(self, state, terminated):
        return {"top": terminated.float()}


def trials(boundary="next_start", episodes=2, num_envs=1, seeds=(0,)):
    return Trials(Stairs(num_envs, list(seeds)), episodes=episodes, boundary=boundary)


def climb(env, task, actions):
    """[observation, reward, terminated, final observation] of each step, start heights rounded off."""
    first, _ = env.reset({"task": torch.tensor([task])})
    steps = []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(torch.tensor([[action]]))
        assert not truncated.any()
        rounded = [observation[0, 0, 0].floor().item(), observation[0, 0, 1].item()]
        final = [info["final_obs"][0, 0, 0].floor().item(), info["final_obs"][0, 0, 1].item()]
        steps.append((rounded, reward.item(), terminated.item(), final))
    assert first[0, 0, 1] == 0
    return steps


def test_next_start_returns_the_first_observation_of_the_next_episode():
    assert climb(trials(), 2.0, [1, 1, 1, 1]) == [
        ([1, 0], 1, False, [1, 0]),
        ([0, 1], 2, False, [0, 1]),
        ([1, 0], 1, False, [1, 0]),
        ([0, 0], 2, True, [2, 1]),
    ]


def test_terminal_returns_the_observation_the_episode_ended_in():
    assert climb(trials("terminal"), 2.0, [1, 1, 1, 1]) == [
        ([1, 0], 1, False, [1, 0]),
        ([2, 1], 2, False, [2, 1]),
        ([1, 0], 1, False, [1, 0]),  # from the hidden start state, not from the top
        ([0, 0], 2, True, [2, 1]),
    ]


def test_a_time_limit_ends_an_inner_episode_and_the_last_one_the_trial():
    steps = climb(trials(), 3.0, [0] * 8)
    assert [step[0][1] for step in steps] == [0, 0, 0, 1, 0, 0, 0, 0]
    assert [step[2] for step in steps] == [False] * 7 + [True]
    assert steps[-1][3] == [0, 1]


def test_one_episode_needs_no_flag():
    env = trials(episodes=1)
    assert env.observation_space.shape == (1,)
    assert env.reset()[0].shape == (1, 1, 1)
    assert trials().observation_space.shape == (2,)


@pytest.mark.parametrize("boundary", ["next_start", "terminal"])
def test_first_and_last_episode_are_told_apart(boundary):
    env = trials(boundary, episodes=3, num_envs=2)
    env.reset({"task": torch.tensor([2.0])})
    # The first copy climbs at once, the second one rests for a step in every episode but its last.
    plan = {0: [1, 1] * 3, 1: [0, 1, 1, 0, 1, 1, 1, 1]}
    ends = {}
    for step in range(8):
        action = [[plan[copy][step] if step < len(plan[copy]) else 0 for copy in (0, 1)]]
        _, _, terminated, _, info = env.step(torch.tensor(action))
        for copy in terminated[0].nonzero().flatten().tolist():
            ends[copy] = step, {name: value[0, copy].item() for name, value in info["final_info"].items()}
    assert ends == {
        0: (5, {"first_episode_return": 3, "last_episode_return": 3, "top": 1}),
        1: (7, {"first_episode_return": 3, "last_episode_return": 3, "top": 1}),
    }
    env.reset({"task": torch.tensor([2.0])})
    for action in [0, 0, 0, 0, 0, 1, 1, 1]:
        _, _, terminated, _, info = env.step(torch.full((1, 2), action))
    assert not terminated.any()
    _, _, terminated, _, info = env.step(torch.full((1, 2), 1))
    assert terminated.all()
    assert info["final_info"]["first_episode_return"].tolist() == [[0, 0]]
    assert info["final_info"]["last_episode_return"].tolist() == [[3, 3]]


@pytest.mark.parametrize("episodes", [1, 3])
def test_a_task_lasts_a_trial_and_the_next_one_is_drawn_anew(episodes):
    env = trials(episodes=episodes, num_envs=400, seeds=(0, 1))
    env.reset()
    generator = torch.Generator().manual_seed(0)
    before, kept, changed, ended = env.task, True, 0, 0
    for _ in range(40):
        _, _, terminated, _, _ = env.step(torch.randint(0, 2, (2, 400), generator=generator))
        task = env.task
        kept &= torch.equal(task[~terminated], before[~terminated])
        changed, ended = changed + (task[terminated] != before[terminated]).sum().item(), ended + terminated.sum()
        before = task
    assert kept
    assert ended > 2000
    assert changed / ended == pytest.approx(0.5, abs=5 * 0.5 / ended.item() ** 0.5)  # two tasks, equally likely


def test_reset_fixes_the_tasks_of_the_first_trials_only():
    env = trials(num_envs=300)
    wanted = torch.arange(300).remainder(2).add(2).float().view(1, 300, 1)
    env.reset({"task": wanted})
    assert torch.equal(env.task, wanted)
    for _ in range(4):
        _, _, terminated, _, _ = env.step(torch.ones(1, 300, dtype=torch.int64))
    assert terminated[wanted[..., 0] == 2].all()
    again = env.task[0, terminated[0], 0]
    assert 0.3 < (again == 3).float().mean() < 0.7


def test_a_given_task_draws_the_same_numbers():
    free, fixed = trials(num_envs=5), trials(num_envs=5)
    first, _ = free.reset()
    assert torch.equal(first, fixed.reset({"task": free.task})[0])
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        actions = torch.randint(0, 2, (1, 5), generator=generator)
        for one, other in zip(free.step(actions)[:4], fixed.step(actions)[:4], strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"task": torch.zeros(3)}, r"the task has shape \(3,\), which does not broadcast to \(1, 2, 1\)"),
        ({"task": torch.ones(1)}, "stairs have two steps"),
        ({"tsk": torch.ones(1)}, "reset knows the option `task` only, got tsk"),
    ],
)
def test_reset_refuses(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        trials(num_envs=2).reset(options)


def test_an_environment_without_task_parameters_cannot_be_played_in_trials():
    env = CartPole(num_envs=1, seeds=[0], device="cpu", options=CartPoleOptions())
    with pytest.raises(ValueError, match="CartPole cannot be played in trials: it has no task parameters"):
        Trials(env, episodes=2, boundary="next_start")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [({"episodes": 0}, "a trial needs an episode"), ({"boundary": "middle"}, "boundary must be")],
)
def test_trials_refuse(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        trials(**settings)


def test_step_asks_for_reset():
    with pytest.raises(RuntimeError, match="step before reset"):
        trials().step(torch.zeros(1, 1, dtype=torch.int64))
    assert trials().task.isnan().all()


@pytest.mark.parametrize("boundary", ["next_start", "terminal"])
@pytest.mark.parametrize("episodes", [1, 2, 3])
def test_trials_keep_the_contract(boundary, episodes):
    check_vector_env(
        lambda num_envs, seeds: trials(boundary, episodes, num_envs, seeds),
        metrics=("first_episode_return", "last_episode_return", "top"),
        steps=40,
    )


def test_a_task_environment_is_a_vector_environment_of_its_own():
    check_vector_env(lambda num_envs, seeds: Stairs(num_envs, seeds), metrics=("top",), steps=40)


def test_trials_are_a_meta_environment():
    env = trials(episodes=3)
    assert isinstance(env, MetaEnv)
    assert (env.task_size, env.episodes_per_trial, env.max_episode_steps, env.trial_steps) == (1, 3, 12, None)


def test_the_length_of_a_trial_is_told_where_all_are_equal(monkeypatch):
    monkeypatch.setattr(Stairs, "fixed_length", True)
    assert trials(episodes=3).trial_steps == 12


def test_trials_continue_bit_for_bit_between_two_episodes():
    env, twin = trials(episodes=2, num_envs=3), trials(episodes=2, num_envs=3, seeds=(9,))
    env.reset()
    ones = torch.ones(1, 3, dtype=torch.int64)
    for _ in range(3):  # every copy is in its second episode, or about to enter it
        env.step(ones)
    twin.load_state_dict(env.state_dict())
    assert torch.equal(twin.task, env.task)
    for _ in range(12):
        one, other = env.step(ones), twin.step(ones)
        for left, right in zip(one[:4], other[:4], strict=True):
            assert torch.equal(left, right)
        for name, value in one[4]["final_info"].items():
            assert torch.equal(value, other[4]["final_info"][name])


def test_returns_add_up_over_the_episodes_of_a_trial():
    env = trials("terminal", episodes=3, num_envs=50)
    generator = torch.Generator().manual_seed(0)
    played = play_trial(env, lambda *_: torch.randint(0, 2, (1, 50), generator=generator))
    assert torch.equal(played["episodes"].sum(0), played["return"])
    assert torch.equal(played["episodes"][0], played["metrics"]["first_episode_return"])
    assert torch.equal(played["episodes"][-1], played["metrics"]["last_episode_return"])
