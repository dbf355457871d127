"""The bridge with truthful simulators: what comes over it is what the simulator said, bit for bit."""

import time
from pathlib import Path

import numpy as np
import pytest
import standin_simulator
import torch

from envs import registry
from envs.bridge import BridgeOptions
from envs.bridge.env import BridgeEnv
from envs.bridge.errors import WorkerDiedError
from envs.seed_stack import SeedStack
from envs.streams import stream_seed
from envs.testing import check_episodes, check_shapes, play, random_actions

STANDIN = Path(standin_simulator.__file__)


def bridge(factory, num_envs=5, seed=3, device="cpu", **options):
    return BridgeEnv(
        env_id=f"{STANDIN}:{factory}", num_envs=num_envs, seed=seed, device=device, options=BridgeOptions(**options)
    )


def steps(env, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        yield torch.rand(env.num_envs, 1, generator=generator) * 2 - 1


def test_every_number_of_the_simulator_arrives_unchanged():
    env = bridge("make", kwargs={"edge": 1.0})
    twin = standin_simulator.Rail(5, stream_seed(3, "env") % 2**31, "cpu", edge=1.0)
    assert torch.equal(env.reset()[0], torch.from_numpy(twin.reset()["obs"]).float())
    ended = 0
    for action in steps(env, 40):
        observation, reward, terminated, truncated, info = env.step(action)
        want = {key: np.asarray(value) for key, value in twin.step(action.numpy().copy()).items()}
        done = want["terminated"] | want["truncated"]
        ended += done.sum()
        assert torch.equal(observation, torch.from_numpy(want["obs"]).float())
        assert torch.equal(reward, torch.from_numpy(want["reward"]).float())
        assert torch.equal(terminated, torch.from_numpy(want["terminated"]))
        assert torch.equal(truncated, torch.from_numpy(want["truncated"] & ~want["terminated"]))
        assert torch.equal(info["final_obs"][done], torch.from_numpy(want["final_obs"][done]).float())
        assert torch.equal(info["final_info"]["travel"], torch.from_numpy(want["travel"]).float())
    assert ended > 10
    env.close()


def test_large_batches_are_put_together_in_place_with_the_same_result(monkeypatch):
    one, other = bridge("make", num_envs=40), bridge("make", num_envs=40)
    one.reset()
    other.reset()
    for action in steps(one, 30):
        monkeypatch.setattr("envs.bridge.env._FEW", 10**9)
        wanted = one.step(action)[4]["final_obs"]
        monkeypatch.setattr("envs.bridge.env._FEW", 0)
        assert torch.equal(other.step(action)[4]["final_obs"], wanted)
    one.close()
    other.close()


@pytest.mark.parametrize("factory", ["lazy", "asymmetric", "discrete"])
def test_kinds_of_simulators_keep_the_contract(factory):
    options = BridgeOptions(metrics=("travel",))
    env = registry.make(f"bridge:{STANDIN}:{factory}", num_envs=3, seeds=(1, 2), options=options)
    first, played = play(env, random_actions(env, 30))
    check_shapes(env, first, played, ("travel",))
    check_episodes(env, first, played)
    assert env.lazy_reset == ("mask" if factory == "lazy" else None)
    assert (env.critic_observation_space is not None) == (factory == "asymmetric")
    if factory == "asymmetric":
        assert torch.equal(first["critic"], first["policy"][..., :1])
        final = played[13][4]["final_obs"]
        assert torch.equal(final["critic"], final["policy"][..., :1])
    env.close()


def test_a_simulator_of_torch_plays_the_same_episodes():
    one, other = bridge("make"), bridge("torch")
    assert torch.equal(one.reset()[0], other.reset()[0])
    for action in steps(one, 30):
        left, right = one.step(action), other.step(action)
        assert all(torch.equal(a, b) for a, b in zip(left[:4], right[:4], strict=True))
        assert torch.equal(left[4]["final_obs"], right[4]["final_obs"])
    one.close()
    other.close()


def test_actions_are_clipped_and_left_alone():
    one, other = bridge("make"), bridge("make")
    one.reset()
    other.reset()
    wild = torch.full((5, 1), 4.0)
    assert torch.equal(one.step(wild)[0], other.step(torch.ones(5, 1))[0])
    assert torch.equal(wild, torch.full((5, 1), 4.0))
    one.close()
    other.close()


def test_workers_of_several_seeds_step_at_the_same_time():
    stack = SeedStack([bridge("sleepy", seed=seed) for seed in range(4)])
    stack.reset()
    started = time.monotonic()
    stack.step(torch.zeros(4, 5, 1))
    assert 0.25 <= time.monotonic() - started < 4 * 0.25
    stack.close()


@pytest.mark.parametrize("factory", ["forgetful", "curriculum"])
def test_a_simulator_that_cannot_save_its_episodes_resumes_with_fresh_ones(factory, caplog):
    env = bridge(factory)
    env.reset()
    for action in steps(env, 4):
        env.step(action)
    state = env.state_dict()
    last = env.step(torch.zeros(5, 1))  # must not reach the state
    resumed = bridge(factory)
    resumed.load_state_dict(state)
    again = resumed.state_dict()
    assert torch.equal(again["last"]["obs"], state["last"]["obs"])
    assert "starts a fresh one" in caplog.text
    observation, reward, terminated, truncated, info = resumed.step(torch.ones(5, 1))
    assert torch.equal(info["final_obs"], state["last"]["obs"])
    assert not torch.equal(info["final_obs"], last[0])
    assert truncated.all()
    assert not terminated.any()
    assert not reward.any()
    assert torch.equal(info["final_info"]["travel"], state["last"]["metric travel"])
    assert (observation[:, 1:] == 0).all(), "the first observation of an episode: no speed, no time gone"
    _, _, _, truncated, info = resumed.step(torch.ones(5, 1))
    assert not truncated.any()
    if factory == "curriculum":
        assert (info["final_info"]["travel"] == 5).all(), "the part that was saved goes on"
    env.close()
    resumed.close()


def test_a_lazy_simulator_resumes_at_an_observation_that_is_flagged_as_stale():
    env = bridge("lazy", stale="train")
    env.reset()
    env.step(torch.zeros(5, 1))
    state = env.state_dict()
    env.load_state_dict(state)
    observation, _, _, truncated, info = env.step(torch.zeros(5, 1))
    assert torch.equal(observation, info["final_obs"])
    assert torch.equal(observation, state["last"]["obs"])
    assert truncated.all()
    assert info["stale_obs"].all()
    assert env.lazy_reset == "train"
    env.close()


def test_other_methods_of_a_simulator_can_be_called():
    env = bridge("make")
    assert env.call("add", 2, 3) == {"sum": 5}
    env.close()


def test_numbers_that_are_not_finite_go_through_and_into_the_log_once(capfd):
    env = bridge("trap", kwargs={"what": "nan"})
    env.reset()
    rewards = [env.step(action)[1].clone() for action in steps(env, 5)]
    env.close()
    assert [int(reward.isnan().sum()) for reward in rewards] == [0, 0, 1, 1, 1]
    assert capfd.readouterr().err.count("step 3: the simulator's `reward` is not finite") == 1


def test_a_closed_environment_says_so():
    env = bridge("make")
    env.close()
    env.close()
    with pytest.raises(WorkerDiedError, match="has ended already"):
        env.reset()


@pytest.mark.gpu
def test_a_simulator_on_the_gpu_shares_its_memory():
    one, other = bridge("make"), bridge("torch", device="cuda")
    assert other.facts.device == "cuda:0"
    assert torch.equal(one.reset()[0], other.reset()[0].cpu())
    slab = other._views["obs"].data_ptr()
    for action in steps(one, 30):
        left, right = one.step(action), other.step(action.cuda())
        assert right[0].data_ptr() == slab, "no copy on the way"
        assert all(torch.equal(a, b.cpu()) for a, b in zip(left[:4], right[:4], strict=True))
    one.close()
    other.close()


@pytest.mark.gpu
def test_a_learner_on_the_gpu_takes_a_simulator_on_the_cpu():
    env = bridge("make", device="cuda")
    assert env.facts.device == "cpu"
    assert env.reset()[0].is_cuda
    assert env.step(torch.zeros(5, 1, device="cuda"))[4]["final_obs"].is_cuda
    env.close()
