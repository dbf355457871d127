"""Plans against a real store, with a third party's algorithm that is cheap to probe."""

import json

import pytest

from ablate.errors import UsageError
from ablate.plan import make_plan, write_manifest
from ablate.select import chosen
from ablate.store import Store
from ablate.study import load

STUDY = """\
schema: ablate/v1
study: toys
question: Does momentum matter?
baseline: {algorithm: toy}
tasks: [{env: toy/walk, num_envs: 4}]
budget: {env_steps: 1600}
evaluation: {points: 4, episodes: 3}
seeds: {count: 3}
ablations:
  NoMomentum: {part: momentum, component: drift, action: REMOVE, expect: worse}
  Beta: {component: drift, action: REPLACE, with: [{beta: 0.5}, {beta: 0.1}]}
resources: {max_concurrent: 1, gpus_per_pack: 0}
"""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


@pytest.fixture
def study(tmp_path, toy):
    return _loaded(tmp_path)


def _loaded(tmp_path, text=STUDY, **kwargs):
    file = tmp_path / "toys.yaml"
    file.write_text(text)
    return load(file, **kwargs)


def _finish(store, plan, names=None, state="DONE", scores=None, **status):
    for index, one in enumerate(plan.cells):
        if names is None or one.cell.variant in names:
            cell = store.cell(one.cell.hash)
            cell.write_identity(one.cell.identity)
            cell.append([{"env_steps": 1600, "eval/return": (scores or {}).get(one.cell.seed, float(index))}])
            cell.write_status({"state": state, **status})


def _counts(plan):
    return {state: count for state, count in plan.counts().items() if count}


def test_states_come_from_the_store(study, store):
    plan = make_plan(study, store, probe=False)
    assert _counts(plan) == {"new": 12}
    _finish(store, plan, ["baseline"])
    _finish(store, plan, ["NoMomentum"], "FAILED")
    _finish(store, plan, ["Beta[beta=0.5]"], "RUNNING")  # nobody holds the locks: its process was killed
    plan = make_plan(study, store, probe=False)
    assert _counts(plan) == {"new": 3, "cached": 3, "failed": 3, "interrupted": 3}
    assert {one.cell.variant for one in plan.missing()} == {"Beta[beta=0.5]", "Beta[beta=0.1]"}


def test_a_locked_cell_is_running_and_not_missing(study, store):
    plan = make_plan(study, store, probe=False)
    _finish(store, plan, ["baseline"], "RUNNING")
    with store.cell(plan.cells[0].cell.hash).lock():
        plan = make_plan(study, store, probe=False)
    assert _counts(plan) == {"new": 9, "interrupted": 2, "running": 1}


def test_changed_code_makes_finished_cells_stale(study, store, tmp_path, monkeypatch):
    plan = make_plan(study, store, probe=False)
    _finish(store, plan, ["baseline", "NoMomentum"])
    write_manifest(plan, store)
    monkeypatch.setattr("ablate.cells.code_digest", lambda sources: "changed")
    plan = make_plan(study, store, probe=False)
    assert _counts(plan) == {"new": 6, "stale": 6}
    assert {one.cell.variant for one in plan.missing() if one.state == "stale"} == {"baseline", "NoMomentum"}


def test_what_the_study_no_longer_asks_for_is_orphaned(study, store, tmp_path):
    plan = make_plan(study, store, probe=False)
    _finish(store, plan)
    write_manifest(plan, store)
    fewer = _loaded(tmp_path, STUDY.replace("seeds: {count: 3}", "seeds: [0, 7]"))
    assert _counts(make_plan(fewer, store, probe=False)) == {"cached": 4, "new": 4, "orphaned": 8}


def test_cells_that_never_ran_are_no_orphans(study, store, tmp_path):
    write_manifest(make_plan(study, store, probe=False), store)
    other = _loaded(tmp_path, STUDY.replace("1600", "3200"))
    assert _counts(make_plan(other, store, probe=False)) == {"new": 12}


def test_another_profile_orphans_nothing(study, store, tmp_path):
    plan = make_plan(study, store, probe=False)
    _finish(store, plan)
    write_manifest(plan, store)
    text = STUDY + "profiles: {long: {budget: {env_steps: 3200}}}\n"
    assert _counts(make_plan(_loaded(tmp_path, text, profile="long"), store, probe=False)) == {"new": 12}


def test_finished_cells_are_shared_between_studies(study, store, tmp_path):
    _finish(store, make_plan(study, store, probe=False))
    other = STUDY.replace("study: toys", "study: others").replace("NoMomentum:", "Without:")
    assert _counts(make_plan(_loaded(tmp_path, other), store, probe=False)) == {"cached": 12}


def test_a_probe_measures_once_per_machine_and_predicts_time(study, store):
    told = []
    plan = make_plan(study, store, progress=told.append)
    assert len(told) == 4
    assert plan.warnings == ()
    assert plan.estimate.packs == 4
    assert plan.estimate.workers == 1
    assert 0 < plan.estimate.seconds == pytest.approx(plan.estimate.pack_seconds)
    assert plan.figures[("baseline", 0)] == {"parameters": 3.0, "env_steps_per_iteration": 16.0}
    again = make_plan(study, store, progress=told.append)
    assert len(told) == 4, "remembered"
    assert again.estimate == plan.estimate
    assert make_plan(study, store, probe=False).estimate == plan.estimate


