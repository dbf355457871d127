import numpy as np
import pytest
from report_cells import Arm, write_study

from reports.export import POINT_COLUMNS, RUN_COLUMNS, columns_of, point_records, run_records
from reports.scores import load

ARMS = [
    Arm("baseline", role="baseline", action=None),
    Arm("NoLatents", 0.6, component="conditioning", failed=(1,), missing=(2,)),
    Arm("VaryM[2]", 0.8, component="num_policies", action="REPLACE"),
]


@pytest.fixture
def table(tmp_path):
    return load(write_study(tmp_path, ARMS, seeds=4, tasks=2, extra_rows=6))


def test_one_row_per_cell_scored_or_not(table):
    rows = run_records(table, {"NoLatents": '{"conditioning": ["latents", "none"]}'})
    assert [(row["variant"], row["task"], row["seed"]) for row in rows] == [
        (run.cell.variant, table.manifest.tasks[run.cell.task].label, run.cell.seed) for run in table.runs
    ]
    assert all(row.keys() == RUN_COLUMNS.keys() for row in rows)
    assert {row["delta"] for row in rows} == {None, '{"conditioning": ["latents", "none"]}'}
    assert {row["ablation"] for row in rows} == {None, "NoLatents", "VaryM"}


def test_failed_runs_carry_the_floor_and_missing_ones_nothing(table):
    rows = {(row["variant"], row["seed"]): row for row in run_records(table, {}) if row["task"].endswith("-0")}
    failed, missing = rows["NoLatents", 1], rows["NoLatents", 2]
    assert (failed["state"], failed["score"], failed["reached_threshold"]) == ("failed", 0.0, False)
    assert failed["time_to_threshold"] == table.manifest.budget
    assert "the worker died" in failed["reason"]
    assert (missing["state"], missing["score"], missing["time_to_threshold"]) == ("missing", None, None)


def test_scores_are_those_of_the_report_in_the_metrics_own_sign(tmp_path):
    manifest = write_study(tmp_path, ARMS[:1], seeds=3, score_range=None, primary={"goal": "min", "summary": "auc"})
    table = load(manifest)
    rows = run_records(table, {})
    np.testing.assert_allclose([row["score"] for row in rows], -table.scores("baseline", 0))
    assert all(row["score"] == row["auc"] > 0 for row in rows)


def test_one_row_per_evaluation_with_every_metric(table):
    rows = point_records(table)
    done = [row for row in rows if row["state"] == "done"]
    failed = [row for row in rows if row["state"] == "failed"]
    assert len(done) == 20 * (24 - 4)  # training rows hold no evaluation
    assert len(failed) == 10 * 2  # as far as it got
    assert list(columns_of(rows, POINT_COLUMNS))[-2:] == ["eval/length", "eval/return"]
    first = [row for row in rows if row["cell"] == table.runs[0].cell.hash]
    np.testing.assert_array_equal([row["env_steps"] for row in first], table.runs[0].curve[0])
    np.testing.assert_array_equal([row["eval/return"] for row in first], table.runs[0].curve[1])


def test_a_study_that_never_ran_is_a_table_of_missing_runs(tmp_path):
    table = load(write_study(tmp_path, [Arm("baseline", role="baseline", missing=(0, 1))], seeds=2))
    assert [row["state"] for row in run_records(table, {})] == ["missing", "missing"]
    assert point_records(table) == []
