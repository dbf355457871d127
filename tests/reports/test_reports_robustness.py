import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from report_cells import Arm, write_study

from reports.robustness import ALTERNATIVES
from reports.scores import load
from reports.verdicts import conclude

BASE = Arm("baseline", role="baseline", action=None)


def with_scores(home, final, auc=None, failed=(), **over):
    """A conclusion on given scores: ``{variant: [task][seed]}``; auc equals final unless given."""
    final = {name: np.atleast_2d(np.asarray(rows, dtype=float)) for name, rows in final.items()}
    tasks, seeds = final["baseline"].shape
    arms = [Arm(name, role="baseline" if name == "baseline" else "ablation", failed=failed) for name in final]
    table = load(write_study(home, arms, tasks=tasks, seeds=seeds, points=2, probes=False, **over))
    other = final if auc is None else {name: np.atleast_2d(np.asarray(rows)) for name, rows in auc.items()}
    runs = [
        dataclasses.replace(
            run,
            final=final[run.cell.variant][run.cell.task][run.cell.seed],
            auc=other[run.cell.variant][run.cell.task][run.cell.seed],
        )
        for run in table.runs
    ]
    return conclude(dataclasses.replace(table, runs=tuple(runs)))


def answers(conclusion):
    return conclusion.contrasts[0].answers


def noisy(centre, seeds=10, seed=0, tasks=1):
    return centre + 0.05 * np.random.default_rng(seed).normal(size=(tasks, seeds))


def test_a_large_effect_survives_everything(tmp_path):
    conclusion = with_scores(tmp_path, {"baseline": noisy(1.0), "A": noisy(0.5, seed=1)})
    row = conclusion.contrasts[0]
    assert set(row.answers) == set(ALTERNATIVES)
    assert {answer for name, answer in row.answers.items() if name != "without failed"} == {-1}
    assert row.answers["without failed"] is None
    assert row.flips(0.05) == ()


def test_only_failures_make_it_hurt(tmp_path):
    own = noisy(1.0, seed=1)
    own[0, :5] = 0.0  # five failed runs at the floor
    arms = [BASE, Arm("A", failed=range(5))]
    table = load(write_study(tmp_path, arms, seeds=10, points=2, probes=False))
    scores = {"baseline": noisy(1.0)[0], "A": own[0]}
    runs = [
        dataclasses.replace(
            run, final=scores[run.cell.variant][run.cell.seed], auc=scores[run.cell.variant][run.cell.seed]
        )
        for run in table.runs
    ]
    row = conclude(dataclasses.replace(table, runs=tuple(runs))).contrasts[0]
    assert row.verdict == "hurts"
    assert row.answers["without failed"] == 0
    assert "without failed" in row.flips(0.05)


def test_iqm_misses_a_dead_task_that_the_mean_sees(tmp_path):
    base, own = np.ones((6, 10)), np.ones((6, 10))
    base[0], own[0], own[3] = noisy(1.0)[0], noisy(1.0, seed=1)[0], 0.0
    conclusion = with_scores(tmp_path, {"baseline": base, "A": own})
    row = conclusion.contrasts[0]
    assert row.verdict == "hurts"
    assert row.answers["IQM"] == 0
    assert row.numbers.spread.driver == 3


def test_the_other_summary_may_disagree(tmp_path):
    final = {"baseline": noisy(1.0), "A": noisy(0.5, seed=1)}
    conclusion = with_scores(tmp_path, final, {"baseline": noisy(1.0), "A": noisy(1.0, seed=1)})
    assert conclusion.contrasts[0].flips(0.05) == ("other summary",)


def test_pairing_by_seed_finds_what_seeds_share(tmp_path):
    shared = np.linspace(-0.6, 0.6, 10)
    conclusion = with_scores(tmp_path, {"baseline": noisy(1.0) + shared, "A": noisy(0.8, seed=1) + shared})
    row = conclusion.contrasts[0]
    assert row.verdict == "inconclusive"
    assert row.answers["paired"] == -1
    assert "paired" in row.flips(0.05)
    assert row.numbers.rho > 0.9


def test_alternatives_that_do_not_apply_have_no_answer(tmp_path):
    few = with_scores(tmp_path / "few", {"baseline": noisy(1.0, 4), "A": noisy(0.5, 4, seed=1)})
    assert answers(few)["permutation"] is None
    assert answers(few)["IQM"] is None
    below = with_scores(tmp_path / "below", {"baseline": noisy(1.0), "A": noisy(-0.5, seed=1)})
    assert answers(below)["log ratio"] is None
    assert answers(below)["permutation"] == -1


def test_many_ablations_of_five_runs_have_no_permutation_answer(tmp_path):
    arms = {"baseline": noisy(1.0, 5), **{f"A{i}": noisy(0.5, 5, seed=i) for i in range(7)}}
    assert answers(with_scores(tmp_path, arms))["permutation"] is None  # smallest p .0079 times 7


