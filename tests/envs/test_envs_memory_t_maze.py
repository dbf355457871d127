"""T-Mazes: every number of a short corridor by hand, and what known players earn in the published one."""

import pytest
import torch
from trial_play import build, play_trial, script

from envs.memory.options import TMazeOptions
from envs.memory.t_maze import DOWN, LEFT, RIGHT, UP
from envs.memory.t_maze_checks import CHECK
from envs.testing import check_vector_env

N = 4000
MAZES = ["memory/t_maze", "memory/t_maze_agreement", "memory/t_maze_latent", "memory/t_maze_checks"]


def without_bit(observations):
    return [[value for index, value in enumerate(observation) if index != 3] for observation in observations]


def test_a_corridor_of_four_cells_by_hand():
    env = build("memory/t_maze", 1, TMazeOptions(length=4, episodes=2))
    observations, rewards, finals, ends = script(env, [-1.0], [UP, LEFT, DOWN, RIGHT, UP, UP, UP, UP])
    # start, cue, end, flag; the bit between end and flag is left out
    start, cue, middle, end = [1, 0, 0], [0, -1, 0], [0, 0, 0], [0, 0, 1]
    again = [*start, 1]
    passed = [[*cell, 0] for cell in (start, cue, middle, end)]
    assert without_bit(observations[:-1]) == [*passed, again, *passed[1:]]
    assert without_bit(observations[-1:]) == [[*start, 0]]
    assert rewards == [0, 0, 0, 4, 0, 0, 0, -3]
    assert ends == [False] * 7 + [True]
    assert without_bit(finals) == [*passed[1:], again, *passed[1:], [*end, 1]]
    assert all(abs(observation[3]) == 1 for observation in observations + finals)


@pytest.mark.parametrize(("action", "up"), [(LEFT, True), (UP, True), (RIGHT, False), (DOWN, False)])
@pytest.mark.parametrize(
    ("env_id", "task", "correct_up"),
    [
        ("memory/t_maze", [1.0], True),
        ("memory/t_maze", [-1.0], False),
        ("memory/t_maze_latent", [1.0], True),
        ("memory/t_maze_latent", [-1.0], False),
        ("memory/t_maze_agreement", [1.0, 1.0], False),
        ("memory/t_maze_agreement", [-1.0, -1.0], False),
        ("memory/t_maze_agreement", [1.0, -1.0], True),
        ("memory/t_maze_agreement", [-1.0, 1.0], True),
    ],
)
def test_the_decision(env_id, task, correct_up, action, up):
    env = build(env_id, 1, TMazeOptions(length=4, episodes=1))
    rewards, ends = script(env, task, [RIGHT, RIGHT, RIGHT, action])[1::2]
    assert rewards == [0, 0, 0, 4 if up == correct_up else -3]
    assert ends == [False] * 3 + [True]


def test_agreement_shows_its_cues_in_cell_one_and_in_the_middle():
    env = build("memory/t_maze_agreement", 1, TMazeOptions(length=6, episodes=1))
    observations = script(env, [-1.0, 1.0], [RIGHT] * 5)[0]
    assert [observation[1] for observation in observations] == [0, -1, 0, 1, 0, 0]
    published = build("memory/t_maze_agreement", 1)
    observations = script(published, [1.0, -1.0], [RIGHT] * 99)[0]
    assert {cell: observation[1] for cell, observation in enumerate(observations) if observation[1]} == {1: 1, 50: -1}


def test_latent_shows_no_cue():
    env = build("memory/t_maze_latent", 300, TMazeOptions(length=10, episodes=1))
    env.reset()
    for _ in range(9):
        assert not env.step(torch.zeros(1, 300, dtype=torch.int64))[0][..., 1].any()


def bits(env_id, task=None):
    """All bits shown in 40 steps of 2000 copies, the first ones included."""
    env = build(env_id, 2000, TMazeOptions(length=5, episodes=2))
    shown = [env.reset(None if task is None else {"task": torch.tensor(task)})[0][..., 3]]
    while len(shown) < 9:
        shown.append(env.step(torch.zeros(1, 2000, dtype=torch.int64))[4]["final_obs"][..., 3])
    return torch.stack(shown)


