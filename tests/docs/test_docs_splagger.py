"""docs/splagger.md: presets, kinds, options, worlds, tolerances and studies are those of the code; its example runs."""

import dataclasses
import re
import runpy
import sys
from pathlib import Path

import gymnasium
import pytest
import torch

from ablate.configs import config_from_plain, config_to_plain, defaults, laid_over
from ablate.study import load
from ablate.yaml_lines import parse
from algorithms.component import components
from algorithms.ppo.distributions import distribution_for
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.memory import Memory
from algorithms.splagger.policy import ActorCritic
from algorithms.splagger.presets import PRESETS
from algorithms.splagger.trainer import SplAggerTrainer
from envs import registry

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "splagger.md").read_text(encoding="utf-8")
DEFAULTS = config_to_plain(SplAggerConfig())


def table(*header: str) -> list[list[str]]:
    """Cells of the one table whose header starts so."""
    lines = TEXT.splitlines()
    (start,) = [i for i, line in enumerate(lines) if line.startswith("| " + " | ".join(header) + " |")]
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return rows
        rows.append([cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def code(cell: str) -> list[str]:
    """What stands in back ticks."""
    return re.findall(r"`([^`]+)`", cell)


def settings(cell: str) -> dict:
    """`name: value` in back ticks, one or several to a pair of them, as YAML."""
    return parse("{" + ", ".join(code(cell)) + "}", "page").data


def test_the_presets_are_the_codes():
    listed = {code(row[0])[0]: settings(row[2]) for row in table("preset")}
    assert listed == {name: config_plain(preset) for name, preset in PRESETS.items()}


def config_plain(preset) -> dict:
    """A preset as it would be written in a study."""
    return {name: dict(value) if isinstance(value, dict) else value for name, value in preset.items()}


def sizes(plain) -> list[int]:
    """Parameters of memory and policy on the T-Maze."""
    config = config_from_plain(SplAggerConfig, laid_over(defaults(SplAggerConfig), plain))
    actions = gymnasium.spaces.Discrete(4)
    policy = ActorCritic(config, (0,), 5, distribution_for(actions, torch.device("cpu")))
    memory = Memory(config, (0,), 5, 4 if config.action_encoding == "one_hot" else 1)
    return [sum(one.numel() for one in module.parameters()) for module in (memory, policy)]


def number(cell: str) -> int:
    return int(cell.replace(",", ""))


def test_the_presets_have_the_parameters_that_are_listed():
    for row in table("preset"):
        assert [number(cell) for cell in row[3:5]] == sizes(PRESETS[code(row[0])[0]]), row[0]


def test_so_has_the_weighted_softmax():
    for width in ("equal", "doubled"):
        (listed,) = re.findall(rf"([\d,]+)(?: parameters)? at `width: {width}`", TEXT)
        assert number(listed) == sizes({"aggregator": {"kind": "wsoftmax", "width": width}})[0]


def test_every_kind_of_every_component_is_listed_with_its_settings():
    listed = {(code(row[0])[0], code(row[1])[0]): settings(row[2]) for row in table("component", "kind")}
    found = {}
    for name, field in components(SplAggerConfig).items():
        for kind, variant in field.kinds.items():
            found[name, kind] = {k: v for k, v in dataclasses.asdict(variant()).items() if k != "kind"}
    assert listed == found


def test_what_remove_sets_is_the_neutral_element():
    listed = {code(row[0])[0]: code(row[1])[0] for row in table("component", "REMOVE sets")}
    assert listed == {name: field.marker.neutral for name, field in components(SplAggerConfig).items()}


def test_every_option_of_the_differences_exists_and_changes_something():
    """And all that preset `official` switches is among them."""
    rows = table("topic")
    named: dict = {}
    for topic, _, _, cell in rows:
        changes = settings(cell)
        assert bool(changes) == (cell != "—"), topic
        config_from_plain(SplAggerConfig, laid_over(defaults(SplAggerConfig), changes))  # names and values are valid
        for name, value in changes.items():
            assert value != DEFAULTS[name] or PRESETS["official"].get(name) == value, topic
        named |= {name: value for name, value in changes.items() if named.get(name) != PRESETS["official"].get(name)}
    assert len(rows) > 20
    assert named.items() >= config_plain(PRESETS["official"]).items()


def test_the_other_options_are_all_the_others_with_their_defaults():
    listed = {code(row[0])[0]: parse(code(row[1])[0], "page").data for row in table("option", "default")}
    differences = {name for row in table("topic") for name in settings(row[3])}
    assert not differences & (listed.keys() - {"ent_coef", "anneal_steps"})
    assert listed == {
        name: value
        for name, value in DEFAULTS.items()
        if name not in differences and name not in components(SplAggerConfig)
    }


def test_the_worlds_are_the_registered_ones_with_their_options():
    rows = table("id", "observation", "actions")
    assert {code(row[0])[0] for row in rows} == {one for one in registry.specs() if one.startswith("memory/")}
    for name, size, actions, length, options in rows:
        spec = registry.find(code(name)[0])
        assert settings(options) == dataclasses.asdict(spec.options()), name
        env = registry.make(spec.id, num_envs=1, seeds=[0])
        assert env.observation_space.shape == (int(size),), name
        assert env.action_space.n == int(actions), name
        assert length == (f"up to {env.max_episode_steps}" if env.trial_steps is None else str(env.trial_steps)), name


def test_the_locomotion_tasks_are_the_registered_ones_with_their_options():
    rows = table("id", "observation", "torques")
    assert {code(row[0])[0] for row in rows} == {one for one in registry.specs() if one.startswith("locomotion/")}
    for name, size, actions, length, _, options in rows:
        spec = registry.find(code(name)[0])
        assert settings(options) == dataclasses.asdict(spec.options()), name
        env = registry.make(spec.id, num_envs=1, seeds=[0])
        assert (env.observation_space.shape, env.action_space.shape) == ((int(size),), (int(actions),)), name
        assert env.max_episode_steps == int(length), name
    seconds = {code(row[0])[0]: row[3] for row in table("id", "a step pays")}
    assert seconds.keys() == {code(row[0])[0] for row in rows}
    for name, cell in seconds.items():
        step_seconds = registry.make(name, num_envs=1, seeds=[0]).unwrapped.step_seconds
        assert cell == f"{step_seconds:g} s", name


def test_random_and_perfect_returns_are_the_declared_ranges():
    rows = table("id", "random")
    assert len(rows) == len(table("id", "observation", "actions"))
    for name, floor, _, ceiling in rows:
        assert (float(floor), float(ceiling.split(",")[0])) == registry.find(code(name)[0]).score_range, name


def test_tolerances_stand_in_the_tests_that_are_named():
    rows = table("equal")
    assert len(rows) >= 10
    for what, tolerance, test in rows:
        text = (ROOT / "tests" / "algorithms" / code(test)[0]).read_text()
        assert all(one in text for one in [*code(tolerance), *re.findall(r"`(\d+e-\d+)`", what)]), what


def test_the_shipped_studies_are_listed_with_seeds_and_tuning():
    rows = {code(row[0])[0]: row[2:] for row in table("study")}
    assert rows.keys() == {path.stem for path in (ROOT / "studies").glob("splagger_*.yaml")}
    for name, (worlds, seeds, rate) in rows.items():
        study = load(ROOT / "studies" / f"{name}.yaml")
        assert (len(study.tasks), len(study.seeds)) == (int(worlds), int(seeds)), name
        assert (rate == "tuned") == (study.tune is not None), name
        if study.tune is not None:
            assert (len(study.tune.values), list(study.tune.seeds)) == (3, [1000, 1001, 1002]), name


def test_every_metric_on_the_page_is_reported_and_every_check_and_probe_explained():
    def make_env(num_envs, seeds):
        options = registry.find("memory/t_maze").options(length=4, episodes=2)
        return registry.make("memory/t_maze", num_envs=num_envs, seeds=seeds, options=options)

    changes = {
        "split": {"kind": "gate"}, "encoder": {"kind": "gru", "hidden_size": 8}, "state_embedding": 4,
        "policy_hidden": [4], "num_steps": 8, "gradient_probe": True,
    }  # fmt: skip
    config = config_from_plain(SplAggerConfig, laid_over(defaults(SplAggerConfig), changes))
    trainer = SplAggerTrainer(config, make_env, num_envs=4, seeds=[0])
    reported = {name.split("@")[0] for name in [*next(trainer.iterations(1)), *trainer.evaluate(2)]}
    trainer.close()
    named = {
        one.split("@")[0] for one in re.findall(r"`((?:check|probe|profile|policy|loss|episode|eval)/[^`]+)`", TEXT)
    }
    assert named <= reported
    explained = {one for one in reported if one.startswith(("check/", "probe/", "profile/"))}
    assert {one for one in explained if "/untrained_" not in one} <= named


@pytest.fixture
def bandit(tmp_path, monkeypatch):
    """The page's files, importable."""
    for name, body in re.findall(r"^```python\n# file: (\w+\.py)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(body, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("bandit", "bandit_env"):
        sys.modules.pop(name, None)


def test_the_example_runs_and_learns(bandit, capsys):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        runpy.run_path(str(bandit / "try_bandit.py"))
    finally:
        torch.set_num_threads(threads)
    first, last = capsys.readouterr().out.strip().splitlines()
    assert len(re.findall(r"\[0\.8999\d*, 0\.1000\d*\]", first)) == 3
    assert first.endswith(" 10")
    before, after = map(float, re.findall(r"pays ([\d.]+) before training and ([\d.]+) after", last)[0])
    assert before == pytest.approx(5, abs=0.6)
    assert 6.5 < after < 8.7


def test_the_example_is_a_valid_entry_of_the_registry(bandit):
    from bandit import SPEC

    assert SPEC.facts(4, SPEC.options()).max_episode_steps == 10
    module, _, name = SPEC.entry.partition(":")
    env = getattr(__import__(module), name)(num_envs=2, seeds=[0], device="cpu", options=SPEC.options(pulls=3))
    assert (env.trial_steps, env.episodes_per_trial, env.task_size) == (6, 2, 2)
