"""The contract suite over everything registered, and the proof that it catches what it claims to catch."""

from pathlib import Path

import pytest
import torch

from envs import registry
from envs.arm_hand.options import RegraspOptions, ThrowOptions, TwoArmsOptions
from envs.arm_hand.options import ReorientOptions as ArmReorientOptions
from envs.bridge import BridgeOptions
from envs.gymnasium_spec import GymnasiumOptions
from envs.hand.options import ReorientOptions, ShadowReorientOptions
from envs.locomotion.options import AntDirOptions, CheetahDirOptions, CheetahVelOptions, WalkerParamsOptions
from envs.memory.options import PlanningOptions
from envs.seed_stack import SeedStack
from envs.streams import Streams
from envs.testing import ContractError, check_vector_env
from envs.vector import VectorEnv

SHORT = GymnasiumOptions(max_episode_steps=25)
STANDIN = Path(__file__).with_name("standin_simulator.py")
FAMILIES = {
    "gymnasium:": (["CartPole-v1", "Pendulum-v1", "HalfCheetah-v5", "Ant-v5", "FrozenLake-v1"], SHORT),
    "bridge:": ([f"{STANDIN}:make"], BridgeOptions(metrics=("travel",))),
    "isaacgym:": ([], None),  # needs Isaac Gym: test_envs_isaacgym.py plays against a stand-in
}
# Goals that are nearly everywhere, so that the arms reach some.
EASY = {"time_limit": 4, "max_successes": 2, "tolerance": 0.5, "keypoint_scale": 4.0}
# Its first observation is always 0 and its last one nearly always: only the flag of several episodes tells them apart.
OPTIONS = {
    "memory/planning_game_blind": PlanningOptions(episodes=2),
    "hand/reorient": ReorientOptions(time_limit=40, fall_distance=0.1),
    "hand/shadow_reorient": ShadowReorientOptions(time_limit=25, fall_distance=0.053, success_tolerance=1.0),
    "arm_hand/regrasp": RegraspOptions(**EASY | {"success_steps": 2}),
    "arm_hand/throw": ThrowOptions(**EASY, final_tolerance=0.5),
    "arm_hand/reorient": ArmReorientOptions(**EASY),
    "arm_hand/two_arms_reorient": TwoArmsOptions(**EASY),
    "locomotion/cheetah_dir": CheetahDirOptions(steps=12),
    "locomotion/cheetah_vel": CheetahVelOptions(steps=12, episodes=2),
    "locomotion/ant_dir": AntDirOptions(steps=14),
    "locomotion/walker_params": WalkerParamsOptions(steps=8),
}


def registered():
    for env_id in registry.specs():
        if env_id.endswith(":"):
            members, options = FAMILIES[env_id]
            yield from ((env_id + member, options) for member in members)
        else:
            yield env_id, OPTIONS.get(env_id)


