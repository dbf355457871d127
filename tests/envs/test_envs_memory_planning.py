"""Planning Game: moves by hand, uniform tasks, and what known players earn."""

import pytest
import torch
from trial_play import build, play_trial

from envs.memory.options import PlanningOptions
from envs.memory.planning_game import COLLECT, DOWN, LEFT, RIGHT, UP, torus
from envs.testing import check_vector_env

N = 2000
SIDE = 3


def place(env):
    """Place and goal of the first copy, from the state."""
    state = env.state_dict()["env"]["state"]
    return divmod(int(state["at"][0, 0]), 9)


def test_the_torus_by_hand():
    # places 3 x + y: 2 5 8 is the top row, 0 3 6 the bottom row
    wanted = {0: {UP: 1, DOWN: 2, LEFT: 6, RIGHT: 3, COLLECT: 0}, 8: {UP: 6, DOWN: 7, LEFT: 5, RIGHT: 2, COLLECT: 8}}
    for start, moves in wanted.items():
        for action, end in moves.items():
            assert torus(SIDE)[start, action] == end


def test_planning_by_hand():
    env = build("memory/planning_game", 1, seeds=(4,))
    labels = [3, 1, 4, 0, 5, 8, 2, 6, 7]
    observation, _ = env.reset({"task": torch.tensor(labels)})
    assert env.task[0, 0].tolist() == labels
    collected = 0
    generator = torch.Generator().manual_seed(0)
    for _ in range(99):
        here, goal = place(env)
        one_hot = [0] * 18
        one_hot[labels[here]] = one_hot[9 + labels[goal]] = 1
        assert observation[0, 0].tolist() == one_hot
        action = COLLECT if here == goal else int(torch.randint(0, 5, (1,), generator=generator))
        observation, reward, terminated, _, _ = env.step(torch.tensor([[action]]))
        after, next_goal = place(env)
        assert after == int(torus(SIDE)[here, action])
        assert reward.item() == (here == goal)
        assert (next_goal != goal) == (here == goal)
        assert not terminated
        collected += here == goal
    assert collected > 3
    assert env.step(torch.tensor([[LEFT]]))[2].item()


def test_collect_elsewhere_pays_nothing():
    env = build("memory/planning_game", 300)
    observation, _ = env.reset()
    after, reward, _, _, _ = env.step(torch.full((1, 300), COLLECT))
    assert not reward.any()  # nobody starts on the goal
    assert torch.equal(after, observation)


def test_the_blind_game_shows_the_goal_only_under_the_agent():
    env, seeing = (build(f"memory/planning_game{blind}", 300) for blind in ("_blind", ""))
    assert not env.reset()[0].any()
    seeing.reset()
    generator = torch.Generator().manual_seed(0)
    shown = 0
    for _ in range(40):
        actions = torch.randint(0, 5, (1, 300), generator=generator)
        observation, reward, _, _, _ = env.step(actions)
        twin, wanted, _, _, _ = seeing.step(actions)
        assert torch.equal(observation[..., 0] == 1, (twin[..., :9] == twin[..., 9:]).all(-1))
        assert torch.equal(reward, wanted)
        shown += observation.sum()
    assert shown > 300


def check_uniform(values, size):
    """No count of ``size`` equally likely values is further than 5 standard deviations from its mean."""
    counts = torch.bincount(values.flatten().long(), minlength=size)
    assert len(counts) == size
    expected = values.numel() / size
    assert (counts - expected).abs().max() < 5 * expected**0.5


def test_labels_starts_and_goals_are_uniform():
    env = build("memory/planning_game", 20000)
    env.reset()
    labels, state = env.task[0], env.state_dict()["env"]["state"]
    assert torch.equal(labels.sort(-1).values, torch.arange(9.0).expand(20000, 9))
    for position in range(9):
        check_uniform(labels[:, position], 9)
    for left, right in ((0, 1), (3, 8), (7, 2)):
        pair = torch.bincount((labels[:, left] * 9 + labels[:, right]).long(), minlength=81).view(9, 9)
        assert not pair.diagonal().any()
        assert (pair[~torch.eye(9, dtype=torch.bool)] - 20000 / 72).abs().max() < 5 * (20000 / 72) ** 0.5
    start, goal = state["at"][0] // 9, state["at"][0] % 9
    check_uniform(start, 9)
    check_uniform((goal - start) % 9 - 1, 8)
    assert torch.corrcoef(torch.stack((labels[:, 0], start.float())))[0, 1].abs() < 5 / 20000**0.5