@pytest.mark.parametrize(
    ("env_id", "task", "share"),
    [
        ("memory/t_maze", None, 0.5),
        ("memory/t_maze_agreement", None, 0.5),
        ("memory/t_maze_checks", None, 0.5),
        ("memory/t_maze_latent", [1.0], 0.7),
        ("memory/t_maze_latent", [-1.0], 0.5),
    ],
)
def test_bits_are_independent(env_id, task, share):
    shown = bits(env_id, task)[:, 0]
    ones = (shown > 0).double()
    assert ones.mean().item() == pytest.approx(share, abs=5 * 0.5 / 18000**0.5)
    # neither the step before nor the copy beside tells anything
    for left, right in ((ones[1:], ones[:-1]), (ones[:, 1:], ones[:, :-1])):
        covariance = ((left - share) * (right - share)).mean().item()
        assert covariance == pytest.approx(0, abs=5 * 0.25 / 16000**0.5)


@pytest.mark.parametrize("env_id", MAZES)
def test_tasks_are_equally_likely(env_id):
    env = build(env_id, N, TMazeOptions(length=4))
    env.reset()
    tasks, counts = env.task[0].unique(dim=0, return_counts=True)
    assert len(tasks) == 2**env.task_size
    expected = N / len(tasks)
    assert (counts - expected).abs().max() < 5 * expected**0.5


class Player:
    """Decides at the end by what ``remember`` kept; UP as long as it knows nothing."""

    def __init__(self):
        self.up, self.steps = None, 0

    def __call__(self, observation, reward):
        if self.up is None:
            self.up = torch.ones_like(reward, dtype=torch.bool)
        self.remember(observation, reward)
        self.steps += 1
        return torch.where(self.up, UP, DOWN)

    def remember(self, observation, reward):
        pass


class Cue(Player):
    def remember(self, observation, reward):
        self.up = torch.where(observation[..., 1] != 0, observation[..., 1] > 0, self.up)


class LastReward(Player):
    def remember(self, observation, reward):
        self.up = self.up ^ (reward < 0)


class BothCues(Player):
    """Counts cues: the first one is kept, the second one compared with it."""

    def remember(self, observation, reward):
        cue, cell = observation[..., 1], self.steps % 100
        if cell == 1:
            self.first = cue.clone()
        if cell == 50:
            self.up = self.first != cue


class Bayes(Player):
    """UP when the first 100 bits are likelier with 0.7 than with 0.5; what was paid then settles it."""

    def remember(self, observation, reward):
        if self.steps == 0:
            self.ones = torch.zeros_like(reward)
        if self.steps < 100:
            self.ones += observation[..., 3] > 0
            threshold = 100 * torch.tensor(0.5 / 0.3).log() / torch.tensor(0.7 / 0.3).log()  # 60.3
            self.up = self.ones > threshold
        self.up = self.up ^ (reward < 0)


def test_who_remembers_the_cue_is_perfect():
    played = play_trial(build("memory/t_maze", N), Cue())
    assert (played["return"] == 16).all()
    assert (played["length"] == 400).all()
    assert (played["metrics"]["first_episode_return"] == 4).all()


def test_who_remembers_both_cues_is_perfect():
    assert (play_trial(build("memory/t_maze_agreement", N), BothCues())["return"] == 16).all()


def test_one_cue_of_two_says_nothing():
    played = play_trial(build("memory/t_maze_agreement", N), Cue())["return"]
    assert played.mean().item() == pytest.approx(2.0, abs=5 * 14 / N**0.5)
    assert set(played.unique().tolist()) == {-12.0, 16.0}  # the second cue decides all episodes alike


@pytest.mark.parametrize("env_id", MAZES[:3])
def test_players_that_see_nothing(env_id):
    env = build(env_id, N)
    blind, last = (play_trial(env, player)["return"] for player in (Player(), LastReward()))
    # all right or all wrong: 2 +- 14; the first decision is a guess, the others are right: 12.5 +- 3.5
    assert set(blind.unique().tolist()) == {-12.0, 16.0}
    assert blind.mean().item() == pytest.approx(2.0, abs=5 * 14 / N**0.5)
    assert set(last.unique().tolist()) == {9.0, 16.0}
    assert last.mean().item() == pytest.approx(12.5, abs=5 * 3.5 / N**0.5)


