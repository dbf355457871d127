# ruff: noqa: E501
"""Every kind of mistake in a study file: one clear sentence at the right line, all of them at once."""

import textwrap

import pytest

from ablate.errors import StudyError
from ablate.study import check, load

GOOD = textwrap.dedent("""\
    schema: ablate/v1
    study: tiny
    baseline:
      algorithm: sapg
      config:
        num_policies: 6
        learning_rate: 1e-3
    tasks:
      - {env: maze/deceptive, num_envs: 48}
    budget: {env_steps: 20_000}
    seeds: {count: 3, start: 5}
    ablations:
      NoAggregate: {component: aggregation, action: REMOVE}
      VaryM: {component: num_policies, action: REPLACE, with: [2, 3]}
    """)


@pytest.fixture
def write(tmp_path):
    def written(text, name="study.yaml"):
        file = tmp_path / name
        file.write_text(text)
        return file

    return written


def _found(file, *args):
    study, problems = check(file, *args)
    assert (study is None) == bool(problems)
    return [(one.origin.line, one.path, one.message) for one in problems]


def test_a_good_study_resolves(write):
    study = load(write(GOOD))
    assert (study.study, study.seeds, study.alpha) == ("tiny", (5, 6, 7), 0.05)
    assert study.baseline.config.learning_rate == 0.001
    assert study.baseline.config.gamma == 0.99
    assert (study.tasks[0].env, study.tasks[0].num_envs, study.tasks[0].label) == (
        "maze/deceptive",
        48,
        "maze/deceptive",
    )
    assert (study.metrics.primary.name, study.metrics.primary.margin) == ("eval/return", 0.10)
    assert [one.name for one in study.variants] == ["baseline", "NoAggregate", "VaryM[2]", "VaryM[3]"]
    assert study.evaluation.points == 20


