"""What the tables and figures of the conclusion show, and the words the report never uses."""

import csv
import json
import math

import numpy as np
import pytest
from matplotlib.patches import Rectangle
from report_cells import Arm, five_arms, write_study
from scipy.integrate import quad
from scipy.stats import nct, norm
from scipy.stats import t as student

import reports
from reports.aggregate_tables import aggregate_table
from reports.assemble import all_tables
from reports.conduct_tables import failure_table
from reports.document import content
from reports.effect_tables import gated_p, main_table
from reports.evidence import evalue, t_evalue
from reports.latex import booktabs
from reports.performance_plots import performance_profiles
from reports.rank_plots import rank_intervals_plot
from reports.ranking import heterogeneity_sentences, heterogeneity_table, rank_sentences, ranking_table
from reports.robustness_tables import agreement_table, robustness_table
from reports.scores import load
from reports.secondary import secondary_table
from reports.stats import cohens_d, holm
from reports.style import styled
from reports.survival import kaplan_meier, restricted_mean
from reports.task_plots import heat_map
from reports.verdicts import conclude

BASE = Arm("baseline", role="baseline", action=None)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    home = tmp_path_factory.mktemp("several")
    arms = [*five_arms(), Arm("PPO", 0.3, role="control", action=None, failed=(3,))]
    manifest = write_study(home, arms, tasks=5, points=10)
    return home, manifest, conclude(load(manifest))


def one_task(home, arms, **over):
    return conclude(load(write_study(home, arms, **({"points": 10, "probes": False} | over))))


def test_g11_t_evalue_is_the_numeric_bayes_factor():
    for t, g, expected in ((2, 1, 1.817242), (0, 1, 0.534522), (4, 4, 19.946711)):
        assert t_evalue(t, 5, 5, g) == pytest.approx(expected, abs=1e-6)
    integral, _ = quad(lambda d: nct.pdf(2, 8, d * math.sqrt(2.5)) * norm.pdf(d), -8, 8)
    assert t_evalue(2, 5, 5) == pytest.approx(integral / student.pdf(2, 8), rel=1e-6)
    x, y = np.array([1.0, 2, 4, 5]), np.array([0.0, 1, 1, 3, 2])
    assert evalue(x, y) == pytest.approx(t_evalue(cohens_d(x, y) * math.sqrt(20 / 9), 4, 5))
    assert t_evalue(1e9, 5, 5) < math.inf


def test_ranking_shows_intervals_and_the_margin_test(several):
    _, _, conclusion = several
    table = ranking_table(conclusion)
    by_name = {record["variant"]: record for record in table.records}
    for row in conclusion.ablations:
        assert by_name[row.variant.name]["rank_low"] == row.rank.low
        assert by_name[row.variant.name]["p_margin"] == row.numbers.percent.p_margin
    assert by_name["PPO"]["rank"] is None
    first = dict(zip((column.title for column in table.columns), table.rows[0], strict=True))
    assert (first["change"], first["rank"]) == ("NoAggregate", "1 of 5")
    assert "points of the range" in first
    assert rank_sentences(conclusion)[0].endswith("It is the most important of these parts at these settings.")


def test_guard_k_most_important_only_where_no_other_change_can_hold_the_place(tmp_path):
    tied = one_task(tmp_path / "tied", [BASE, Arm("A", 0.6), Arm("B", 0.6), Arm("C", 0.6)])
    (said,) = rank_sentences(tied)
    assert "other changes may hold that place" in said
    assert "important" not in said
    better = one_task(tmp_path / "up", [BASE, Arm("A", 1.5), Arm("B", 2.5)])
    assert "important" not in " ".join(rank_sentences(better))  # rank 1 of two improvements
    few = one_task(tmp_path / "few", [BASE, Arm("A", 0.3), Arm("B", 0.9)], seeds=4)
    assert rank_sentences(few) == ["Below 5 runs per arm the changes are ordered, not ranked."]
    assert all(row[2] == "\u2013" for row in ranking_table(few).rows)


