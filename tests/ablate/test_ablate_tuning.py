# ruff: noqa: E501
"""The ``tune:`` block before anything runs: what it refuses, what it asks for, and how it chooses."""

import json
import textwrap

import pytest

from ablate.cells import cells
from ablate.decisions import best
from ablate.manifest import manifest_of
from ablate.plan import make_plan
from ablate.schema import json_schema
from ablate.store import Store
from ablate.study import check, load

TEXT = textwrap.dedent("""\
    schema: ablate/v1
    study: toys
    baseline: {algorithm: toy, config: {rate: 0.1}}
    tasks: [{env: toy/walk, num_envs: 4}]
    budget: {env_steps: 1600}
    evaluation: {points: 4, episodes: 3}
    seeds: {count: 3}
    ablations:
      NoMomentum: {component: drift, action: REMOVE}
    controls:
      Other: {algorithm: toy, config: {rate: 0.5, drift: {beta: 0.5}}}
    """)
TUNE = textwrap.dedent("""\
    tune:
      field: rate
      values: [0.3, 0.1, 0.03]
      seeds: {count: 2, start: 1000}
      budget: {env_steps: 800}
    """)
TWO_TASKS = TEXT.replace("num_envs: 4}]", "num_envs: 4}, {env: toy/walk, num_envs: 4, options: {scale: 9.0}}]")

pytestmark = pytest.mark.usefixtures("toy")


@pytest.fixture
def write(tmp_path):
    def written(text):
        file = tmp_path / "toys.yaml"
        file.write_text(text)
        return file

    return written


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


