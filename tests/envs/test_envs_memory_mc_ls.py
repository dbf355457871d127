"""Symbolic MC-LS: the table of moves by hand, the statistics of its views, and what known players earn."""

import pytest
import torch
from trial_play import build, play_trial

from envs.memory import mc_views
from envs.memory.mc_ls import FORWARD, LEFT, RIGHT
from envs.memory.options import MCLSOptions
from envs.testing import check_vector_env

N = 1000
GREEN, RED = mc_views.signals()
VIEWS = torch.tensor(
    [
        GREEN,
        RED,
        mc_views.end(),
        *(view for name in ("entry", "fork", "left 1", "right 1") for view in mc_views.typed_cell(name)),
        *(mc_views.cell(name) for name in ("left 2", "right 2", "left 3", "right 3", "exit")),
    ]
)
NAMES = ["green", "red", "end"]
NAMES += [f"{name} {kind}" for name in ("entry", "fork", "left 1", "right 1") for kind in "01"]
NAMES += ["left 2", "right 2", "left 3", "right 3", "exit"]
# What a perfect player does where it sees what; at the end it needs to remember.
ANSWERS = {"green": RIGHT, "red": RIGHT, "fork 0": LEFT, "fork 1": RIGHT, "left 3": RIGHT, "right 3": LEFT}
ACTIONS = torch.tensor([ANSWERS.get(name, FORWARD) for name in NAMES])


def seen(observation):
    """Index of the view in ``NAMES``; eight of its 300 numbers are enough to tell."""
    distance = (observation[..., None, :8] - VIEWS[:, :8]).abs().amax(-1)
    assert (distance.amin(-1) == 0).all()
    return distance.argmin(-1)


def names(observation):
    return [NAMES[index] for index in seen(observation).flatten().tolist()]


def walk(actions, green=True, rooms=1):
    """(name of the view, reward, done) after each action, in rooms of the types that come; the first view too."""
    env = build("memory/mc_ls", 1, MCLSOptions(rooms=rooms, episodes=1))
    first, _ = env.reset({"task": torch.tensor(1.0 if green else -1.0)})
    steps = []
    for action in actions:
        _, reward, terminated, _, info = env.step(torch.tensor([[action]]))
        steps.append((names(info["final_obs"])[0], round(reward.item(), 4), terminated.item()))
    return names(first)[0], steps


def kind_of(steps):
    """Type of the room entered first."""
    return int(next(name for name, _, _ in steps if name.startswith("entry"))[-1])


@pytest.mark.parametrize("green", [True, False])
def test_the_signal_lets_through_to_the_right(green):
    first, steps = walk([LEFT, FORWARD, RIGHT], green)
    assert first == ("green" if green else "red")
    kind = kind_of(steps)
    assert steps == [(first, 0, False), (first, 0, False), (f"entry {kind}", 0.1, False)]


@pytest.mark.parametrize(("side", "action", "inward"), [("left", LEFT, RIGHT), ("right", RIGHT, LEFT)])
def test_a_room_by_hand(side, action, inward):
    _, steps = walk(
        [RIGHT, LEFT, RIGHT, FORWARD, FORWARD, action, LEFT, FORWARD, RIGHT, FORWARD, FORWARD, action, inward]
    )
    kind = kind_of(steps)
    matches = kind == (action == RIGHT)
    assert steps == [
        (f"entry {kind}", 0.1, False),
        (f"entry {kind}", 0, False),
        (f"entry {kind}", 0, False),
        (f"fork {kind}", 0.1, False),
        (f"fork {kind}", 0, False),
        (f"{side} 1 {kind}", 0.1 if matches else 0, False),
        (f"{side} 1 {kind}", 0, False),
        (f"{side} 2", 0.1, False),
        (f"{side} 2", 0, False),
        (f"{side} 3", 0.1, False),
        (f"{side} 3", 0, False),
        (f"{side} 3", 0, False),
        ("exit", 0.1, False),
    ]


@pytest.mark.parametrize("green", [True, False])
@pytest.mark.parametrize("action", [LEFT, RIGHT])
def test_the_decision(green, action):
    room = [FORWARD, LEFT, FORWARD, FORWARD, RIGHT]
    _, steps = walk([RIGHT, *room, LEFT, RIGHT, FORWARD, *room, FORWARD, FORWARD, action], green, rooms=2)
    assert steps[6][0] == steps[7][0] == "exit"
    assert steps[8][0].startswith("entry")
    assert [name for name, _, _ in steps[-3:]] == ["end", "end", "end"]
    correct = (action == RIGHT) == green
    assert [step[1:] for step in steps[-3:]] == [(0.1, False), (0, False), (4 if correct else -3, True)]