def test_the_bits_of_the_latent_maze_tell_the_task():
    played = play_trial(build("memory/t_maze_latent", N), Bayes())
    wrong = (played["metrics"]["first_episode_return"] < 0).float().mean().item()
    assert wrong == pytest.approx(0.0195, abs=0.011)  # 5 standard errors
    assert played["return"].mean().item() == pytest.approx(16 - 7 * 0.0195, abs=0.08)


def test_checks_by_hand():
    env = build("memory/t_maze_checks", 1, TMazeOptions(length=4, episodes=1))
    observation, _ = env.reset({"task": torch.tensor([1.0])})
    cue, middle, end = [0, 1, 0], [0, 0, 0], [0, 0, 1]
    plan = [("right", cue, CHECK), ("wrong", cue, 0), ("none", cue, 0), ("right", middle, CHECK), ("right", end, CHECK)]
    for kind, cell, paid in plan:
        right, wrong = (UP, DOWN) if observation[0, 0, 3] > 0 else (DOWN, UP)
        action = {"right": right, "wrong": wrong, "none": RIGHT}[kind]
        observation, reward, terminated, _, _ = env.step(torch.tensor([[action]]))
        assert observation[0, 0, :3].tolist() == cell
        assert reward.item() == pytest.approx(paid)
        assert not terminated


def test_checks_end_only_by_a_decision_or_in_time():
    env = build("memory/t_maze_checks", 1, TMazeOptions(length=4, episodes=1))
    observation, _ = env.reset({"task": torch.tensor([-1.0])})
    for _ in range(3):
        observation = env.step(torch.where(observation[..., 3] > 0, UP, DOWN))[0]
    for action in (LEFT, RIGHT):
        _, reward, terminated, _, info = env.step(torch.tensor([[action]]))
        assert (reward, terminated, info["final_obs"][0, 0, 2]) == (0, False, 1)
    _, reward, terminated, _, _ = env.step(torch.tensor([[DOWN]]))
    assert (reward, terminated) == (4, True)  # the sixth and last step of an episode
    ends = [env.step(torch.tensor([[LEFT]]))[2].item() for _ in range(12)]
    assert ends == ([False] * 5 + [True]) * 2


class Checked(Cue):
    """Answers every check, and decides by the cue or, forgetful, always by UP."""

    def __init__(self, forgetful):
        super().__init__()
        self.forgetful = forgetful

    def __call__(self, observation, reward):
        decision = super().__call__(observation, reward)
        decision = torch.full_like(decision, UP) if self.forgetful else decision
        return torch.where(observation[..., 2] > 0, decision, torch.where(observation[..., 3] > 0, UP, DOWN))


def test_players_of_the_checks():
    env = build("memory/t_maze_checks", N)
    perfect = play_trial(env, Checked(forgetful=False))
    assert perfect["return"].min().item() == pytest.approx(4 * (99 * CHECK + 4), abs=1e-3)
    assert (perfect["length"] == 400).all()
    forgetful = play_trial(env, Checked(forgetful=True))["return"]
    assert forgetful.mean().item() == pytest.approx(4 * (99 * CHECK + 0.5), abs=5 * 14 / N**0.5)


@pytest.mark.parametrize("env_id", MAZES)
@pytest.mark.parametrize("options", [TMazeOptions(length=4, episodes=3), TMazeOptions(length=7, episodes=1)])
def test_small_mazes_keep_the_contract(env_id, options):
    check_vector_env(
        lambda num_envs, seeds: build(env_id, num_envs, options, seeds),
        metrics=("first_episode_return", "last_episode_return"),
    )


@pytest.mark.parametrize("env_id", MAZES)
def test_a_task_of_other_numbers_is_refused(env_id):
    with pytest.raises(ValueError, match=r"made of \+1 and -1"):
        build(env_id, 2).reset({"task": torch.tensor(0.5)})


def test_trial_steps():
    assert build("memory/t_maze", 1).trial_steps == 400
    assert build("memory/t_maze", 1, TMazeOptions(length=12, episodes=3)).trial_steps == 36
    checks = build("memory/t_maze_checks", 1)
    assert (checks.trial_steps, checks.max_episode_steps) == (None, 600)
