"""The contract of environments that restart a copy only in the next step; see ``envs.vector``."""

import gymnasium
import numpy as np
import pytest
import torch

from envs.curriculum import follow_curriculum
from envs.registry import make
from envs.seed_stack import SeedStack
from envs.streams import Streams
from envs.testing import ContractError, check_vector_env
from envs.vector import lazy_reset


class Counting:
    """A single-seed simulator: counts to a number drawn at the start (3 or 4), and restarts in the next step."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    critic_observation_space = None
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
    max_episode_steps = 4
    device = torch.device("cpu")

    def __init__(self, num_envs, seed, *, mode="mask", flags="done", returns="last", tells=True):
        self.num_envs, self.lazy_reset = num_envs, mode
        self._flags, self._returns, self._tells = flags, returns, tells
        self._streams = Streams([seed], "counting", "cpu")
        self._difficulty = torch.tensor(1.0)

    def _draw(self):
        return 3 + self._streams.integers(2, self.num_envs)[0]

    def _observe(self):
        return torch.stack([self._count.float(), self._sum], -1)

    def reset(self):
        self._goal, self._count = self._draw(), torch.zeros(self.num_envs, dtype=torch.int64)
        self._sum = self._goal / 10.0
        self._waiting = torch.zeros(self.num_envs, dtype=torch.bool)
        return self._observe(), {}

    def step(self, actions):
        fresh = self._draw()
        self._goal = torch.where(self._waiting, fresh, self._goal)
        self._count = torch.where(self._waiting, 0, self._count) + 1
        self._sum = torch.where(self._waiting, self._goal / 10.0, self._sum) + actions[:, 0]
        done = self._count >= self._goal
        self._waiting = done
        observation = self._observe()
        stale = {"done": done, "none": torch.zeros_like(done), "all": torch.ones_like(done)}[self._flags]
        returned = torch.where(done.unsqueeze(-1), -1.0, observation) if self._returns == "other" else observation
        info = {"final_obs": observation, "final_info": {}} | ({"stale_obs": stale} if self._tells else {})
        return returned, self._sum, torch.zeros_like(done), done, info

    def curriculum(self):
        return {"difficulty": self._difficulty}

    def set_curriculum(self, values):
        self._difficulty = values["difficulty"]

    def state_dict(self):
        names = ("_goal", "_count", "_sum", "_waiting")
        return {"streams": self._streams.state_dict()} | {name: getattr(self, name).clone() for name in names}

    def load_state_dict(self, state):
        self._streams.load_state_dict(state["streams"])
        for name in ("_goal", "_count", "_sum", "_waiting"):
            setattr(self, name, state[name].clone())

    def close(self):
        pass


def stack(**settings):
    return lambda num_envs, seeds: SeedStack([Counting(num_envs, seed, **settings) for seed in seeds])


@pytest.mark.parametrize("mode", ["mask", "train"])
def test_a_lazy_environment_that_says_so_keeps_the_contract(mode):
    check_vector_env(stack(mode=mode), steps=30)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"mode": None, "tells": False}, "truncated before"),
        ({"flags": "none"}, r"not the next episode's first .*lazy_reset.*stale_obs"),
        ({"flags": "all"}, "flags a copy that did not end"),
        ({"returns": "other"}, "is not the one its episode ended in"),
    ],
)
def test_one_that_hides_it_is_found_out(settings, sentence):
    with pytest.raises(ContractError, match=sentence):
        check_vector_env(stack(**settings), steps=30)


def test_one_that_is_silent_about_its_observations_is_found_out():
    class Silent(SeedStack):
        def __init__(self, envs):
            super().__init__(envs)
            self.lazy_reset = "mask"

    with pytest.raises(ContractError, match="needs info"):
        check_vector_env(
            lambda num_envs, seeds: Silent([Counting(num_envs, seed, mode=None, tells=False) for seed in seeds]),
            steps=30,
        )


def test_a_stack_passes_on_what_its_environments_say():
    env = stack(mode="train")(5, (0, 1))
    assert lazy_reset(env) == "train"
    env.reset()
    for _ in range(8):
        _, _, terminated, truncated, info = env.step(torch.zeros(2, 5, 1))
        assert info["stale_obs"].shape == (2, 5)
        assert torch.equal(info["stale_obs"], terminated | truncated)
    assert lazy_reset(make("control/pendulum", num_envs=2, seeds=[0])) is None


def test_a_stack_stands_where_its_environments_stand():
    leader, follower = stack()(2, (0, 1)), stack()(3, (5, 6))
    for k, env in enumerate(leader._envs):
        env._difficulty = torch.tensor(0.5 + k)
    follow_curriculum(follower, leader)
    assert follower.curriculum()["difficulty"].tolist() == [0.5, 1.5]