CASES = {
    "unknown section": ("alpha: 0.05", "alpah: 0.05", 15, "alpah", "unknown field. Did you mean `alpha`?"),
    "unknown config key": ("learning_rate: 1e-3", "learnign_rate: 1e-3", 7, "baseline.config.learnign_rate", "unknown field. Did you mean `learning_rate`?"),
    "text for a number": ("learning_rate: 1e-3", 'learning_rate: "1e-3"', 7, "baseline.config.learning_rate", 'expected a number, found the text "1e-3".'),
    "bool for an int": ("num_policies: 6", "num_policies: true", 6, "baseline.config.num_policies", "expected an integer, found `true`."),
    "float for an int": ("num_policies: 6", "num_policies: 6.5", 6, "baseline.config.num_policies", "expected an integer, found 6.5."),
    "null": ("num_policies: 6", "num_policies:", 6, "baseline.config.num_policies", "expected an integer, found nothing (null)."),
    "out of range": ("learning_rate: 1e-3", "gamma: 1.5", 7, "baseline.config.gamma", "must be at most 1, found 1.5."),
    "infinite": ("learning_rate: 1e-3", "vf_coef: .inf", 7, "baseline.config.vf_coef", "expected a finite number, found inf."),
    "int for a bool": ("learning_rate: 1e-3", "compile: 1", 7, "baseline.config.compile", "expected true or false, found 1."),
    "word of a closed set": ("learning_rate: 1e-3", "trunk: seperate", 7, "baseline.config.trunk", 'expected `separate` or `shared`, found the text "seperate". Did you mean `separate`?'),
    "number for a word": ("learning_rate: 1e-3", "trunk: 3", 7, "baseline.config.trunk", "expected `separate` or `shared`, found 3."),
    "unknown kind": ("learning_rate: 1e-3", "aggregation: {kind: symetric}", 7, "baseline.config.aggregation.kind", "no variant `symetric`. Did you mean `symmetric`? Variants: leader_follower, symmetric, high_ratio, on_policy_only."),
    "unknown kind in short": ("learning_rate: 1e-3", "aggregation: symetric", 7, "baseline.config.aggregation.kind", "Did you mean `symmetric`?"),
    "unknown field of a kind": ("learning_rate: 1e-3", "entropy: {kind: ladder, sgma: 1}", 7, "baseline.config.entropy.sgma", "unknown field. Did you mean `sigma`?"),
    "wrong item of a list": ("learning_rate: 1e-3", "network: {hidden: [64, x]}", 7, "baseline.config.network.hidden.1", 'expected an integer, found the text "x".'),
    "empty list": ("learning_rate: 1e-3", "network: {hidden: []}", 7, "baseline.config.network.hidden", "must have at least 1 item, found 0."),
    "unknown algorithm": ("algorithm: sapg", "algorithm: sagp", 4, "baseline.algorithm", "no algorithm `sagp`. Did you mean `sapg`?"),
    "unknown preset": ("algorithm: sapg", "algorithm: sapg\n  preset: oficial", 5, "baseline.preset", "`sapg` has no preset `oficial`. Did you mean `official`?"),
    "unknown env": ("maze/deceptive", "maze/deceptiv", 9, "tasks.0.env", "no environment `maze/deceptiv`. Did you mean `maze/deceptive`?"),
    "unknown env option": ("num_envs: 48}", "num_envs: 48, options: {gap_: 1}}", 9, "tasks.0.options.gap_", "unknown field. Did you mean `gap`?"),
    "option beside options": ("num_envs: 48}", "num_envs: 48, gap: 1}", 9, "tasks.0.gap", "unknown field. Fields: env, num_envs, options."),
    "no envs": ("num_envs: 48", "num_envs: 0", 9, "tasks.0.num_envs", "must be at least 1, found 0."),
    "a task twice": ("num_envs: 48}", "num_envs: 48}\n  - {env: maze/deceptive, num_envs: 48}", 10, "tasks.1", "the same task as tasks.0."),
    "no tasks": ("  - {env: maze/deceptive, num_envs: 48}", "  []", 8, "tasks", "must have at least 1 item, found 0."),
    "tasks no list": ("  - {env: maze/deceptive, num_envs: 48}", "  env: maze/deceptive", 8, "tasks", "expected a list, found a mapping."),
    "baseline does not split": ("num_policies: 6", "num_policies: 5", 6, "baseline.config.num_policies", "on maze/deceptive: num_envs = 48 cannot be split into 5 equal blocks"),
    "variant does not split": ("with: [2, 3]", "with: [2, 5]", 14, "ablations.VaryM.with.1", "VaryM[5] on maze/deceptive: num_envs = 48 cannot be split into 5 equal blocks"),
    "budget below one iteration": ("env_steps: 20_000", "env_steps: 383", 10, "budget.env_steps", "383 steps are less than one iteration of `baseline` on maze/deceptive: num_envs 48 x num_steps 8 = 384."),
    "more evaluations than iterations": ("env_steps: 20_000", "env_steps: 1920", 10, None, "20 evaluations need as many iterations, but 1,920 steps hold 5"),
    "seed twice": ("seeds: {count: 3, start: 5}", "seeds: [1, 2, 1]", 11, "seeds.2", "seed 1 is listed twice"),
    "text seed": ("seeds: {count: 3, start: 5}", 'seeds: [1, "2"]', 11, "seeds.1", 'expected an integer, found the text "2".'),
    "bool seed": ("seeds: {count: 3, start: 5}", "seeds: [1, true]", 11, "seeds.1", "expected an integer, found `true`."),
    "negative seed": ("seeds: {count: 3, start: 5}", "seeds: [-1]", 11, "seeds.0", "must be at least 0, found -1."),
    "no seeds": ("seeds: {count: 3, start: 5}", "seeds: []", 11, "seeds", "must have at least 1 item, found 0."),
    "two forms of seeds": ("seeds: {count: 3, start: 5}", "seeds: {count: 3, adaptive: {looks: [5, 8]}}", 11, "seeds", "`count` and `adaptive` are two ways to say how many seeds; keep one."),
    "one look": ("seeds: {count: 3, start: 5}", "seeds: {adaptive: {looks: [5]}}", 11, "seeds.adaptive.looks", "must have at least 2 items, found 1."),
    "looks that fall": ("seeds: {count: 3, start: 5}", "seeds: {adaptive: {looks: [5, 8, 7]}}", 11, "seeds.adaptive.looks.2", "looks must increase, 7 follows 8."),
    "an early look": ("seeds: {count: 3, start: 5}", "seeds: {adaptive: {looks: [4, 8]}}", 11, "seeds.adaptive.looks.0", "the first look needs 5 seeds per arm or more on one task, found 4."),
    "spending": ("seeds: {count: 3, start: 5}", "seeds: {adaptive: {spending: quadratc}}", 11, "seeds.adaptive.spending", "Did you mean `quadratic`?"),
    "a metric the env has not": ("alpha: 0.05", "metrics: {primary: {name: eval/sucess}}", 15, "metrics.primary.name", "maze/deceptive does not report `eval/sucess`. Did you mean `eval/success`?"),
    "a metric that is no eval": ("alpha: 0.05", "metrics: {primary: {name: loss/value}}", 15, "metrics.primary.name", "maze/deceptive does not report `loss/value`."),
    "secondary is primary": ("alpha: 0.05", "metrics: {secondary: [final]}", 15, "metrics.secondary.0", "`final` is the primary summary already."),
    "margin": ("alpha: 0.05", "metrics: {primary: {margin: ten}}", 15, "metrics.primary.margin", "expected a fraction such as 0.1 or a percentage such as 10%"),
    "alpha": ("alpha: 0.05", "alpha: 1", 15, "alpha", "must be less than 1, found 1."),
    "path in the name": ("study: tiny", "study: ../tiny", 2, "study", '"../tiny" cannot be a name'),
    "number for a name": ("study: tiny", "study: 7", 2, "study", "expected text, found 7."),
    "auto or a number": ("alpha: 0.05", "resources: {max_concurrent: many}", 15, "resources.max_concurrent", 'expected `auto` or an integer, found the text "many".'),
    "wrong schema": ("ablate/v1", "ablate/v2", 1, "schema", "expected `ablate/v1`"),
    "duplicate ablation": ("VaryM:", "NoAggregate:", 14, "ablations.NoAggregate", "duplicate key; first given at line 13."),
    "name of the baseline": ("VaryM:", "baseline:", 14, "ablations.baseline", "the name is taken by `baseline`."),
    "unsafe ablation name": ("VaryM:", "a/b:", 14, "ablations.a/b", "cannot be a name"),
    "control of the same name": ("alpha: 0.05", "controls: {noaggregate: {algorithm: ppo}}", 15, "controls.noaggregate", "the name is taken by `NoAggregate`."),
    "control with an unknown key": ("alpha: 0.05", "controls: {PPO: {algorithm: ppo, config: {num_policies: 3}}}", 15, "controls.PPO.config.num_policies", "unknown field."),
    "typo in a profile": ("alpha: 0.05", "profiles: {gpu: {buget: {env_steps: 5}}}", 15, "profiles.gpu.buget", "unknown field in a profile. Did you mean `budget`?"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_one_mistake_is_one_problem_at_its_line(name, write):
    old, new, line, path, sentence = CASES[name]
    text = GOOD + "alpha: 0.05\n"
    assert text.count(old) == 1
    found = _found(write(text.replace(old, new)))
    assert len(found) == 1, found
    assert found[0][0] == line or path is None
    assert path is None or found[0][1] == path
    assert sentence in found[0][2]


def test_all_mistakes_are_shown_at_once_in_the_order_of_the_file(write):
    file = write(
        textwrap.dedent("""\
            schema: ablate/v1
            study: bad
            seeds: [0, 1, "2"]
            baseline:
              config: {learnign_rate: 3.0e-4,
                       gamma: "0.9",
                       aggregation: {kind: symetric}}
              algorithm: sapg
            tasks: [{env: maze/open, num_envs: 8}]
            budget: {env_steps: 100_000}
            ablations: {X: {component: entrpy, action: REMOVE}}
            """)
    )
    with pytest.raises(StudyError) as caught:
        load(file)
    assert str(caught.value).splitlines() == [
        f"{file}: 4 problems, nothing was launched.",
        '  line 3  seeds.2: expected an integer, found the text "2".',
        '      | seeds: [0, 1, "2"]',
        "  line 5  baseline.config.learnign_rate: unknown field. Did you mean `learning_rate`?",
        "      | config: {learnign_rate: 3.0e-4,",
        '  line 6  baseline.config.gamma: expected a number, found the text "0.9".',
        '      | gamma: "0.9",',
        "  line 7  baseline.config.aggregation.kind: no variant `symetric`. Did you mean `symmetric`? "
        "Variants: leader_follower, symmetric, high_ratio, on_policy_only.",
        "      | aggregation: {kind: symetric}}",
    ]
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the file is empty."),
        ("# only a comment\n", "the file is empty."),
        ("- a\n- b\n", "the file must be a mapping"),
        ("just text\n", "the file must be a mapping"),
    ],
)
def test_a_file_that_is_no_mapping(text, sentence, write):
    ((_, _, message),) = _found(write(text))
    assert sentence in message


