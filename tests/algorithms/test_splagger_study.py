"""Bad input in a study file of SplAgger: the file's line and one sentence, before anything is built."""

import textwrap

import pytest

from ablate.errors import StudyError
from ablate.study import check, load

# Line 8 is the config's first line.
STUDY = textwrap.dedent("""\
    schema: ablate/v1
    study: memory
    tasks:
      - {env: ENV, num_envs: 16OPTIONS}
    baseline:
      algorithm: splagger
      preset: PRESET
      config:
    CONFIG
    budget: {env_steps: 5_000_000}
    seeds: {count: 2}
    ablations:
      NoRecurrence: {component: encoder, action: REMOVE}
    """)
LINE = 9


def written(tmp_path, config: str, env: str, options: str, preset: str):
    file = tmp_path / "study.yaml"
    text = STUDY.replace("ENV", env).replace("OPTIONS", options and f", options: {options}")
    text = text.replace("PRESET", preset).replace("CONFIG", textwrap.indent(config, "    "))
    file.write_text(text)
    return file


def problems(tmp_path, config: str, env="memory/t_maze", options="", preset="splagger"):
    """``(line, path, message)`` of each."""
    _, found = check(written(tmp_path, config, env, options, preset))
    return [(one.origin.line, one.path, one.message) for one in found]


@pytest.mark.parametrize(
    "config",
    [
        "num_steps: 700",
        "memory_at_rollout: carried\nnum_steps: 64",
        "memory_at_rollout: wiped\nnum_steps: 400",
        "minibatch_layout: sequences",
        "split: {kind: gate}",
        "aggregator: {kind: wsoftmax}",
    ],
)
def test_a_config_that_works_has_no_problems(tmp_path, config):
    assert problems(tmp_path, config) == []


@pytest.mark.parametrize("ratio", ["1.2", "-0.1"])
def test_a_ratio_outside_0_and_1(tmp_path, ratio):
    ((line, path, message),) = problems(tmp_path, f"num_steps: 400\nsplit: {{kind: fixed, ratio: {ratio}}}")
    assert line == LINE + 1
    assert path.endswith("split.ratio")
    assert ("at most 1" if ratio == "1.2" else "at least 0") in message
    assert ratio in message


SENTENCES = {
    "straight through without an aggregator": (
        "gradient: {kind: straight_through}\naggregator: {kind: none}",
        {},
        "gradient",
        "`straight_through` needs an aggregator",
    ),
    "straight through at ratio 0": (
        "gradient: {kind: straight_through}\nsplit: {kind: fixed, ratio: 0.0}",
        {},
        "gradient",
        "a split ratio of 0 leaves none",
    ),
    "a gate without an aggregator": (
        "split: {kind: gate}\naggregator: {kind: none}",
        {},
        "split",
        "`gate` needs an aggregator",
    ),
    "a gate in front of channel pairs": (
        "split: {kind: gate}\naggregator: {kind: wsoftmax}",
        {},
        "split",
        "`wsoftmax` makes one channel of two",
    ),
    "pairs of an odd number of channels": (
        "encoder: {kind: gru, hidden_size: 33}\naggregator: {kind: gauss}\nsplit: {kind: fixed, ratio: 1.0}",
        {},
        "encoder",
        "in groups of 2, but the encoder has 33; choose an even hidden_size",
    ),
    "a wiped memory and a longer trial": (
        "memory_at_rollout: wiped\nnum_steps: 399",
        {},
        "memory_at_rollout",
        "a trial of 400 steps is longer than the rollout (num_steps 399)",
    ),
    "the same with options that lengthen the trial": (
        "memory_at_rollout: wiped\nnum_steps: 400",
        {"options": "{length: 101}"},
        "memory_at_rollout",
        "a trial of 404 steps",
    ),
    "an environment without task parameters": (
        "num_steps: 64",
        {"env": "maze/open"},
        "num_steps",
        "has no task parameters; use a meta-RL environment such as memory/t_maze",
    ),
    "sequences that do not divide": (
        "minibatch_layout: sequences\nnum_minibatches: 5",
        {},
        "num_minibatches",
        "num_envs = 16 sequences cannot be dealt into 5",
    ),
    "more minibatches than transitions": (
        "num_steps: 2\nnum_minibatches: 33",
        {},
        "num_minibatches",
        "more minibatches than transitions",
    ),
}


@pytest.mark.parametrize(("config", "task", "field", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_an_impossible_combination(tmp_path, config, task, field, sentence):
    found = [one for one in problems(tmp_path, config, **task) if sentence in one[2]]
    assert found, problems(tmp_path, config, **task)
    line, path, message = found[0]
    assert field in path
    assert "\n" not in message.strip()
    named = [place for place, text in enumerate(config.splitlines(), LINE) if text.startswith(field)]
    assert line in (named or range(1, 20))


def test_the_official_preset_needs_a_rollout_that_holds_a_trial(tmp_path):
    ((_, path, message),) = problems(tmp_path, "num_steps: 300", preset="official")
    assert "memory_at_rollout" in path
    assert "a trial of 400 steps" in message


def test_an_ablation_that_leads_to_one_is_named(tmp_path):
    file = written(tmp_path, "gradient: {kind: straight_through}", "memory/t_maze", "", "splagger")
    file.write_text(file.read_text() + "  NoAggregator: {component: aggregator, action: REMOVE}\n")
    _, found = check(file)
    (one,) = found
    assert (one.origin.line, one.path) == (len(file.read_text().splitlines()), "ablations.NoAggregator")
    assert "`straight_through` needs an aggregator" in one.message


def test_loading_raises_all_of_them_with_the_files_name(tmp_path):
    file = written(tmp_path, "split: {kind: fixed, ratio: 2}\nnum_stepss: 3", "memory/t_maze", "", "splagger")
    with pytest.raises(StudyError) as error:
        load(file)
    text = str(error.value)
    assert "study.yaml: 2 problems" in text
    assert "num_stepss" in text
    assert "num_steps" in text
    assert "ratio" in text