def test_task_p_values_open_only_behind_the_gate(several):
    _, _, conclusion = several
    hurt, none = (next(r for r in conclusion.contrasts if r.variant.name == n) for n in ("NoAggregate", "NoEntropy"))
    assert gated_p(conclusion, hurt) == pytest.approx(holm([task.difference.p for task in hurt.numbers.tasks]))
    assert none.decisive_p >= 0.05
    assert np.isnan(gated_p(conclusion, none)).all()


def test_heterogeneity_names_a_task_that_makes_a_finding(tmp_path):
    manifest = write_study(tmp_path, [BASE, Arm("A", 1.0)], tasks=4, points=5, probes=False, score_range=None)
    for cell in manifest["cells"]:
        if cell["variant"] == "A" and cell["task"] == 2:
            path = tmp_path / "cells" / cell["hash"] / "metrics.jsonl"
            rows = [json.loads(line) for line in path.read_text().splitlines()]
            path.write_text("".join(json.dumps(row | {"eval/return": 0.1 * row["eval/return"]}) + "\n" for row in rows))
    conclusion = conclude(load(manifest))
    (said,) = heterogeneity_sentences(conclusion)
    assert said.startswith("A is driven by maze/deceptive-2: without it ")
    (record,) = heterogeneity_table(conclusion).records
    assert record["driven_by"] == "maze/deceptive-2"
    assert record["df_tasks_as_sample"] == 3
    assert abs(record["without[maze/deceptive-2]"]) < 5 < abs(record["effect"])


def test_no_finding_is_driven_by_a_task_where_all_agree(several):
    _, _, conclusion = several
    assert heterogeneity_sentences(conclusion) == []
    assert {record["driven_by"] for record in heterogeneity_table(conclusion).records} == {None}


def test_agreement_marks_what_answers_otherwise(several):
    _, _, conclusion = several
    table = agreement_table(conclusion)
    marked = {row[0] for row in table.rows if any("\u2020" in cell for cell in row)}
    assert marked == {row.variant.name for row in conclusion.contrasts if row.flips(0.05)}
    assert robustness_table(conclusion).records[0]["e_value"] is None


def test_marks_have_footnotes_and_only_where_they_occur(tmp_path):
    plain = main_table(one_task(tmp_path / "a", [BASE, Arm("A", 0.3, expect="worse")], seeds=12))
    assert plain.notes == ()
    odd = main_table(one_task(tmp_path / "b", [BASE, Arm("A", 0.3, sd=0.005, expect="better")]))
    assert odd.rows[0][-2] == "better (!)"
    assert [note.split(" ")[0] for note in odd.notes if "(" in note] == ["(!)", "(provisional)"]
    assert "contrary to what was expected before running" in booktabs(odd)


def test_aggregates_have_no_bootstrap_interval_below_five_runs(several, tmp_path):
    _, _, conclusion = several
    record = aggregate_table(conclusion).records[0]
    assert record["IQM_low"] < record["IQM"] < record["IQM_high"]
    few = aggregate_table(one_task(tmp_path, [BASE, Arm("A", 0.5)], seeds=4)).records
    assert few[0]["IQM"] is not None
    assert few[0]["IQM_low"] is None


def test_adding_a_variant_changes_nobody_s_bootstrap(tmp_path):
    arms = [BASE, Arm("A", 0.7), Arm("B", 0.9)]
    few, many = (
        aggregate_table(one_task(tmp_path / str(i), chosen)).records for i, chosen in enumerate((arms[:2], arms))
    )
    by_name = {record["variant"]: record for record in many}
    assert all(record == by_name[record["variant"]] for record in few)


def test_failure_rates_are_exact_and_claimed_from_five_runs(tmp_path):
    ten = failure_table(load(write_study(tmp_path / "a", [BASE, Arm("A", failed=(1,))], seeds=10, points=5)))
    assert [round(ten.records[1][key], 5) for key in ("rate_low", "rate_high")] == [0.00253, 0.44502]
    assert round(ten.records[0]["rate_high"], 5) == 0.30850
    three = failure_table(load(write_study(tmp_path / "b", [BASE, Arm("A", failed=(1,))], seeds=3, points=5)))
    assert three.records[1]["rate_high"] is None
    assert three.rows[1][3] == "\u2013"


