# ruff: noqa: E501
from pathlib import Path

import pytest

from ablate.study import check, load
from ablate.variants import COLORS, expand

HEAD = """\
schema: ablate/v1
study: tiny
baseline: {algorithm: sapg, config: %s}
tasks: [{env: maze/deceptive, num_envs: 48}]
budget: {env_steps: 20_000}
seeds: [0]
"""


@pytest.fixture
def study_of(tmp_path):
    def built(ablations, config="{num_policies: 6}", more=""):
        file = tmp_path / "s.yaml"
        file.write_text(HEAD % config + "ablations:\n" + "".join(f"  {line}\n" for line in ablations) + more)
        return file

    return built


def _labels(file):
    return {one.name: one.label for one in expand(load(file))}


def test_every_form_of_ablation_expands_to_its_difference(study_of):
    file = study_of(
        [
            "Off: {component: aggregation, action: REMOVE}",
            "Sym: {component: aggregation, action: REPLACE, with: symmetric}",
            "High: {component: aggregation, action: REPLACE, with: {kind: high_ratio, off_policy_coef: 0.5}}",
            "Weak: {component: aggregation, action: REPLACE, with: {off_policy_coef: 0.25}}",
            "M: {component: num_policies, action: REPLACE, with: [2, 16]}",
            "Both: {compound: true, set: {conditioning: none, entropy: {kind: none}}}",
            "Cond: {component: conditioning, action: REPLACE, with: [disjoint, {dim: 8}]}",
        ]
    )
    assert _labels(file) == {
        "baseline": "baseline",
        "Off": "aggregation: leader_follower → on_policy_only",
        "Sym": "aggregation: leader_follower → symmetric",
        "High": "aggregation: leader_follower → high_ratio(off_policy_coef=0.5)",
        "Weak": "aggregation.off_policy_coef: 1 → 0.25",
        "M[2]": "num_policies: 6 → 2",
        "M[16]": "num_policies: 6 → 16",
        "Both": "conditioning: latents → none, entropy: ladder → none",
        "Cond[disjoint]": "conditioning: latents → disjoint",
        "Cond[dim=8]": "conditioning.dim: 16 → 8",
    }


def test_a_variant_changes_one_component_and_nothing_else(study_of):
    import dataclasses

    study = load(study_of(["Sym: {component: aggregation, action: REPLACE, with: symmetric}"]))
    base, variant = study.variants
    changed = {
        field.name
        for field in dataclasses.fields(base.config)
        if getattr(base.config, field.name) != getattr(variant.config, field.name)
    }
    assert changed == {"aggregation"}
    assert (variant.role, variant.ablation, variant.component, variant.action) == (
        "ablation",
        "Sym",
        "aggregation",
        "REPLACE",
    )
    assert variant.delta == {
        "aggregation": (
            {"kind": "leader_follower", "off_policy_coef": 1.0},
            {"kind": "symmetric", "off_policy_coef": 1.0},
        )
    }


def test_add_sets_what_the_baseline_lacks(study_of):
    file = study_of(
        ["Add: {component: entropy, action: ADD, with: {kind: ladder, sigma: 0.003}}"],
        "{num_policies: 6, entropy: none}",
    )
    assert _labels(file)["Add"] == "entropy: none → ladder(sigma=0.003)"


def test_a_control_takes_over_what_it_shares_with_the_baseline(study_of):
    more = "controls:\n  PPO: {algorithm: ppo, config: {gamma: 0.9}, note: one policy}\n"
    file = study_of(["Off: {component: aggregation, action: REMOVE}"], "{num_policies: 6, num_steps: 16}", more)
    control = load(file).variant("PPO")
    assert (control.config.num_steps, control.config.gamma) == (16, 0.9)
    assert (control.role, control.algorithm, control.part) == ("control", "ppo", "one policy")
    assert control.label == "algorithm: sapg → ppo, gamma: 0.99 → 0.9"


def test_colours_are_stable_by_order_and_distinct(study_of):
    study = load(study_of([f"M{m}: {{component: num_policies, action: REPLACE, with: {m}}}" for m in (2, 3, 4, 8, 12)]))
    colors = [one.color for one in study.variants]
    assert colors == ["#000000", *COLORS[:5]]
    assert len(set(COLORS)) == len(COLORS)


def test_a_neutral_element_with_settings_may_be_replaced_by_itself_with_others(tmp_path):
    file = tmp_path / "ratio.yaml"
    text = (Path(__file__).parents[2] / "studies" / "splagger_split_ratio.yaml").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    assert [one.label for one in load(file).variants[1:]] == [
        f"split.ratio: 0.5 → {to}" for to in ("0", "0.25", "0.75", "1")
    ]
    file.write_text(text.replace("{ratio: 0.0}", "gate"), encoding="utf-8")
    (problem,) = check(file)[1]
    assert problem.message == "REPLACE: the baseline's `split` is off (`fixed`); use ADD."