def test_missing_sections_are_all_named(write):
    messages = [message for _, _, message in _found(write("study: x\n"))]
    for section in ("schema", "baseline", "tasks", "budget", "seeds"):
        assert any(message.startswith(f"`{section}` is missing.") for message in messages)


def test_a_missing_file_is_a_study_error(tmp_path):
    with pytest.raises(StudyError, match="no such file"):
        load(tmp_path / "nothing.yaml")


PROFILES = GOOD + textwrap.dedent("""\
    profiles:
      big:
        tasks: [{env: maze/open, num_envs: 96}]
        baseline: {config: {learning_rate: 0.0005}}
      broken:
        budget: {env_steps: 10}
    """)


def test_a_profile_is_a_delta_of_the_file(write):
    file = write(PROFILES)
    study = load(file, "big")
    assert (study.profile, study.tasks[0].env, study.baseline.config.learning_rate) == ("big", "maze/open", 0.0005)
    assert study.baseline.config.num_policies == 6
    assert load(file).tasks[0].env == "maze/deceptive"


def test_a_problem_of_a_profile_stands_at_the_profiles_line(write):
    found = _found(write(PROFILES), "broken")
    assert [(line, path) for line, path, _ in found] == [(20, "budget.env_steps")]


def test_an_unknown_profile_names_the_nearest(write):
    ((_, _, message),) = _found(write(PROFILES), "bigg")
    assert message == "no profile `bigg`. Did you mean `big`? Profiles: big, broken."