def test_the_last_step_in_time_pays_nothing():
    env = build("memory/mc_ls", 1, MCLSOptions(rooms=1, episodes=1, time_limit=4))
    env.reset()
    rewards = [env.step(torch.tensor([[action]]))[1:3] for action in (RIGHT, FORWARD, FORWARD, LEFT, RIGHT)]
    assert [round(reward.item(), 4) for reward, _ in rewards] == [0.1, 0.1, 0, 0, 0.1]
    assert [terminated.item() for _, terminated in rewards] == [False, False, False, True, False]
    published = build("memory/mc_ls", 2)
    assert (published.max_episode_steps, published.trial_steps) == (400, None)
    assert published.observation_space.shape == (301,)


def test_views_are_as_far_apart_as_published():
    distances = (VIEWS[:, None] - VIEWS).abs().mean(-1)
    assert len(VIEWS) == 16
    assert distances[0, 1].item() == pytest.approx(0.77, abs=1e-4)
    for zero in (3, 5, 7, 9):
        assert distances[zero, zero + 1].item() == pytest.approx(0.05, abs=1e-4)
        distances[zero, zero + 1] = distances[zero + 1, zero] = 1
    assert (distances + torch.eye(16)).min() > 0.4  # all other pairs are unrelated scenes
    assert VIEWS.abs().max() <= 1


def test_views_never_change():
    # Written down once: other pictures would be another task.
    assert [round(sum(view), 6) for view in (GREEN, RED, mc_views.end(), mc_views.cell("exit"))] == [
        17.365435,
        -4.194565,
        -17.812972,
        10.99221,
    ]


def test_rooms_are_drawn_anew_and_equally_likely():
    env = build("memory/mc_ls", N, MCLSOptions(rooms=3, episodes=2))
    observation, _ = env.reset()
    entries = []
    for _ in range(2 * (1 + 6 * 3 + 1)):
        view = seen(observation)
        actions = torch.where(view == 2, RIGHT, ACTIONS[view])
        observation = env.step(actions)[0]
        if names(observation[0, :1])[0].startswith("entry"):
            entries.append(seen(observation)[0] == NAMES.index("entry 1"))
    types = torch.stack(entries).double()
    assert types.shape == (6, N)
    assert (types.mean(1) - 0.5).abs().max() < 5 * 0.5 / N**0.5
    correlation = torch.corrcoef(types) - torch.eye(6)
    assert correlation.abs().max() < 5 / N**0.5


class Player:
    """Answers every room; at the end takes ``right``, or what it remembers."""

    def __init__(self, remember):
        self.kind, self.green, self.paid = remember, None, None

    def __call__(self, observation, reward):
        if self.green is None:
            self.green = torch.ones_like(reward, dtype=torch.bool)
        view = seen(observation)
        if self.kind == "signal":
            self.green = torch.where(view < 2, view == 0, self.green)
        if self.kind == "outcome":
            self.green = self.green ^ (reward < -1)
        return torch.where(view == 2, torch.where(self.green, RIGHT, LEFT), ACTIONS[view])


def test_players_of_the_published_size():
    env = build("memory/mc_ls", N)
    perfect, last, blind = (play_trial(env, Player(kind)) for kind in ("signal", "outcome", "nothing"))
    assert (perfect["length"] == 196).all()
    assert perfect["episodes"].min().item() == pytest.approx(13.7, abs=1e-3)
    assert perfect["episodes"].max().item() == pytest.approx(13.7, abs=1e-3)
    assert perfect["return"].mean().item() == pytest.approx(27.4, abs=1e-3)
    # all right or all wrong: 27.4 or 13.4; the first decision is a guess: 27.4 or 20.4
    assert sorted({round(value, 2) for value in blind["return"].flatten().tolist()}) == [13.4, 27.4]
    assert blind["return"].mean().item() == pytest.approx(20.4, abs=5 * 7 / N**0.5)
    assert sorted({round(value, 2) for value in last["return"].flatten().tolist()}) == [20.4, 27.4]
    assert last["return"].mean().item() == pytest.approx(23.9, abs=5 * 3.5 / N**0.5)


@pytest.mark.parametrize("options", [MCLSOptions(rooms=1, time_limit=12), MCLSOptions(rooms=1, episodes=1)])
def test_small_worlds_keep_the_contract(options):
    check_vector_env(
        lambda num_envs, seeds: build("memory/mc_ls", num_envs, options, seeds),
        metrics=("first_episode_return", "last_episode_return"),
    )


def test_a_task_of_other_numbers_is_refused():
    with pytest.raises(ValueError, match=r"\+1 \(green\) or -1 \(red\)"):
        build("memory/mc_ls", 2).reset({"task": torch.tensor(2.0)})