BAD = {
    "unknown component": ("{component: entrpy, action: REMOVE}", "X.component", "no component `entrpy`. Did you mean `entropy`? Components: num_policies, aggregation, conditioning, entropy."),
    "a field that is no component": ("{component: gamma, action: REMOVE}", "X.component", "no component `gamma`."),
    "unknown kind": ("{component: aggregation, action: REPLACE, with: symetric}", "X.with.kind", "no variant `symetric`. Did you mean `symmetric`?"),
    "unknown action": ("{component: aggregation, action: DELETE}", "X.action", "expected `REMOVE`, `REPLACE` or `ADD`"),
    "no action": ("{component: aggregation}", "X", "needs an `action`"),
    "no component": ("{action: REMOVE}", "X", "needs a `component`. Components: num_policies"),
    "nothing to put": ("{component: aggregation, action: REPLACE}", "X", "REPLACE needs `with`: one of leader_follower, symmetric"),
    "an empty list": ("{component: num_policies, action: REPLACE, with: []}", "X.with", "the list is empty"),
    "with REMOVE": ("{component: aggregation, action: REMOVE, with: symmetric}", "X.with", "REMOVE takes no `with`"),
    "removed already": ("{component: entropy, action: REMOVE}", "X", "REMOVE does nothing: the baseline's `entropy` is already `none`."),
    "off for on": ("{component: entropy, action: REPLACE, with: [none, ladder]}", "X.action", "the baseline's `entropy` is off (`none`); use ADD."),
    "nothing to replace": ("{component: entropy, action: REPLACE, with: ladder}", "X.action", "the baseline's `entropy` is off (`none`); use ADD."),
    "added already": ("{component: aggregation, action: ADD, with: symmetric}", "X.action", "the baseline already has `aggregation` = `leader_follower`; use REPLACE."),
    "the baseline itself": ("{component: aggregation, action: REPLACE, with: leader_follower}", "X", "`X` is the same as the baseline"),
    "one of several is the baseline": ("{component: num_policies, action: REPLACE, with: [2, 6]}", "X.with.1", "`X[6]` is the same as the baseline"),
    "a value twice": ("{component: num_policies, action: REPLACE, with: [2, 2]}", "X.with.1", "`X[2]` is the same as `X[2]`"),
    "another variant": ("{component: conditioning, action: REPLACE, with: none}", "X", "`X` is the same as `Other`"),
    "two components undeclared": ("{set: {conditioning: none, aggregation: symmetric}}", "X.set", "changes 2 components at once (conditioning, aggregation)"),
    "compound of one": ("{compound: true, set: {conditioning: disjoint}}", "X.compound", "only one component changes"),
    "compound of nothing": ("{compound: true}", "X.compound", "needs `set: {component: value, ...}`"),
    "compound with component": ("{compound: true, component: entropy, set: {conditioning: disjoint, aggregation: symmetric}}", "X.component", "exclude each other"),
    "unknown component in set": ("{compound: true, set: {conditionin: none, aggregation: symmetric}}", "X.set.conditionin", "Did you mean `conditioning`?"),
    "wrong kind in set": ("{compound: true, set: {conditioning: nne, aggregation: symmetric}}", "X.set.conditioning.kind", "no variant `nne`."),
    "text for a number": ("{component: num_policies, action: REPLACE, with: [2, four]}", "X.with.1", 'expected an integer, found the text "four".'),
    "a field the kind has not": ("{component: aggregation, action: REPLACE, with: {kind: on_policy_only, off_policy_coef: 1}}", "X.with.off_policy_coef", "unknown field."),
    "unknown key": ("{component: aggregation, action: REMOVE, expects: worse}", "X.expects", "unknown field. Did you mean `expect`?"),
    "unknown expectation": ("{component: aggregation, action: REMOVE, expect: worst}", "X.expect", "Did you mean `worse`?"),
    "a hole of an import": ("{component: TODO, action: REMOVE}", "X.component", "still TODO: choose a component"),
    "a hole in a list": ("{component: num_policies, action: REPLACE, with: [2, TODO]}", "X.with.1", "still TODO: choose a value"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_ablation_is_one_problem_at_its_line(name, study_of):
    entry, path, sentence = BAD[name]
    file = study_of(
        ["Other: {component: conditioning, action: REMOVE}", f"X: {entry}"], "{num_policies: 6, entropy: none}"
    )
    study, problems = check(file)
    assert study is None
    assert [(one.path, one.origin.line) for one in problems] == [(f"ablations.{path}", 9)]
    assert sentence in problems[0].message


def test_a_control_equal_to_a_variant_is_refused(study_of):
    more = "controls:\n  Same: {algorithm: sapg, config: {aggregation: on_policy_only}}\n"
    study, (problem,) = check(study_of(["Off: {component: aggregation, action: REMOVE}"], more=more))
    assert study is None
    assert (problem.path, problem.message[:32]) == ("controls.Same", "`Same` is the same as `Off`: the")


def test_a_mistake_the_baseline_makes_is_said_once(study_of):
    _, problems = check(study_of(["Off: {component: aggregation, action: REMOVE}"], "{num_policies: 7}"))
    assert [one.path for one in problems] == ["baseline.config.num_policies"]
