import json
import textwrap

import pytest

from ablate.cells import cells
from ablate.cli import run
from ablate.study import check, load

STUDY = textwrap.dedent("""\
    schema: ablate/v1
    study: parts
    baseline: {algorithm: sapg, config: {num_policies: 4}}
    tasks: [{env: maze/open, num_envs: 64}]
    budget: {env_steps: 200_000}
    seeds: {count: 4}
    ablations:
      NoAggregate: {component: aggregation, action: REMOVE}
      NoEntropy: {component: entropy, action: REMOVE}
      NoLatents: {component: conditioning, action: REMOVE}
      VaryM: {component: num_policies, action: REPLACE, with: [2, 8]}
    controls:
      PPO: {algorithm: ppo}
    """)
THREE = "factors: [NoAggregate, NoEntropy, NoLatents]"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "home"))
    (tmp_path / "plain.yaml").write_text(STUDY)


def write(design, text=STUDY):
    from pathlib import Path

    Path("study.yaml").write_text(f"{text}design: {{{design}}}\n")
    return "study.yaml"


def told(design, text=STUDY):
    _, problems = check(write(design, text))
    return [one.message for one in problems]


@pytest.mark.parametrize(("kind", "extra"), [
    ("leave_one_out", []),
    ("pairwise", ["NoAggregate+NoEntropy", "NoAggregate+NoLatents", "NoEntropy+NoLatents"]),
    ("full_factorial",
     ["NoAggregate+NoEntropy", "NoAggregate+NoLatents", "NoEntropy+NoLatents", "NoAggregate+NoEntropy+NoLatents"]),
])  # fmt: skip
def test_arms_are_named_by_the_changes_they_make(kind, extra):
    plain = load("plain.yaml")
    study = load(write(f"kind: {kind}" + (f", {THREE}" if extra else "")))
    assert [one.name for one in study.variants] == [*(one.name for one in plain.variants), *extra]
    for name in extra:
        arm = study.variant(name)
        assert arm.role == "design"
        assert set(arm.delta) == {key for one in name.split("+") for key in study.variant(one).delta}
        for one in name.split("+"):
            assert study.variant(one).delta.items() <= arm.delta.items()


def test_cells_without_a_design_and_of_its_single_changes_are_the_same():
    plain = load("plain.yaml")
    before = {one.hash for one in cells(plain, plain.variants)}
    study = load(write(f"kind: full_factorial, {THREE}"))
    after = {one.hash for one in cells(study, study.variants)}
    assert before < after and len(after) == len(before) + 4 * 4
    assert [one.color for one in plain.variants] == [one.color for one in study.variants][: len(plain.variants)]


def test_add_one_in_runs_the_stripped_method_and_each_part_put_back():
    study = load(write(f"kind: add_one_in, {THREE}"))
    stripped = study.variant("NoAggregate+NoEntropy+NoLatents")
    assert set(stripped.delta) == {"aggregation", "entropy", "conditioning"}
    assert [one.name for one in study.variants if one.role == "design"][-1] == stripped.name
    assert len(study.design.arms) == 2 * 3 + 2


def test_a_fraction_runs_its_settings_and_each_change_alone():
    study = load(write(f"kind: fractional_factorial, resolution: 3, {THREE}"))
    assert len(study.design.part.settings) == 4
    assert len(study.design.arms) == 7


def test_what_a_design_cannot_be_is_said():
    assert "`VaryM` has several values; a factor is made or not made. List the others as `factors`." in told(
        "kind: pairwise"
    )
    assert told("kind: pairwise, factors: [NoAggregate, NoEntrpy]")[0].startswith(
        "no ablation `NoEntrpy`. Did you mean `NoEntropy`?"
    )
    assert "`NoEntropy` is listed twice." in told("kind: pairwise, factors: [NoEntropy, NoEntropy]")
    assert told(f"kind: pairwise, resolution: 4, {THREE}") == [
        "belongs to a `fractional_factorial`, not to `pairwise`."
    ]
    assert told(f"kind: fractional_factorial, {THREE}") == [
        "a fraction needs a `resolution`. With 3 factors: 3 (4 settings)."
    ]
    assert told(f"kind: fractional_factorial, resolution: 5, {THREE}") == [
        "3 factors have no fraction of resolution 5. There is 3 (4 settings), or `kind: full_factorial`."
    ]
    assert told("kind: leave_one_out, factors: [NoEntropy, NoLatents]")[0].startswith("means nothing")
    adaptive = STUDY.replace("{count: 4}", "{adaptive: {looks: [5, 8]}}")
    assert told(f"kind: pairwise, {THREE}", adaptive)[0].startswith("needs equal seeds")


def test_two_changes_of_one_component_cannot_be_made_at_once():
    twice = STUDY.replace(
        "controls:", "  Symmetric: {component: aggregation, action: REPLACE, with: symmetric}\ncontrols:"
    )
    assert told("kind: pairwise, factors: [NoAggregate, Symmetric]", twice) == [
        "`NoAggregate` and `Symmetric` both change `aggregation`: they cannot be made at once."
    ]
    taken = STUDY.replace("VaryM:", "NoAggregate+NoEntropy:").replace("with: [2, 8]", "with: 2")
    assert told("kind: pairwise, factors: [NoAggregate, NoEntropy]", taken) == [
        "the name `NoAggregate+NoEntropy` is taken, but the design calls an arm so."
    ]


def test_a_full_factorial_takes_so_many_factors(monkeypatch):
    from reports import factorial

    monkeypatch.setattr(factorial, "MOST_FULL", 2)
    assert told(f"kind: full_factorial, {THREE}")[0].startswith("3 factors make 8 arms; a full factorial takes 2")


def test_plan_says_what_a_design_costs_and_shows(capsys):
    assert run(["plan", write(f"kind: full_factorial, {THREE}"), "--no-probe"]) == 0
    out = capsys.readouterr().out
    assert "8 arms, 32 cells (leave one out alone: 4 arms, 16 cells)" in out
    known = "leave one out 16, add one in 32, pairwise 28, fractional factorial of resolution III 28."
    assert f"Cells of other designs: {known}" in out
    assert "leave one out 0.71, add one in 0.71, main effect 0.35" in out and "Shapley value 0.37" in out
    assert run(["plan", write(f"kind: fractional_factorial, resolution: 3, {THREE}"), "--no-probe", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["design"]
    assert (found["resolution"], found["arms"], found["generators"]) == (3, 7, ["C=AB"])
    assert [["NoAggregate"], ["NoEntropy", "NoLatents"]] in found["aliases"]
    assert {one["kind"]: one["arms"] for one in found["others"]} == {
        "leave_one_out": 4, "add_one_in": 8, "pairwise": 7, "full_factorial": 8,
    }  # fmt: skip
    assert run(["plan", "plain.yaml", "--no-probe", "--json"]) == 0
    assert "design" not in json.loads(capsys.readouterr().out)