def test_a_file_extends_another_and_problems_name_the_file_that_wrote_them(write):
    write(GOOD, "base.yaml")
    child = write(
        "extends: base.yaml\nstudy: child\nbaseline: {config: {num_policies: 3}}\n~: x\n".replace("~: x\n", ""),
        "child.yaml",
    )
    # M = 3 is one of VaryM's values in the base: the duplicate is found in the base's line.
    study, (problem,) = check(child)
    assert study is None
    assert problem.origin.source.endswith("base.yaml")
    assert problem.message.startswith("`VaryM[3]` is the same as the baseline")
    good = load(write("extends: base.yaml\nstudy: child\nseeds: [9]\n", "child.yaml"))
    assert (good.study, good.seeds, good.baseline.config.num_policies) == ("child", (9,), 6)


def test_files_that_extend_each_other_are_refused(write):
    write("extends: b.yaml\n", "a.yaml")
    ((line, path, message),) = _found(write("extends: a.yaml\n", "b.yaml"))
    assert (line, path) == (1, "extends")
    assert "leads back" in message


def test_a_missing_base_names_the_line(write):
    ((line, path, message),) = _found(write("study: x\nextends: nope.yaml\n"))
    assert (line, path) == (2, "extends")
    assert "no such file" in message


def test_overrides_edit_the_file_and_are_blamed_for_what_they_wrote(write):
    file = write(GOOD)
    assert load(file, overrides=["baseline.config.num_steps=16", "seeds=[4]"]).seeds == (4,)
    study, (problem,) = check(file, None, ["baseline.config.num_stps=16"])
    assert study is None
    assert problem.origin.source == "override"
    assert problem.message == "unknown field. Did you mean `num_steps`?"