def test_the_estimate_follows_what_was_measured(study, store, tmp_path):
    slow = _loaded(tmp_path, STUDY.replace("{algorithm: toy}", "{algorithm: toy, config: {iteration_s: 0.05}}"))
    plan = make_plan(slow, store)
    # 4 packs of 1600 / 16 = 100 iterations of 50 ms on one worker
    assert plan.estimate.seconds == pytest.approx(4 * 100 * 0.05, rel=0.25)


def test_without_probes_there_is_no_estimate(study, store):
    plan = make_plan(study, store, probe=False)
    assert plan.estimate is None
    assert plan.figures == {}
    assert not store.home.exists(), "a plan that measures nothing writes nothing"


def test_a_trainer_that_breaks_is_a_warning_and_no_crash(study, store, tmp_path):
    broken = _loaded(tmp_path, STUDY.replace("{algorithm: toy}", "{algorithm: toy, config: {fault: raise}}"))
    plan = make_plan(broken, store)
    assert len(plan.warnings) == 4
    assert "ZeroDivisionError: the toy was told to" in plan.warnings[0]
    assert plan.estimate is None


def test_figures_of_finished_cells_need_no_probe(study, store):
    plan = make_plan(study, store, probe=False)
    _finish(store, plan, ["baseline"], describe={"parameters": 100.0, "minibatches": 2.0})
    _finish(store, plan, ["NoMomentum"], describe={"parameters": 150.0, "minibatches": 2.0})
    plan = make_plan(study, store, probe=False)
    assert plan.confounds("NoMomentum", 0) == {"parameters": (100.0, 150.0)}
    assert plan.confounds("Beta[beta=0.5]", 0) == {}


def test_the_spread_of_a_known_baseline_is_reported(study, store):
    plan = make_plan(study, store, probe=False)
    assert plan.spread == {}
    _finish(store, plan, ["baseline"], scores={0: 1.0, 1: 2.0, 2: 3.0})
    assert make_plan(study, store, probe=False).spread == {0: 1.0}


def test_power_counts_the_ablation_variants(study, store):
    plan = make_plan(study, store, probe=False)
    assert (plan.power.contrasts, plan.power.seeds, plan.power.tasks) == (3, 3, 1)


def test_the_manifest_holds_what_the_report_needs(study, store):
    plan = make_plan(study, store, probe=False)
    manifest = json.loads(write_manifest(plan, store).read_text())
    assert manifest["schema"] == "ablate-manifest/v1"
    assert manifest["home"] == str(store.home)
    assert manifest["primary"] == {"name": "eval/return", "summary": "final", "goal": "max", "margin": 0.1}
    assert manifest["tasks"] == [{"id": "toy/walk", "label": "toy/walk", "score_range": None, "num_envs": 4}]
    assert manifest["variants"][1] == {
        "name": "NoMomentum",
        "role": "ablation",
        "ablation": "NoMomentum",
        "part": "momentum",
        "component": "drift",
        "action": "REMOVE",
        "expect": "worse",
        "label": "drift: momentum → plain",
        "color": "#0072B2",
    }
    assert [one["name"] for one in manifest["variants"]] == [
        "baseline",
        "NoMomentum",
        "Beta[beta=0.5]",
        "Beta[beta=0.1]",
    ]
    assert manifest["cells"][0] == {"hash": plan.cells[0].cell.hash, "variant": "baseline", "task": 0, "seed": 0}
    assert len(manifest["cells"]) == 12
    assert manifest["study_yaml"] == STUDY
    assert (manifest["budget"], manifest["seeds"], manifest["alpha"]) == ({"env_steps": 1600}, [0, 1, 2], 0.05)


@pytest.mark.parametrize(
    ("selectors", "count"),
    [
        ([], 12),
        (["ablation:No*"], 3),
        (["ablation:*"], 9),
        (["variant:baseline"], 3),
        (["variant:Beta[beta=0.5]"], 3),
        (["variant:Beta[[]*"], None),
        (["variant:Beta*", "seed:0"], 2),
        (["variant:baseline", "variant:NoMomentum", "seed:0-1"], 4),
        (["seed:0,2"], 8),
        (["state:cached"], 3),
        (["state:done,new"], 12),
        (["state:failed"], 0),
        (["task:toy/*"], 12),
    ],
)
def test_selectors(study, store, selectors, count):
    _finish(store, make_plan(study, store, probe=False), ["baseline"])
    plan = make_plan(study, store, probe=False)
    if count is None:
        with pytest.raises(UsageError, match="matches no cell"):
            chosen(plan.cells, selectors, study)
    else:
        assert len(chosen(plan.cells, selectors, study)) == count


@pytest.mark.parametrize(
    ("selector", "sentence"),
    [
        ("sed:0", "no selector key `sed`. Did you mean `seed`?"),
        ("seed", "write key:pattern"),
        ("seed:a-b", "write seeds as 3, 0-3 or 0-3,7"),
        ("seed:9", "matches no cell"),
        ("state:faild", "no state `faild`. Did you mean `failed`?"),
        ("ablation:NoMomentun", "Did you mean `NoMomentum`?"),
        ("cell:zz", "matches no cell"),
    ],
)
def test_a_selector_that_selects_nothing_says_why(study, store, selector, sentence):
    with pytest.raises(UsageError) as caught:
        chosen(make_plan(study, store, probe=False).cells, [selector], study)
    assert sentence in str(caught.value)