MISTAKES = {
    "unknown field": ("field: rate", "field: ratte", 13, "tune.field", "`baseline` (toy) has no field `ratte`. Did you mean `rate`?"),
    "field of one arm only": ("field: rate", "field: drift.betta", 13, "tune.field", "`baseline` (toy) has no field `drift.betta`. Did you mean `drift.beta`?"),
    "one value": ("[0.3, 0.1, 0.03]", "[0.3]", 14, "tune.values", "must have at least 2 items, found 1."),
    "text for a number": ("[0.3, 0.1, 0.03]", "[0.3, fast]", 14, "tune.values.1", 'expected a number, found the text "fast".'),
    "a value twice": ("[0.3, 0.1, 0.03]", "[1, 0.1, 1.0]", 14, "tune.values.2", "1 is listed twice."),
    "seeds of the study": ("start: 1000", "start: 1", 15, "tune.seeds", "seeds 1, 2 are among the study's own: what is tuned on them would be compared on them. Start at 3 or beyond."),
    "one seed of the study": ("{count: 2, start: 1000}", "[7, 2]", 15, "tune.seeds", "seed 2 is among the study's own"),
    "a seed twice": ("{count: 2, start: 1000}", "[7, 8, 7]", 15, "tune.seeds.2", "seed 7 is listed twice"),
    "unknown key": ("field: rate", "field: rate\n  sumary: auc", 14, "tune.sumary", "unknown field. Did you mean `summary`?"),
    "budget below one iteration": ("env_steps: 800", "env_steps: 3", 16, "tune.budget.env_steps", "3 steps are less than one iteration"),
    "more evaluations than iterations": ("env_steps: 800", "env_steps: 8", 16, "tune.budget.env_steps", "4 evaluations need as many iterations"),
    "arms that differ in the field only": ("{rate: 0.5, drift: {beta: 0.5}}", "{rate: 0.5}", 11, "controls.Other", "`Other` differs from the baseline in `rate` only, which `tune` chooses for both"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_one_mistake_is_one_problem_at_its_line(name, write):
    old, new, line, path, sentence = MISTAKES[name]
    text = TEXT + TUNE
    assert text.count(old) == 1
    study, (problem,) = check(write(text.replace(old, new)))
    assert study is None
    assert (problem.origin.line, problem.path) == (line, path)
    assert sentence in problem.message


GYM = textwrap.dedent("""\
    schema: ablate/v1
    study: tiny
    baseline: {algorithm: sapg, config: {num_policies: 4}}
    tasks: [{env: maze/deceptive, num_envs: 48}]
    budget: {env_steps: 20_000}
    seeds: [0]
    ablations:
      NoAggregate: {component: aggregation, action: REMOVE}
    controls:
      PPO: {algorithm: ppo}
    tune: {field: learning_rate, values: [1e-3, -1], seeds: [5]}
    """)


def test_values_out_of_range_and_fields_that_an_arm_has_not_are_said_of_the_arm(write):
    (range_problem,) = check(write(GYM))[1]
    assert (range_problem.path, range_problem.message) == ("tune.values.1", "must be greater than 0, found -1.")
    other = GYM.replace("learning_rate, values: [1e-3, -1]", "num_policies, values: [2, 8]")
    (problem,) = check(write(other))[1]
    assert (problem.origin.line, problem.path) == (11, "tune.field")
    assert problem.message.startswith("`PPO` (ppo) has no field `num_policies`.")
    nested = GYM.replace("learning_rate, values: [1e-3, -1]", "aggregation.off_policy_coef, values: [0.5, 1]")
    assert check(write(nested))[1][0].message.startswith(
        "`NoAggregate` (sapg) has no field `aggregation.off_policy_coef`."
    )


def test_a_value_that_does_not_fit_the_task_is_refused_at_its_line(write):
    text = GYM.replace("  PPO: {algorithm: ppo}", "  Two: {algorithm: sapg, config: {entropy: none}}")
    text = text.replace("learning_rate, values: [1e-3, -1]", "num_policies, values: [2, 5]")
    problems = check(write(text))[1]
    assert {(one.origin.line, one.path) for one in problems} == {(11, "tune.values.1")}
    assert problems[0].message.startswith(
        "baseline with num_policies 5 on maze/deceptive: num_envs = 48 cannot be split into 5"
    )


def test_profiles_change_or_drop_the_block(write):
    profiles = (
        "profiles:\n  less: {tune: {seeds: [50], values: [1, 2]}}\n  none: {tune: null}\n  bad: {tune: {seeds: [2]}}\n"
    )
    file = write(TEXT + TUNE + profiles)
    assert load(file).tune.texts == ("0.3", "0.1", "0.03")
    assert (load(file, "less").tune.seeds, load(file, "less").tune.texts, load(file, "less").tune.env_steps) == (
        (50,),
        ("1", "2"),
        800,
    )
    assert load(file, "none").tune is None
    (problem,) = check(file, "bad")[1]
    assert (problem.origin.line, problem.path) == (20, "tune.seeds")


def test_without_a_budget_tuning_runs_take_the_studys(write):
    assert load(write(TEXT + TUNE.replace("  budget: {env_steps: 800}\n", ""))).tune.env_steps == 1600


def test_the_published_schema_knows_the_block(write):
    import jsonschema

    validator = jsonschema.Draft202012Validator(json_schema())
    from ablate.yaml_lines import parse

    profile = "profiles:\n  less: {tune: {seeds: [50]}}\n  none: {tune: null}\n"
    assert list(validator.iter_errors(parse(TEXT + TUNE + profile, "x").data)) == []
    assert list(validator.iter_errors(parse(TEXT + TUNE.replace("values", "vales"), "x").data))


def test_a_block_asks_for_more_cells_and_changes_none(write, store):
    plain = cells(study := load(write(TEXT)), study.variants)
    plan = make_plan(load(write(TEXT + TUNE)), store, probe=False)
    assert [one.cell.hash for one in plan.main] == [cell.hash for cell in plain]
    tune = [one.cell for one in plan.cells if one.cell.stage == "tune"]
    assert len(tune) == len(plan.cells) - len(plain) == 3 * 3 * 2
    assert {cell.seed for cell in tune} == {1000, 1001}
    assert {cell.identity["budget"]["env_steps"] for cell in tune} == {800}
    assert {(cell.value, cell.identity["algorithm"]["config"]["rate"]) for cell in tune} == {
        ("0.3", 0.3),
        ("0.1", 0.1),
        ("0.03", 0.03),
    }
    # Nothing is decided: of 9 + 9 cells those as is are known, the others are one of three sets.
    assert plan.tuning.retuned == ()
    assert plan.tuning.at_most == 9
    assert "tune" not in manifest_of(make_plan(load(write(TEXT)), store, probe=False), store)


def finish(store, plan, score, failed=lambda cell: False):
    """Write the tuning cells of a plan: a curve that ends at ``score(cell)``."""
    for one in plan.cells:
        cell = one.cell
        if cell.stage != "tune":
            continue
        place = store.cell(cell.hash)
        place.write_identity(cell.identity)
        end = score(cell)
        place.append([{"env_steps": step, "eval/return": end * step / 800} for step in (200, 400, 600, 800)])
        place.write_status({"state": "FAILED" if failed(cell) else "DONE", "env_steps": 800})


def choices(plan):
    texts = plan.study.tune.texts
    return {arm.variant: None if arm.chosen is None else texts[arm.chosen] for arm in plan.tuning.arms}


def test_every_arm_gets_the_value_that_does_best_on_the_tuning_seeds(write, store):
    study = load(write(TEXT + TUNE))
    wanted = {"baseline": "0.3", "NoMomentum": "0.1", "Other": "0.03"}
    finish(
        store,
        make_plan(study, store, probe=False),
        lambda cell: 5.0 + (cell.value == wanted[cell.variant]) + cell.seed / 1e6,
    )
    plan = make_plan(study, store, probe=False)
    assert choices(plan) == wanted
    assert plan.tuning.complete
    assert [arm.edge for arm in plan.tuning.arms] == [True, False, True]
    # NoMomentum keeps its own value: its retuned cells are its main cells, and are listed once.
    main = {one.cell.hash: one.cell for one in plan.main}
    kept = [cell for cell in plan.tuning.retuned if cell.variant == "NoMomentum"]
    assert [main[cell.hash].seed for cell in kept] == [0, 1, 2]
    assert sum(one.cell.stage == "retuned" for one in plan.cells) == 6
    assert len({one.cell.hash for one in plan.cells}) == len(plan.cells)
    # Worked out anew it is the same, to the last digit of what the manifest records.
    again = manifest_of(make_plan(study, store, probe=False), store)["tune"]
    assert json.loads(json.dumps(again)) == again == manifest_of(plan, store)["tune"]
    scores = plan.tuning.arms[0].scores
    assert scores[0][0] == pytest.approx((6.0 + 1000.5 / 1e6) * 0.625)


def test_lower_is_better_where_the_study_says_so(write, store):
    text = TEXT + TUNE + "metrics: {primary: {goal: min}}\n"
    study = load(write(text))
    finish(store, make_plan(study, store, probe=False), lambda cell: float(cell.value))
    plan = make_plan(study, store, probe=False)
    assert set(choices(plan).values()) == {"0.03"}
    assert [row[0] for row in plan.tuning.arms[0].scores] == pytest.approx([0.3 * 0.625, 0.1 * 0.625, 0.03 * 0.625])


def test_final_and_mean_along_the_run_may_choose_differently(write, store):
    study = load(write(TEXT + TUNE))
    for one in make_plan(study, store, probe=False).cells:
        if one.cell.stage == "tune":
            early = one.cell.value == "0.3"
            place = store.cell(one.cell.hash)
            place.write_identity(one.cell.identity)
            place.append(
                [
                    {"env_steps": step, "eval/return": 5.0 if early else 10.0 * (step == 800)}
                    for step in (200, 400, 600, 800)
                ]
            )
            place.write_status({"state": "DONE"})
    assert choices(make_plan(study, store, probe=False))["baseline"] == "0.3"
    final = load(write(TEXT + TUNE + "  summary: final\n"))
    assert choices(make_plan(final, store, probe=False))["baseline"] == "0.1", (
        "a tie of 0.1 and 0.03, and 0.1 is its own"
    )


def test_an_arm_is_decided_when_its_own_runs_have_ended(write, store):
    study = load(write(TEXT + TUNE))
    plan = make_plan(study, store, probe=False)
    finish(store, plan, lambda cell: float(cell.value))
    (last,) = [
        one.cell for one in plan.cells if (one.cell.variant, one.cell.value, one.cell.seed) == ("Other", "0.03", 1001)
    ]
    store.cell(last.hash).write_status({"state": "INTERRUPTED"})
    plan = make_plan(study, store, probe=False)
    assert choices(plan) == {"baseline": "0.3", "NoMomentum": "0.3", "Other": None}
    assert (plan.tuning.complete, plan.tuning.at_most, plan.tuning.arms[2].ended) == (False, 3, 5)


def test_failed_runs_score_the_floor_and_are_chosen_last(write, store):
    study = load(write(TEXT + TUNE))
    plan = make_plan(study, store, probe=False)
    # 0.3 would win by far, but one of its runs failed; all of 0.03's did.
    score = {"0.3": 100.0, "0.1": 60.0, "0.03": 500.0}
    finish(
        store,
        plan,
        lambda cell: score[cell.value],
        lambda cell: cell.value == "0.03" or (cell.value == "0.3" and cell.seed == 1000),
    )
    arm = make_plan(study, store, probe=False).tuning.arms[0]
    assert [row[0] for row in arm.scores] == pytest.approx([(60 + 100) / 2 * 0.625, 60 * 0.625, 60 * 0.625])
    assert (arm.failed, arm.chosen) == ((1, 0, 2), 0)


def test_an_arm_all_of_whose_runs_fail_takes_the_value_nearest_to_its_own(write, store):
    study = load(write(TEXT + TUNE))
    finish(store, make_plan(study, store, probe=False), lambda cell: 1.0, lambda cell: True)
    plan = make_plan(study, store, probe=False)
    assert choices(plan) == {"baseline": "0.1", "NoMomentum": "0.1", "Other": "0.3"}
    assert plan.tuning.arms[0].scores == ((None,), (None,), (None,))
    assert json.dumps(manifest_of(plan, store), allow_nan=False)


def test_tasks_of_different_scale_weigh_alike(write, store):
    study = load(write(TWO_TASKS + TUNE))
    # The second task's scores are a million times larger; on it 0.1 is nearly best, on the first 0.03 is bad.
    score = {"0.3": (0.0, 1e6), "0.1": (0.9, 0.95e6), "0.03": (1.0, 0.0)}
    finish(store, make_plan(study, store, probe=False), lambda cell: score[cell.value][cell.task])
    assert set(choices(make_plan(study, store, probe=False)).values()) == {"0.1"}


@pytest.mark.parametrize(
    ("means", "failed", "values", "own", "index"),
    [
        ([[1.0], [3.0], [2.0]], [], [1, 2, 3], 9, 1),
        ([[3.0], [3.0], [3.0]], [], [0.003, 0.001, 0.0003], 0.001, 1),
        ([[3.0], [1.0], [3.0]], [], [0.003, 0.001, 0.0004], 0.001, 2),  # by ratio: 2.5 is nearer than 3
        ([[3.0], [3.0]], [], [-1.0, 2.0], 0.0, 0),  # by difference, where not all are positive
        ([[3.0], [3.0]], [], ["adam", "sgd"], "sgd", 1),
        ([[3.0], [3.0]], [], ["adam", "lion"], "sgd", 0),
        ([[1.0], [2.0]], [False, True], [1, 2], 2, 0),
        ([[None], [None]], [True, True], [1, 2], 2, 1),
        ([[0.1 + 0.2, 0.0], [0.3, 0.0]], [], [1, 2], 2, 1),  # rounding breaks no tie
    ],
)  # fmt: skip
def test_best(means, failed, values, own, index):
    assert best(means, failed or [False] * len(means), values, own, [None] * len(means[0])) == index


def test_a_declared_range_keeps_the_noise_of_a_solved_task_from_deciding():
    means = [[0.999, 0.2], [1.0, 0.1]]
    assert best(means, [False, False], [1, 2], 2, [1.0, 1.0]) == 0
    assert best(means, [False, False], [1, 2], 2, [None, None]) == 1  # each wins one task; the tie keeps its own
