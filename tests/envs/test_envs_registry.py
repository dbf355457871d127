import dataclasses
import subprocess
import sys

import pytest
import torch

from envs import registry
from envs.seed_stack import SeedStack
from envs.spec import EnvSpec, TaskFacts, UnknownEnvError


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("maze/deceptve", "maze/deceptive"),
        ("pendulum", "control/pendulum"),
        ("gymnasium:CartPol-v1", "gymnasium:CartPole-v1"),
        ("gymnasium:CartPole", "gymnasium:CartPole-v1"),
        ("gymnasium:HalfCheeta-v5", "gymnasium:HalfCheetah-v5"),
        ("gymnasum:CartPole-v1", "gymnasium:<ID>"),
        ("gymnasium:", "gymnasium:<ID>"),
    ],
)
def test_an_unknown_id_names_the_nearest_one(wrong, meant):
    with pytest.raises(UnknownEnvError, match="Did you mean") as caught:
        registry.find(wrong)
    assert f"Did you mean `{meant}`?" in str(caught.value)
    assert f"no environment `{wrong}`" in str(caught.value)


def test_a_module_that_cannot_be_imported_is_named():
    with pytest.raises(UnknownEnvError, match="No module named 'no_such_module'"):
        registry.find("gymnasium:no_such_module:Foo-v0")


def test_a_family_member_gives_the_family_spec():
    assert registry.find("gymnasium:CartPole-v1") is registry.specs()["gymnasium:"]


def test_specs_are_sound():
    for env_id, spec in registry.specs().items():
        assert spec.id == env_id
        assert dataclasses.is_dataclass(spec.options)
        assert spec.options.__dataclass_params__.frozen
        spec.options()
        assert spec.score_range is None or spec.score_range[0] < spec.score_range[1]
        if not spec.id.endswith(":"):
            assert spec.returns(spec.options()) == spec.score_range


@pytest.mark.parametrize("env_id", [one for one in registry.specs() if one.startswith("memory/")])
def test_the_floor_of_a_memory_world_is_random_play(env_id):
    num_envs = 512
    env = registry.make(env_id, num_envs=num_envs, seeds=[0])
    env.reset()
    numbers = torch.Generator().manual_seed(0)
    total, playing = torch.zeros(num_envs), torch.ones(num_envs, dtype=torch.bool)
    while playing.any():
        actions = torch.randint(env.action_space.n, (1, num_envs), generator=numbers)
        _, reward, terminated, truncated, _ = env.step(actions)
        total += reward[0] * playing
        playing &= ~(terminated | truncated)[0]
    floor, ceiling = registry.find(env_id).score_range
    assert total.mean().item() == pytest.approx(floor, abs=5 * total.std().item() / num_envs**0.5 + 0.05)
    assert total.mean() < ceiling


def test_score_ranges_follow_options_or_are_unknown():
    maze, rooms = registry.find("memory/t_maze"), registry.find("memory/mc_ls")
    assert maze.returns(maze.options(length=20, episodes=2)) == (1.0, 8.0)
    assert rooms.returns(rooms.options(rooms=3)) is None
    assert registry.find("maze/open").returns(None) == registry.find("maze/open").score_range


def test_names_and_options_need_no_torch():
    code = (
        "import sys; from envs import registry; registry.specs(); registry.find('gymnasium:CartPole-v1');"
        "[spec.options() for spec in registry.specs().values()];"
        "heavy = {'torch', 'ray', 'mlflow', 'pandas', 'matplotlib'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_options_reach_the_environment():
    from envs.maze import DeceptiveOptions

    env = registry.make("maze/deceptive", num_envs=2, seeds=[0], options=DeceptiveOptions(time_limit=7))
    assert env.max_episode_steps == 7
    assert registry.make("maze/deceptive", num_envs=2, seeds=[0]).max_episode_steps == DeceptiveOptions().time_limit


@pytest.mark.parametrize("env_id", [one for one in registry.specs() if not one.endswith(":")])
def test_a_spec_knows_what_the_built_environment_will_say(env_id):
    spec = registry.find(env_id)
    env = registry.make(env_id, num_envs=2, seeds=[0])
    assert spec.facts(2, spec.options()) == TaskFacts.of(env)
    env.close()


def test_facts_follow_the_options_and_are_none_where_unknown():
    from envs.gymnasium_spec import GymnasiumOptions

    spec = registry.find("maze/open")
    assert spec.facts(3, spec.options(time_limit=9)) == TaskFacts(
        num_envs=3, max_episode_steps=9, task_parameters=False
    )
    family = registry.find("gymnasium:CartPole-v1")
    assert family.facts(3, GymnasiumOptions()).max_episode_steps is None
    assert family.facts(3, GymnasiumOptions(max_episode_steps=9)).max_episode_steps == 9
    assert EnvSpec(
        id="a", entry="b:c", options=NoOptions, version=1, sources=(), summary="", task_parameters=True
    ).facts(1, NoOptions()) == TaskFacts(num_envs=1, max_episode_steps=None, task_parameters=True)


@dataclasses.dataclass(frozen=True)
class NoOptions:
    pass


def make_counter(*, num_envs, seed, device, options):
    from test_envs_contract import Counter

    assert isinstance(options, NoOptions)
    assert torch.device(device).type == "cpu"
    return Counter(num_envs, seed)


def test_an_environment_without_an_axis_of_seeds_is_stacked(monkeypatch):
    spec = EnvSpec(
        id="plugin/counter",
        entry=f"{__name__}:make_counter",
        options=NoOptions,
        version=1,
        sources=(__name__,),
        summary="a plug-in",
        fused=False,
    )
    monkeypatch.setattr(registry, "specs", lambda: {spec.id: spec})
    env = registry.make("plugin/counter", num_envs=4, seeds=[7, 8, 9])
    assert isinstance(env, SeedStack)
    assert env.reset()[0].shape == (3, 4, 2)
