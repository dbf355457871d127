"""The memory worlds one copy at a time: the peers of ``memory_worlds.py``.

Each world is a plain class, played in three ways.

* ``sync_vector_env``: gymnasium's own loop, ``SyncVectorEnv`` with ``SAME_STEP`` autoreset, the only one of the three
  that returns what the batched worlds return (``final_obs`` included).
* ``gym_loop``: the same environments in a bare ``for``. They are written as such worlds are published and as the
  official code plays them: five results with a dict, numbers from ``np_random``, a wrapper that makes trials and
  concatenates the flag.
* ``bare_loop``: as fast as plain Python goes, without any of that: ``random.random`` instead of numpy's slower scalar
  draws, the flag written by the world itself, the views of MC-LS handed out without a copy.
"""

import random

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from envs.memory import mc_ls, mc_views
from envs.memory.gridnavi import DIRECTIONS as GRID_DIRECTIONS
from envs.memory.planning_game import COLLECT, DIRECTIONS


class World:
    """``play`` returns reward and end of an episode; ``observe`` appends the flag where there is one."""

    boundary = "next_start"
    random = staticmethod(random.random)


class TMaze(World):
    num_actions, size = 4, 5
    checks = False

    def __init__(self, length=100, episodes=4):
        self.episodes = episodes
        self.end, self.limit = length - 1, length * 3 // 2

    def draw_task(self):
        self.cues = {1: 1.0 if self.random() < 0.5 else -1.0}
        self.up, self.share = self.cues[1] > 0, 0.5

    def begin(self):
        self.cell = self.steps = 0
        self.bit = 1.0 if self.random() < self.share else -1.0

    def play(self, action):
        at_end, reward = self.cell == self.end, 0.0
        self.steps += 1
        if not self.checks:
            if at_end:
                reward = 4.0 if (action % 2 == 0) == self.up else -3.0
            else:
                self.cell += 1
            ended = at_end
        else:
            ended = at_end and action >= 2
            if ended:
                reward = 4.0 if (action == 2) == self.up else -3.0
            elif not at_end and action == (2 if self.bit > 0 else 3):
                self.cell += 1
                reward = 0.1
            ended = ended or self.steps == self.limit
        self.bit = 1.0 if self.random() < self.share else -1.0
        return reward, ended

    def observe(self, *flag):
        cell = self.cell
        return np.array((cell == 0, self.cues.get(cell, 0.0), cell == self.end, self.bit, *flag), np.float32)


class Checks(TMaze):
    checks = True