@pytest.mark.parametrize(
    ("env_id", "options"), list(registered()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_registered_environments_keep_the_contract(env_id, options):
    def make(num_envs, seeds):
        return registry.make(env_id, num_envs=num_envs, seeds=seeds, options=options)

    check_vector_env(make, metrics=registry.find(env_id).reports(env_id, options))


class Counter:
    """A plain single-seed task: walk up or down, the episode ends at 3; buffers are reused between steps."""

    critic_observation_space = None
    max_episode_steps = 6

    def __init__(self, num_envs, seed):
        from gymnasium.spaces import Box, Discrete

        self.num_envs, self.device = num_envs, torch.device("cpu")
        self.observation_space, self.action_space = Box(-20.0, 20.0, (2,)), Discrete(2)
        self.streams = Streams([seed], "counter")
        self.x, self.age = torch.zeros(num_envs), torch.zeros(num_envs, dtype=torch.int64)
        self.buffer = torch.zeros(num_envs, 2)

    def start(self):
        return self.streams.uniform(self.num_envs)[0] - 0.5

    def observe(self):
        self.buffer[:, 0], self.buffer[:, 1] = self.x, self.age.float()
        return self.buffer

    def reset(self):
        self.x, self.age = self.start(), torch.zeros_like(self.age)
        return self.observe(), {}

    def step(self, actions):
        self.x, self.age = self.x + (actions * 2 - 1), self.age + 1
        terminated = self.x > 3
        truncated = self.truncated(terminated)
        info = {"final_obs": self.observe().clone(), "final_info": {"height": self.x.clone()}}
        done, fresh = terminated | truncated, self.start()
        self.x, self.age = torch.where(done, fresh, self.x), torch.where(done, 0, self.age)
        return self.observe(), self.reward(actions), terminated, truncated, info

    def truncated(self, terminated):
        return (self.age >= self.max_episode_steps) & ~terminated

    def reward(self, actions):
        return actions.float()

    def state_dict(self):
        return {"x": self.x.clone(), "age": self.age.clone(), "streams": self.streams.state_dict()}

    def load_state_dict(self, state):
        self.x, self.age = state["x"].clone(), state["age"].clone()
        self.streams.load_state_dict(state["streams"])

    def close(self):
        pass


def check_stacked(kind):
    check_vector_env(
        lambda num_envs, seeds: SeedStack([kind(num_envs, seed) for seed in seeds]), metrics=("height",), steps=40
    )


def test_a_stack_of_single_seed_environments_keeps_the_contract():
    check_stacked(Counter)


def test_a_stack_is_a_vector_env():
    assert isinstance(SeedStack([Counter(2, 0)]), VectorEnv)


def test_a_stack_refuses_environments_that_differ():
    with pytest.raises(ValueError, match="must agree"):
        SeedStack([Counter(2, 0), Counter(3, 1)])


class MergedFlags(Counter):
    def truncated(self, terminated):
        return (self.age >= self.max_episode_steps) | terminated


class DoubleReward(Counter):
    def reward(self, actions):
        return actions.double()


class TooLong(Counter):
    def truncated(self, terminated):
        return (self.age >= self.max_episode_steps + 1) & ~terminated


class TooShort(Counter):
    def truncated(self, terminated):
        return (self.age >= self.max_episode_steps - 1) & ~terminated


class NextStep(Counter):
    """Returns the last observation of an episode instead of the next one's first."""

    def step(self, actions):
        _, *rest, info = super().step(actions)
        return (info["final_obs"].clone(), *rest, info)


class LosesFinalObs(Counter):
    def step(self, actions):
        observation, *rest, info = super().step(actions)
        return (observation, *rest, info | {"final_obs": info["final_obs"] * 0})


class IgnoresSeed(Counter):
    def __init__(self, num_envs, seed):
        super().__init__(num_envs, 0)


class GlobalRandom(Counter):
    def start(self):
        return torch.rand(self.num_envs) - 0.5


class SharedStream(Counter):
    shared: Streams

    def start(self):
        return self.shared.uniform(self.num_envs)[0] - 0.5


class ForgetsStream(Counter):
    def state_dict(self):
        return super().state_dict() | {"streams": Streams([5], "counter").state_dict()}


class StateIsAView(Counter):
    def step(self, actions):
        old = self.x
        result = super().step(actions)
        old.copy_(self.x)
        return result

    def state_dict(self):
        return super().state_dict() | {"x": self.x}


class WrongMetric(Counter):
    def step(self, actions):
        *rest, info = super().step(actions)
        return (*rest, info | {"final_info": {"depth": self.x.clone()}})


class WritesActions(Counter):
    def step(self, actions):
        result = super().step(actions.clone())
        actions.zero_()
        return result


class NotFinite(Counter):
    def reward(self, actions):
        return actions / 0.0


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (MergedFlags, "disjoint"),
        (DoubleReward, "reward is .*float64"),
        (TooLong, "longer than max_episode_steps"),
        (TooShort, "truncated before"),
        (NextStep, "SAME_STEP"),
        (LosesFinalObs, "final_obs differs"),
        (IgnoresSeed, "the seed is not used"),
        (GlobalRandom, "the same seeds gave other numbers|changed the environment"),
        (ForgetsStream, "continued differently"),
        (StateIsAView, "continued differently"),
        (WrongMetric, "final_info reports"),
        (WritesActions, "wrote to the actions"),
        (NotFinite, "not finite"),
    ],
)
def test_the_suite_catches(kind, complaint):
    with pytest.raises(ContractError, match=complaint):
        check_stacked(kind)


def test_the_suite_catches_seeds_that_share_a_stream():
    def make(num_envs, seeds):
        shared = Streams([sum(seeds)], "shared")
        envs = [SharedStream(num_envs, seed) for seed in seeds]
        for env in envs:
            env.shared = shared
        return SeedStack(envs)

    with pytest.raises(ContractError, match="changing one seed"):
        check_vector_env(make, metrics=("height",), steps=40, checkpoints=False)


class Aliased:
    """A fused environment that hands out its own buffers."""

    def __init__(self, env, field):
        self.env, self.field, self.buffer = env, field, None

    def __getattr__(self, name):
        return getattr(self.env, name)

    def reset(self):
        return self.env.reset()

    def step(self, actions):
        result = list(self.env.step(actions))
        if self.buffer is None:
            self.buffer = result[self.field].clone()
        self.buffer.copy_(result[self.field])
        result[self.field] = self.buffer
        return tuple(result)

    def state_dict(self):
        return self.env.state_dict()

    def load_state_dict(self, state):
        self.env.load_state_dict(state)

    def close(self):
        self.env.close()


@pytest.mark.parametrize("field", [0, 1])
def test_the_suite_catches_reused_buffers(field):
    def make(num_envs, seeds):
        return Aliased(SeedStack([Counter(num_envs, seed) for seed in seeds]), field)

    with pytest.raises(ContractError, match="an earlier step returned"):
        check_vector_env(make, metrics=("height",), steps=40)