def test_times_to_the_threshold_are_restricted_means_with_censoring(tmp_path):
    conclusion = one_task(tmp_path, [BASE, Arm("A", 0.2)], points=20)
    base, slow = secondary_table(conclusion).records
    assert (slow["reached"], slow["time_to_threshold"]) == (0, 1_000_000)
    assert 0 < base["time_to_threshold"] < 1_000_000
    assert slow["separated_from"] < 500_000
    times = np.array([2e5, 1e6])
    assert restricted_mean(kaplan_meier(times, times < 1e6), 1e6).value == pytest.approx(6e5)


def test_heat_map_prints_every_effect_and_hatches_what_may_be_zero(several):
    _, _, conclusion = several
    with styled():
        (made,) = heat_map(conclusion)
    (axes,) = made.axes
    cells = [task for row in conclusion.ranked for task in row.numbers.tasks]
    assert len(axes.texts) == len(cells)
    uncertain = sum(task.percent.interval.low <= 0 <= task.percent.interval.high for task in cells)
    assert sum(isinstance(patch, Rectangle) and patch.get_hatch() == "////" for patch in axes.patches) == uncertain > 0
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [f"maze/deceptive-{i}" for i in range(5)]


def test_rank_plot_and_performance_profiles_need_enough(several, tmp_path):
    _, _, conclusion = several
    with styled():
        (ranks,) = rank_intervals_plot(conclusion)
        (profiles,) = performance_profiles(conclusion)
        single = one_task(tmp_path, [BASE, Arm("A", 0.5)])
        assert heat_map(single) == rank_intervals_plot(single) == performance_profiles(single) == []
    bars = [tuple(line.get_xdata()) for line in ranks.axes[0].lines if line.get_linewidth() == 2.2]
    placed = sorted((row.rank for row in conclusion.ablations), key=lambda rank: rank.place)
    assert bars == [(rank.low, rank.high) for rank in placed]
    assert len(profiles.axes) == 6


def _strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            if key != "scores":
                yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)


def test_guards_j_and_k_no_word_that_the_design_cannot_support(several):
    _, _, conclusion = several
    said = " ".join(_strings(content(conclusion, {}, all_tables(conclusion), "", ""))).lower()
    for word in ("significan", "contribut", "explains", "does not matter", "best checkpoint"):
        assert word not in said
    assert said.count("most important") == 1  # licensed: nothing else can hold place 1
    assert "claims are causal for these tasks, settings and budget" in said  # G-o
    assert "negative means that the change hurts" in said  # G-l


def test_guard_l_signs_agree_everywhere_for_costs_and_returns(tmp_path):
    up = one_task(tmp_path / "up", [BASE, Arm("A", 0.5)], score_range=None)
    down = one_task(tmp_path / "down", [BASE, Arm("A", 1.5)], score_range=None, primary={"goal": "min"})
    for conclusion in (up, down):
        (row,) = conclusion.contrasts
        assert row.verdict == "hurts"
        assert row.effect < 0
        assert row.direction(0.05) == -1
        assert set(row.answers.values()) <= {-1, None}


def test_every_table_of_the_report_is_csv_and_latex(several, tmp_path):
    home, _, conclusion = several
    paths = reports.build(home / "manifest.json", tmp_path / "report")
    stems = {path.stem for path in paths.tables if path.suffix == ".tex"}
    assert stems == set(all_tables(conclusion))
    assert {"heatmap", "ranks", "performance"} <= {path.stem for path in paths.figures}
    by_name = {path.name: path for path in paths.tables}
    for name, table in all_tables(conclusion).items():
        rows = list(csv.DictReader(by_name[f"{name}.csv"].read_text(encoding="utf-8").splitlines()))
        assert len(rows) == len(table.records)
        tex = by_name[f"{name}.tex"].read_text(encoding="utf-8")
        assert tex.count(r" \\") == len(table.rows) + 1