def test_next_goals_are_uniform_over_the_other_places():
    env = build("memory/planning_game", 9000)
    env.reset()
    state = env.state_dict()
    goal = state["env"]["state"]["at"] % 9
    state["env"]["state"]["at"] = goal * 10
    env.load_state_dict(state)
    reward = env.step(torch.full((1, 9000), COLLECT))[1]
    assert reward.all()
    after = env.state_dict()["env"]["state"]["at"]
    assert torch.equal(after // 9, goal)
    check_uniform((after % 9 - goal) % 9 - 1, 8)


def test_labels_stay_for_a_trial_of_several_episodes():
    env = build("memory/planning_game", 50, PlanningOptions(steps=5, episodes=3))
    env.reset()
    first = env.task
    for step in range(1, 16):
        observation, _, terminated, _, info = env.step(torch.full((1, 50), RIGHT))
        assert terminated.all() == terminated.any() == (step == 15)
        assert (info["final_obs"][..., -1] == (step % 5 == 0)).all()
        assert torch.equal(env.task, first) == (step < 15)
    assert (observation[..., -1] == 0).all()
    assert env.trial_steps == 15


def towards(start, target):
    """First action of a shortest way on the torus; ``[...]`` places, COLLECT where nothing is left to do."""
    dx, dy = (target // SIDE - start // SIDE) % SIDE, (target % SIDE - start % SIDE) % SIDE
    along = torch.where(dx == 1, RIGHT, LEFT)
    across = torch.where(dy == 1, UP, DOWN)
    return torch.where(dx != 0, along, torch.where(dy != 0, across, COLLECT))


def distances():
    """Moves between any two places, ``[9, 9]``."""
    places = torch.arange(SIDE**2)
    dx = (places[:, None] // SIDE - places // SIDE) % SIDE
    dy = (places[:, None] % SIDE - places % SIDE) % SIDE
    return dx.clamp(max=1) + dy.clamp(max=1)


def labels_seen(observation):
    return observation[..., :9].argmax(-1), observation[..., 9:18].argmax(-1)


class KnowsTheMap:
    def __init__(self, env):
        self.env = env

    def __call__(self, observation, reward):
        where = self.env.task.argsort(-1)  # place of each label
        here, goal = (where.gather(-1, label.unsqueeze(-1)).squeeze(-1) for label in labels_seen(observation))
        return towards(here, goal)


class LearnsTheMap:
    """Counts its own moves; walks to the nearest place never visited until it has seen the goal's label."""

    def __init__(self):
        self.here = None

    def __call__(self, observation, reward):
        label, goal = labels_seen(observation)
        if self.here is None:
            self.here = torch.zeros_like(label)  # the start is its origin
            self.where = torch.full((*label.shape, 9), -1)
            self.visited = torch.zeros(*label.shape, 9, dtype=torch.bool)
        self.where.scatter_(-1, label.unsqueeze(-1), self.here.unsqueeze(-1))
        self.visited.scatter_(-1, self.here.unsqueeze(-1), True)
        known = self.where.gather(-1, goal.unsqueeze(-1)).squeeze(-1)
        nearest = (distances()[self.here] + 100 * self.visited).argmin(-1)
        action = towards(self.here, torch.where(known >= 0, known, nearest))
        self.here = torus(SIDE).take(self.here * 5 + action)
        return action


def random_player(num_actions):
    generator = torch.Generator().manual_seed(0)
    return lambda observation, reward: torch.randint(0, num_actions, reward.shape, generator=generator)


def test_players_of_the_planning_game():
    env = build("memory/planning_game", N)
    chance, oracle, learner = (
        play_trial(env, player)["return"].mean().item()
        for player in (random_player(5), KnowsTheMap(env), LearnsTheMap())
    )
    assert chance == pytest.approx(1.75, abs=0.17)
    assert oracle == pytest.approx(39.7, abs=0.2)
    assert learner == pytest.approx(38.0, abs=0.25)


class Sweep:
    """Right, right, up, again and again: every place once in nine moves; collects on the way."""

    def __init__(self):
        self.moves = None

    def __call__(self, observation, reward):
        if self.moves is None:
            self.moves = torch.zeros_like(reward, dtype=torch.int64)
        on_goal = observation[..., 0] > 0
        move = torch.tensor([RIGHT, RIGHT, UP])[self.moves % 3]
        self.moves += ~on_goal
        return torch.where(on_goal, COLLECT, move)


def test_players_of_the_blind_planning_game():
    env, chance = build("memory/planning_game_blind", N), random_player(4)
    reactive = play_trial(env, lambda seen, paid: torch.where(seen[..., 0] > 0, COLLECT, chance(seen, paid)))
    assert reactive["return"].mean().item() == pytest.approx(10.0, abs=0.3)
    assert play_trial(env, Sweep())["return"].mean().item() == pytest.approx(17.8, abs=0.2)


@pytest.mark.parametrize("task", [torch.zeros(9), torch.arange(1, 10), torch.arange(9) + 0.5])
def test_labels_must_be_a_permutation(task):
    with pytest.raises(ValueError, match="a permutation of the labels 0 to 8"):
        build("memory/planning_game", 2).reset({"task": task})


@pytest.mark.parametrize(
    ("env_id", "options"),
    [
        ("memory/planning_game", PlanningOptions(steps=6, episodes=2)),
        ("memory/planning_game", PlanningOptions(size=4, steps=6)),
        ("memory/planning_game_blind", PlanningOptions(size=2, steps=6, episodes=3)),
    ],
)
def test_small_games_keep_the_contract(env_id, options):
    check_vector_env(
        lambda num_envs, seeds: build(env_id, num_envs, options, seeds),
        metrics=("first_episode_return", "last_episode_return"),
    )