@pytest.mark.parametrize("change", [lambda x: x[..., ::-1], lambda x: 3 * x + 7], ids=["seeds relabelled", "rescaled"])
def test_effects_do_not_depend_on_labels_or_units_of_a_task(tmp_path, change):
    """Relabel the seeds, or rescale one task with its floor and ceiling: same percentages, p, ranks and answers."""
    base, own, third = noisy(1.0, tasks=2), noisy(0.7, seed=1, tasks=2), noisy(0.9, seed=2, tasks=2)
    plain = with_scores(tmp_path / "a", {"baseline": base, "A": own, "B": third})
    moved = [np.stack([x[0], change(x[1:])[0]]) for x in (base, own, third)]
    manifest = write_study(tmp_path / "b", [BASE, Arm("A"), Arm("B")], tasks=2, seeds=10, points=2, probes=False)
    low, high = (float(change(np.array([[end, end]]))[0, 0]) for end in (0.0, 2.0))
    manifest["tasks"][1]["score_range"] = [low, high]
    table = load(manifest)
    values = dict(zip(("baseline", "A", "B"), moved, strict=True))
    runs = [
        dataclasses.replace(run, final=(x := values[run.cell.variant][run.cell.task][run.cell.seed]), auc=x)
        for run in table.runs
    ]
    other = conclude(dataclasses.replace(table, runs=tuple(runs)))
    for one, two in zip(plain.contrasts, other.contrasts, strict=True):
        assert one.numbers.percent.value == pytest.approx(two.numbers.percent.value)
        assert one.numbers.percent.interval.low == pytest.approx(two.numbers.percent.interval.low)
        assert (one.p_holm, one.numbers.percent.p_margin) == pytest.approx((two.p_holm, two.numbers.percent.p_margin))
        assert (one.verdict, one.rank) == (two.verdict, two.rank)
        assert one.numbers.points.value == pytest.approx(two.numbers.points.value)


def test_the_order_of_variants_changes_nothing(tmp_path):
    scores = {"baseline": noisy(1.0), "A": noisy(0.7, seed=1), "B": noisy(0.97, seed=2), "C": noisy(1.02, seed=3)}
    plain = with_scores(tmp_path / "a", scores)
    turned = with_scores(tmp_path / "b", dict(reversed(scores.items())) | {"baseline": scores["baseline"]})
    other = {row.variant.name: row for row in turned.contrasts}
    assert [row.variant.name for row in turned.contrasts] != [row.variant.name for row in plain.contrasts]
    for row in plain.contrasts:
        same = other[row.variant.name]
        assert (row.p_holm, row.verdict, row.rank, row.answers) == (same.p_holm, same.verdict, same.rank, same.answers)
        assert row.numbers.p_permutation == same.numbers.p_permutation
        assert row.numbers.percent == same.numbers.percent


def test_the_order_of_tasks_changes_nothing(tmp_path):
    scores = {"baseline": noisy(1.0, tasks=3), "A": noisy(0.7, seed=1, tasks=3), "B": noisy(0.95, seed=2, tasks=3)}
    plain = with_scores(tmp_path / "a", scores)
    turned = with_scores(tmp_path / "b", {name: rows[::-1] for name, rows in scores.items()})
    for one, two in zip(plain.contrasts, turned.contrasts, strict=True):
        assert one.numbers.percent.value == pytest.approx(two.numbers.percent.value)
        assert one.numbers.percent.interval.low == pytest.approx(two.numbers.percent.interval.low)
        assert one.p_holm == pytest.approx(two.p_holm)
        assert one.numbers.superiority_interval.low == pytest.approx(two.numbers.superiority_interval.low)
        assert (one.verdict, one.rank) == (two.verdict, two.rank)
        assert one.numbers.spread.effects == pytest.approx(two.numbers.spread.effects[::-1])


def test_a_negated_metric_that_is_lower_is_better_changes_nothing(tmp_path):
    """The table flips costs at load; a table of negated scores is what a return would have given."""
    arms = [BASE, Arm("A", 0.6), Arm("B", 1.1)]
    up = write_study(tmp_path / "up", arms, points=5, probes=False, score_range=(-1.0, 3.0))
    down = write_study(
        tmp_path / "down", arms, points=5, probes=False, score_range=(-3.0, 1.0), primary={"goal": "min"}
    )
    for cell in down["cells"]:
        source = tmp_path / "up" / "cells" / cell["hash"] / "metrics.jsonl"
        rows = [json.loads(line) for line in source.read_text().splitlines()]
        text = "".join(json.dumps(row | {"eval/return": -row["eval/return"]}) + "\n" for row in rows)
        (tmp_path / "down" / "cells" / cell["hash"] / "metrics.jsonl").write_text(text)
    for one, two in zip(*(conclude(load(manifest)).contrasts for manifest in (up, down)), strict=True):
        assert one.numbers.percent == two.numbers.percent
        assert (one.verdict, one.p_holm, one.rank, one.answers) == (two.verdict, two.p_holm, two.rank, two.answers)


def test_g20_no_number_depends_on_the_number_of_threads():
    code = """
import hashlib, numpy as np
from reports.aggregates import iqm, resampled, resampled_means
from reports.bands import sup_t_band
from reports.permutation import permutation_p
x, y = np.random.default_rng(0).normal(size=(2, 12, 200))
tasks = list(x[:, :6].T)
band = sup_t_band(x, y, np.random.default_rng(1))
found = [resampled([iqm], tasks, np.random.default_rng(1), 500), resampled_means(tasks, np.random.default_rng(2), 500),
         band.low, band.high, np.array([permutation_p([(x[:, 0], y[:, 0])], [1.0], np.random.default_rng(3))])]
print(hashlib.sha256(b"".join(one.tobytes() for one in found)).hexdigest())
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for threads in ("1", "4")
    }
    assert len(digests) == 1


def test_a_constant_added_to_scores_and_floor_changes_nothing(tmp_path):
    scores = {"baseline": noisy(1.0), "A": noisy(0.7, seed=1)}
    plain = with_scores(tmp_path / "a", scores)
    raised = with_scores(tmp_path / "b", {k: v + 5 for k, v in scores.items()}, score_range=(5.0, 7.0))
    one, two = plain.contrasts[0], raised.contrasts[0]
    assert one.numbers.percent.value == pytest.approx(two.numbers.percent.value)
    assert one.p == pytest.approx(two.p)
    assert one.answers == two.answers