def test_an_override_beats_the_profile(write):
    assert load(write(PROFILES), "big", ["tasks.0.num_envs=24"]).tasks[0].num_envs == 24


def test_fewer_environments_than_policies_is_said_of_the_baseline_and_of_each_variant(write):
    found = _found(write(GOOD.replace("num_envs: 48", "num_envs: 4")))
    assert [(line, path) for line, path, _ in found] == [
        (6, "baseline.config.num_policies"),
        (14, "ablations.VaryM.with.1"),
    ]
    assert all("num_envs = 4 cannot be split into" in message for _, _, message in found)


def test_tasks_that_share_an_environment_have_labels_that_tell_them_apart(write):
    text = GOOD.replace(
        "num_envs: 48}", "num_envs: 48}\n  - {env: maze/deceptive, num_envs: 48, options: {time_limit: 64}}"
    )
    labels = [task.label for task in load(write(text)).tasks]
    assert labels == ["maze/deceptive (time_limit=128)", "maze/deceptive (time_limit=64)"]


def test_a_default_secondary_metric_gives_way_to_the_primary(write):
    study = load(write(GOOD + "metrics: {primary: {summary: auc}}\n"))
    assert study.metrics.secondary == ["time_to_threshold"]


def test_a_third_partys_algorithm_and_environment_are_checked_alike(toy, write):
    text = (
        GOOD.replace("sapg", "toy")
        .replace("num_policies: 6", "rate: 0.5")
        .replace("learning_rate: 1e-3", "drift: plan")
    )
    text = text.replace("maze/deceptive", "toy/walk")
    messages = [message for _, _, message in _found(write(text))]
    assert messages == ["no variant `plan`. Did you mean `plain`? Variants: momentum, plain."]


JUNK = [None, 3, "x", "", [], {}, True, -1.5, 10**30, [[1]], [None], {"a": {"b": 1}}, {"kind": 3}, "TODO"]


def _places(data, path=()):
    yield path
    for step in data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        yield from _places(data[step], (*path, step))


def test_nonsense_anywhere_is_a_problem_or_harmless_but_never_a_crash(write):
    import copy
    import json

    from ablate.yaml_lines import parse

    good = parse(PROFILES + "controls: {PPO: {algorithm: ppo}}\nmetrics: {primary: {margin: 5%}}\n", "x").data
    refused = 0
    for number, path in enumerate(_places(good)):
        for junk in JUNK[number % 2 :: 2]:
            data = copy.deepcopy(good)
            place = data
            for step in path[:-1]:
                place = place[step]
            if path:
                place[path[-1]] = junk
            else:
                data = junk
            for profile in (None, "big") if path[:1] == ("profiles",) else (None,):
                file = write(json.dumps(data))
                study, problems = check(file, profile)
                assert (study is None) == bool(problems), (path, junk)
                assert all(one.message and one.lines(str(file)) for one in problems)
                refused += bool(problems)
    assert refused > 150
