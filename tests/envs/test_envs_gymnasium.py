import io

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode

from envs import registry
from envs.gymnasium_snapshot import CheckpointUnsupportedError
from envs.gymnasium_spec import GymnasiumOptions
from envs.streams import stream_seed
from envs.testing import check_vector_env


class Walk(gymnasium.Env):
    """Walk up a ladder of three rungs: a small environment with all that is awkward about observations and actions."""

    observation_space = Dict({"rung": Discrete(4), "noise": Box(0.0, 1.0, (2, 2), np.float64)})
    action_space = Discrete(2, start=5)

    def __init__(self, hidden=None, start=0):
        self.hidden, self.first, self.seen = hidden, start, []

    def observe(self):
        return {"rung": self.rung, "noise": self.np_random.random((2, 2))}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.rung = self.first
        return self.observe(), {}

    def step(self, action):
        assert action in (5, 6)
        self.seen.append(action)
        self.rung += int(action == 6)
        return self.observe(), float(self.rung), self.rung == 3, False, {}


class Pushed(gymnasium.Env):
    """Reports the action it was given; actions are a 2 x 2 matrix with bounds of its own."""

    observation_space = Box(-10.0, 10.0, (2, 2))
    action_space = Box(np.array([[-1.0, -2.0], [-3.0, -4.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]), dtype=np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.np_random.random((2, 2)).astype(np.float32), {}

    def step(self, action):
        assert action.dtype == np.float64
        return action.astype(np.float32), 0.0, False, False, {}


class MultiChoice(Pushed):
    action_space = MultiDiscrete([2, 3])


class NativeWalk(gymnasium.vector.VectorEnv):
    """A vector environment of its own that can restart copies in the same step: counts to 3 from a random start."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 (gymnasium declares it so)
    single_observation_space = Box(-10.0, 10.0, (1,))
    single_action_space = Discrete(2)

    def __init__(self, num_envs, max_episode_steps, autoreset_mode=AutoresetMode.NEXT_STEP):
        assert autoreset_mode is AutoresetMode.SAME_STEP
        self.metadata = self.metadata | {"autoreset_mode": autoreset_mode}
        self.num_envs, self.limit = num_envs, max_episode_steps

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.age = self.np_random.random((self.num_envs, 1)), np.zeros(self.num_envs, int)
        return self.x.astype(np.float32), {}

    def step(self, actions):
        self.x, self.age = self.x + actions[:, None], self.age + 1
        terminated = self.x[:, 0] >= 3
        truncated = self.age >= self.limit  # also where terminated: the adapter must keep the flags apart
        done, final = terminated | truncated, self.x.astype(np.float32)
        self.x = np.where(done[:, None], self.np_random.random((self.num_envs, 1)), self.x)
        self.age[done] = 0
        info = {"final_obs": final, "_final_obs": done} if done.any() else {}
        return self.x.astype(np.float32), actions.astype(np.float64), terminated, truncated, info


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    monkeypatch.setattr(gymnasium, "registry", gymnasium.envs.registration.registry)
    gymnasium.register("test/Walk-v0", Walk, max_episode_steps=8)
    gymnasium.register("test/Pushed-v0", Pushed, max_episode_steps=8)
    gymnasium.register("test/Endless-v0", Pushed)
    gymnasium.register("test/Multi-v0", MultiChoice, max_episode_steps=8)
    gymnasium.register("test/Native-v0", Walk, vector_entry_point=NativeWalk, max_episode_steps=5)


def make(name, num_envs=2, seeds=(0,), **options):
    return registry.make(f"gymnasium:{name}", num_envs=num_envs, seeds=list(seeds), options=GymnasiumOptions(**options))


def test_copies_step_exactly_like_plain_environments_with_the_same_seeds():
    env = make("CartPole-v1", num_envs=3, seeds=[4, 9])
    plain = [gymnasium.make("CartPole-v1") for _ in range(6)]
    starts = [
        one.reset(seed=stream_seed(seed, "env", str(copy)))[0]
        for one, (seed, copy) in zip(plain, [(seed, copy) for seed in (4, 9) for copy in range(3)], strict=True)
    ]
    np.testing.assert_array_equal(env.reset()[0].view(6, 4), starts)
    generator, ended = torch.Generator().manual_seed(0), 0
    for _ in range(60):
        actions = torch.randint(0, 2, (2, 3), generator=generator)
        observation, reward, terminated, truncated, info = env.step(actions)
        for copy, one in enumerate(plain):
            last, wanted, fallen, out_of_time, _ = one.step(int(actions.view(-1)[copy]))
            np.testing.assert_array_equal(info["final_obs"].view(6, 4)[copy], last)
            assert reward.view(-1)[copy] == wanted
            assert (terminated.view(-1)[copy], truncated.view(-1)[copy]) == (fallen, out_of_time)
            if fallen or out_of_time:
                ended, last = ended + 1, one.reset()[0]
            np.testing.assert_array_equal(observation.view(6, 4)[copy], last)
    assert ended > 3


def test_a_time_limit_truncates_and_a_fall_terminates():
    env = make("CartPole-v1", max_episode_steps=5)
    env.reset()
    flags = [env.step(torch.tensor([[0, step % 2]]))[2:4] for step in range(5)]
    assert [truncated.tolist() for _, truncated in flags] == [[[False, False]]] * 4 + [[[True, True]]]
    assert not any(terminated.any() for terminated, _ in flags)
    env = make("CartPole-v1", max_episode_steps=50)
    env.reset()
    flags = [env.step(torch.tensor([[0, 0]]))[2:4] for _ in range(12)]
    assert any(terminated.any() for terminated, _ in flags)
    assert not any(truncated.any() for _, truncated in flags)


def test_dict_observations_and_shifted_discrete_actions_are_flattened():
    env = make("test/Walk-v0")
    observation, _ = env.reset()
    assert observation.shape == (1, 2, 8)
    assert env.action_space == Discrete(2)
    # keys in alphabetical order: four numbers of noise, then the rung as one-hot
    assert observation[0, :, 4:].tolist() == [[1, 0, 0, 0]] * 2
    observation, reward, *_ = env.step(torch.tensor([[0, 1]]))
    assert observation[0, :, 4:].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    assert reward.tolist() == [[0.0, 1.0]]


def test_arguments_reach_the_environment():
    assert make("test/Walk-v0", kwargs={"start": 2}).reset()[0][0, 0, 4:].tolist() == [0, 0, 1, 0]


def test_box_actions_keep_their_units_and_are_clipped():
    env = make("test/Pushed-v0", num_envs=1)
    assert env.action_space == Box(np.array([-1, -2, -3, -4], np.float32), np.array([1, 2, 3, 4], np.float32))
    env.reset()
    observation, *_ = env.step(torch.tensor([[[0.5, -9.0, 9.0, 1.5]]]))
    assert observation.tolist() == [[[0.5, -2.0, 3.0, 1.5]]]


def test_an_environment_without_a_time_limit_asks_for_one():
    with pytest.raises(ValueError, match="max_episode_steps"):
        make("test/Endless-v0")
    assert make("test/Endless-v0", max_episode_steps=3).max_episode_steps == 3


def test_unsupported_actions_are_refused_by_name():
    with pytest.raises(ValueError, match="MultiDiscrete"):
        make("test/Multi-v0")


def test_a_native_vector_version_is_used_where_it_restarts_in_the_same_step():
    env = make("test/Native-v0", seeds=(0, 1))
    assert [type(vector) for vector in env._copies.vectors] == [NativeWalk, NativeWalk]
    check_vector_env(lambda num_envs, seeds: make("test/Native-v0", num_envs, seeds), steps=30)


def test_a_native_vector_version_that_restarts_later_is_not_used():
    [vector] = make("CartPole-v1")._copies.vectors
    assert isinstance(vector, gymnasium.vector.SyncVectorEnv)
    assert vector.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


@pytest.mark.parametrize("hidden", [lambda: 0, io.StringIO(), (one for one in "generator")])
def test_state_in_wrappers_and_generators_is_saved_and_odd_attributes_are_not_in_the_way(hidden):
    # A function is code, not state; a text buffer can be pickled; a generator cannot.
    env = make("test/Walk-v0", kwargs={"hidden": hidden})
    env.reset()
    if hasattr(hidden, "send"):
        with pytest.raises(CheckpointUnsupportedError, match="generator"):
            env.state_dict()
    else:
        state, actions = env.state_dict(), torch.tensor([[0, 1]])
        expected = [env.step(actions)[0] for _ in range(10)]
        fresh = make("test/Walk-v0", kwargs={"hidden": hidden})
        fresh.load_state_dict(state)
        assert all(torch.equal(fresh.step(actions)[0], one) for one in expected)


def test_an_environment_inside_an_environment_is_refused_rather_than_saved_wrongly():
    env = make("test/Walk-v0", kwargs={"hidden": gymnasium.make("CartPole-v1")})
    env.reset()
    with pytest.raises(CheckpointUnsupportedError, match="holds another environment"):
        env.state_dict()


def test_physics_in_mid_air_continues_bit_for_bit():
    """Contacts, warm starts and derived positions: 80 steps of an ant, saved after 37, into another process's model."""

    def ant():
        return make("Ant-v5", num_envs=2, seeds=[3], max_episode_steps=60)

    actions = torch.rand(80, 1, 2, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    env = ant()
    env.reset()
    for action in actions[:37]:
        env.step(action)
    state = env.state_dict()
    expected = [env.step(action) for action in actions[37:]]
    fresh = ant()
    fresh.reset()
    fresh.load_state_dict(state)
    for action, wanted in zip(actions[37:], expected, strict=True):
        for got, want in zip(fresh.step(action)[:4], wanted[:4], strict=True):
            assert torch.equal(got, want)


def test_mujoco_writes_no_log_file(tmp_path, monkeypatch, caplog):
    from envs.gymnasium_copies import _log_mujoco_warnings

    _log_mujoco_warnings.cache_clear()
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("WARNING"):
        make("HalfCheetah-v5", num_envs=4).reset()
    assert not list(tmp_path.iterdir())
    assert sum("deprecated" in record.message for record in caplog.records) <= 1