class Agreement(TMaze):
    def draw_task(self):
        first, second = (1.0 if self.random() < 0.5 else -1.0 for _ in range(2))
        self.cues = {1: first, (self.end + 1) // 2: second}
        self.up, self.share = first != second, 0.5


class Latent(TMaze):
    def draw_task(self):
        self.cues, self.up = {}, self.random() < 0.5
        self.share = 0.7 if self.up else 0.5


class MCLS(World):
    num_actions, size = 3, mc_views.SIZE + 1

    def __init__(self, rooms=16, limit=200, episodes=2):
        self.episodes = episodes
        self.rooms, self.limit = rooms, limit
        self.views = _flagged_views()

    def draw_task(self):
        self.green = int(self.random() < 0.5)

    def begin(self):
        self.place, self.room, self.type, self.steps = mc_ls.SIGNAL, 0, 0, 0

    def play(self, action):
        self.steps += 1
        place = self.place
        if place == mc_ls.END:
            reward = 0.0 if action == mc_ls.FORWARD else 4.0 if (action == mc_ls.RIGHT) == self.green else -3.0
            return (
                (reward, True) if reward and self.steps < self.limit else (0.0, self.steps == self.limit or reward != 0)
            )
        to = mc_ls.MOVES.get((place, action))
        reward = 0.0
        if to is not None:
            reward = 0.1 if place != mc_ls.FORK or (action == mc_ls.RIGHT) == self.type else 0.0
            if to == mc_ls.ENTRY:
                self.room += 1
                self.type = int(self.random() < 0.5)
                if self.room > self.rooms:
                    to = mc_ls.END
            self.place = to
        return (reward, False) if self.steps < self.limit else (0.0, True)

    def observe(self, *flag):
        view = self.views[bool(flag and flag[0])][self.place * 4 + self.type * 2 + self.green]
        return view if flag else view[:-1]


class PlanningGame(World):
    num_actions, size = 5, 18
    boundary = "terminal"

    episodes = 1

    def __init__(self, side=3, steps=100):
        self.side, self.places, self.limit = side, side * side, steps

    def draw_task(self):
        self.labels = sorted(range(self.places), key=lambda _: self.random())

    def begin(self):
        self.steps, self.place = 0, int(self.random() * self.places)
        self.goal = self.other(self.place)

    def other(self, place):
        return (place + 1 + int(self.random() * (self.places - 1))) % self.places

    def play(self, action):
        self.steps += 1
        reward = 0.0
        if action == COLLECT:
            if self.place == self.goal:
                self.goal, reward = self.other(self.goal), 1.0
        else:
            dx, dy = DIRECTIONS[action]
            x, y = divmod(self.place, self.side)
            self.place = (x + dx) % self.side * self.side + (y + dy) % self.side
        return reward, self.steps == self.limit

    def observe(self, *flag):
        observation = np.zeros(18, np.float32)
        observation[self.labels[self.place]] = observation[9 + self.labels[self.goal]] = 1
        return observation


class BlindPlanningGame(PlanningGame):
    size = 1

    def observe(self, *flag):
        return np.array((self.place == self.goal,), np.float32)


class GridNavi(World):
    num_actions, size = 5, 3
    boundary = "terminal"

    def __init__(self, side=5, steps=15, episodes=4):
        self.episodes = episodes
        self.side, self.limit = side, steps
        self.goals = [(x, y) for x in range(side) for y in range(side) if max(x, y) > 1]

    def draw_task(self):
        self.goal = self.goals[int(self.random() * len(self.goals))]

    def begin(self):
        self.x = self.y = self.steps = 0

    def play(self, action):
        self.steps += 1
        dx, dy = GRID_DIRECTIONS[action]
        self.x = min(max(self.x + dx, 0), self.side - 1)
        self.y = min(max(self.y + dy, 0), self.side - 1)
        return 1.0 if (self.x, self.y) == self.goal else -0.1, self.steps == self.limit

    def observe(self, *flag):
        return np.array((self.x, self.y, *flag), np.float32)


WORLDS = {
    "memory/t_maze": TMaze,
    "memory/t_maze_checks": Checks,
    "memory/t_maze_agreement": Agreement,
    "memory/t_maze_latent": Latent,
    "memory/mc_ls": MCLS,
    "memory/planning_game": PlanningGame,
    "memory/planning_game_blind": BlindPlanningGame,
    "memory/gridnavi": GridNavi,
}


class Bare:
    """Trials of a world without anything around it."""

    def __init__(self, world, seed):
        self.world, self.flag = world, world.episodes > 1
        world.random = random.Random(seed).random

    def reset(self):
        self.world.draw_task()
        self.world.begin()
        self.episode = 0
        return self.observe(0.0)

    def step(self, action):
        world = self.world
        reward, ended = world.play(action)
        if not ended:
            return self.observe(0.0), reward, False
        self.episode += 1
        if self.episode == world.episodes:
            return self.observe(1.0), reward, True
        if world.boundary == "next_start":
            world.begin()
            return self.observe(1.0), reward, False
        last = self.observe(1.0)
        world.begin()
        return last, reward, False

    def observe(self, flag):
        return self.world.observe(flag) if self.flag else self.world.observe()


class Episodes(gymnasium.Env):
    """Single episodes of a world as gymnasium has them."""

    def __init__(self, world):
        self.world = world
        self.action_space = gymnasium.spaces.Discrete(world.num_actions)
        self.observation_space = gymnasium.spaces.Box(-10, 10, (world.size - (world.episodes > 1),), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.world.random = self.np_random.random
        if options is None:
            self.world.draw_task()
        self.world.begin()
        return self.world.observe(), {}

    def step(self, action):
        reward, ended = self.world.play(action)
        return self.world.observe(), reward, ended, False, {}


class Trials(gymnasium.Wrapper):
    """Several episodes of one task, with the flag."""

    def __init__(self, env, world):
        super().__init__(env)
        self.episodes, self.boundary = world.episodes, world.boundary
        self.observation_space = gymnasium.spaces.Box(-10, 10, (world.size,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.episode = 0
        observation, info = self.env.reset(seed=seed)
        return self.flagged(observation, 0.0), info

    def step(self, action):
        observation, reward, ended, truncated, info = self.env.step(action)
        flag, over = float(ended), False
        if ended:
            self.episode += 1
            over = self.episode == self.episodes
            if not over:
                start, _ = self.env.reset(options={"keep_task": True})
                observation = start if self.boundary == "next_start" else observation
        return self.flagged(observation, flag), reward, over, truncated, info

    def flagged(self, observation, flag):
        return np.concatenate((observation, (flag,)), dtype=np.float32) if self.episodes > 1 else observation


class BareLoop:
    """N copies in a Python loop, results gathered in arrays as a learner needs them."""

    def __init__(self, world, num_envs):
        self.copies = [Bare(world(), seed) for seed in range(num_envs)]
        self.size = world.size
        for copy in self.copies:
            copy.reset()

    def step(self, actions):
        observations = np.empty((len(actions), self.size), np.float32)
        rewards = np.empty(len(actions), np.float32)
        ended = np.empty(len(actions), bool)
        for index, (copy, action) in enumerate(zip(self.copies, actions, strict=True)):
            observation, rewards[index], over = copy.step(action)
            ended[index] = over
            observations[index] = copy.reset() if over else observation
        return observations, rewards, ended


class GymLoop:
    """The same of gymnasium environments."""

    def __init__(self, world, num_envs):
        worlds = [world() for _ in range(num_envs)]
        self.copies = [Trials(Episodes(one), one) for one in worlds]
        self.size = world.size
        for seed, copy in enumerate(self.copies):
            copy.reset(seed=seed)

    def step(self, actions):
        observations = np.empty((len(actions), self.size), np.float32)
        rewards = np.empty(len(actions), np.float32)
        ended = np.empty(len(actions), bool)
        for index, (copy, action) in enumerate(zip(self.copies, actions, strict=True)):
            observation, rewards[index], over, _, _ = copy.step(action)
            ended[index] = over
            observations[index] = copy.reset()[0] if over else observation
        return observations, rewards, ended


class SyncVector:
    """The same in gymnasium's vector environment."""

    def __init__(self, world, num_envs):
        def make():
            one = world()
            return Trials(Episodes(one), one)

        self.env = SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
        self.env.reset(seed=0)

    def step(self, actions):
        observations, rewards, ended, _, _ = self.env.step(actions)
        return observations, rewards, ended


LOOPS = {"sync_vector_env": SyncVector, "gym_loop": GymLoop, "bare_loop": BareLoop}


def _flagged_views(cache=[]):  # noqa: B006  one table for all copies
    if not cache:
        green, red = mc_views.signals()
        rows = [red, green, red, green]
        for place in range(mc_ls.ENTRY, mc_ls.END):
            if place in mc_ls.TYPED:
                zero, one = mc_views.typed_cell(mc_ls.TYPED[place])
            else:
                zero = one = mc_views.cell(mc_ls.PLAIN[place])
            rows += [zero, zero, one, one]
        rows += [mc_views.end()] * 4
        cache += [np.array([[*row, flag] for row in rows], np.float32) for flag in (0, 1)]
    return cache
