import csv

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from report_cells import Arm, add_profiles, five_arms, write_study

import reports
from reports.assemble import all_tables
from reports.conduct_tables import check_table
from reports.journal import Journal, read_journal
from reports.probe_plots import probe_columns
from reports.profile_plots import LABELLED, profile_pages, scale_of
from reports.profiles import profile_caption, profile_line, profile_names, profile_table
from reports.scores import load
from reports.style import styled
from reports.verdicts import conclude

NAMES = ("input_gradient", "parameter_gradient")
STEPS = (0, 10, 50, 99)


def value(name, variant, seed, x, share):
    """Seeds lie ``seed`` apart; training doubles by the end; V2 stops early, V3 has no profile, V1 exact zeros."""
    if variant == "V3" or (variant == "V2" and x > 50):
        return None
    size = 1e-6 * 10.0 ** (x / 20) if name == "input_gradient" else 10.0 + x
    return 0.0 if variant == "V1" and name == "input_gradient" and x < 50 else (size + seed * size) * (1 + share)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("profiles")
    arms = [five_arms()[0], Arm("V1", failed=(2,)), Arm("V2", violated=(0,)), Arm("V3"), Arm("V4", missing=(1, 2))]
    add_profiles(place, write_study(place, arms, seeds=3, probes=False), value, STEPS, NAMES)
    return place


@pytest.fixture(scope="module")
def table(home):
    return load(reports.manifest.read(home / "manifest.json"))


def variant(table, name):
    return table.manifest.variant(name)


def test_a_line_is_the_last_evaluation_of_finished_runs(table):
    line = profile_line(table, variant(table, "baseline"), 0, "parameter_gradient", trained=True)
    # Seeds 0, 1, 2 hold (10 + x) * 1, 2, 3, doubled by training.
    assert line.x.tolist() == [0, 10, 50, 99]
    assert line.mean.tolist() == [40, 80, 240, 436]
    assert (line.low.tolist(), line.high.tolist()) == ([20, 40, 120, 218], [60, 120, 360, 654])
    untrained = profile_line(table, variant(table, "baseline"), 0, "parameter_gradient", trained=False)
    assert untrained.mean.tolist() == [20, 40, 120, 218]


def test_failed_runs_have_no_trained_line_and_violated_runs_none(table):
    def runs(name, trained):
        return len(profile_line(table, variant(table, name), 0, "parameter_gradient", trained=trained).runs)

    assert (runs("V1", True), runs("V1", False)) == (2, 3)
    assert (runs("V2", True), runs("V2", False)) == (2, 2)
    assert (runs("V4", True), runs("V4", False)) == (1, 1)
    assert profile_line(table, variant(table, "V3"), 0, "parameter_gradient", trained=False) is None


def test_points_come_from_one_evaluation_and_odd_columns_are_left_alone():
    def column(rows, *values):
        return np.array(rows), np.array(values)

    journal = Journal(
        2,
        np.array([10.0, 20.0]),
        {
            "profile/a@5": column([0, 1], 1.0, 2.0),
            "profile/a@10": column([1], 3.0),
            "profile/a@0": column([0], 9.0),
            "profile/a@x": column([1], 1.0),
            "profile/b": column([1], 1.0),
            "probe/a@5": column([1], 1.0),
        },
    )
    (found,) = journal.profiles().items()
    assert found[0] == "a"
    assert [one.tolist() for one in found[1]] == [[5, 10], [2, 3]]


def test_points_that_are_not_finite_are_not_drawn(home, tmp_path):
    manifest = write_study(tmp_path, five_arms()[:2], seeds=2, probes=False)
    add_profiles(tmp_path, manifest, lambda name, variant, seed, x, share: float("nan") if x == 10 else 1.0 + seed)
    for file in tmp_path.glob("cells/*/metrics.jsonl"):
        file.write_text(file.read_text().replace("NaN", "null"))
    table = load(manifest)
    line = profile_line(table, table.manifest.baseline, 0, "input_gradient", trained=True)
    assert line.x.tolist() == [0, 50, 99]
    assert line.mean.tolist() == [1.5] * 3


class TestScale:
    def test_two_decades_of_positive_values_are_logarithmic(self):
        scale = scale_of(np.array([1e-6, 1e-3, 2.0]))
        assert scale.log
        assert scale.zero is None
        assert scale.low < 1e-6 < 2.0 < scale.high
        assert scale.ticks == (1e-6, 1e-4, 1e-2, 1.0)

    def test_exact_zeros_get_a_line_below_all_positive_values(self):
        scale = scale_of(np.array([0.0, 1e-20, 1.0]))
        assert scale.log
        assert scale.low < scale.zero < 1e-20
        assert scale.place(np.array([0.0, 0.5])).tolist() == [scale.zero, 0.5]
        assert len(scale.ticks) <= 7

    @pytest.mark.parametrize(
        "values", [[-1.0, 1000.0], [0.0, 0.25, 1.1], [0.0, 0.0], [3.0, 299.0], [5.0], [-2.0, -1.0]]
    )
    def test_everything_else_is_linear_and_holds_all_values_and_zero(self, values):
        scale = scale_of(np.array(values))
        assert not scale.log
        assert scale.low < min(0, *values) <= max(values) < scale.high
        assert scale.place(np.array(values)).tolist() == values


def solid_and_dashed(axes):
    thick = [line for line in axes.lines if line.get_linewidth() == 1.2]
    return [sum((line.get_linestyle() == "-") == solid for line in thick) for solid in (True, False)]


def test_a_panel_draws_every_run_and_both_means_of_each_variant(table):
    with styled():
        (page,) = profile_pages(table, 0)
    assert [axes.get_title(loc="left") for axes in page.axes] == list(NAMES)
    assert [axes.get_yscale() for axes in page.axes] == ["log", "linear"]
    assert page.axes[-1].get_xlabel() == "time step"
    for axes in page.axes:
        assert solid_and_dashed(axes) == [4, 4]
        segments = sum(len(c.get_segments()) for c in axes.collections if isinstance(c, LineCollection))
        assert segments == (3 + 3) + (2 + 3) + (2 + 2) + (1 + 1)
        assert [text.get_text() for text in axes.texts if text.get_text() == "V3"] == []
        assert {text.get_text() for text in axes.texts} == {"baseline", "V1", "V2", "V4"}
        places = sorted(text.get_position()[1] for text in axes.texts)
        assert min(np.diff(places)) > 0.05
    assert page.axes[0].get_yticklabels()[0].get_text() == "0"


@pytest.mark.parametrize("count", [1, 14, LABELLED + 4])
def test_any_number_of_variants_can_be_told_apart(tmp_path, count):
    arms = [five_arms()[0], *(Arm(f"Variant {i}: a name that is far too long for a figure") for i in range(count - 1))]
    manifest = write_study(tmp_path, arms, seeds=2, points=4, probes=False)
    add_profiles(tmp_path, manifest, lambda name, variant, seed, x, share: 1.0 + x + seed + share)
    with styled():
        (page,) = profile_pages(load(manifest), 0)
    (axes,) = page.axes
    assert solid_and_dashed(axes) == [count, count]
    named = axes.texts if count <= LABELLED else page.texts[-count:]
    assert len(named) == count


def test_the_table_holds_every_number_of_the_figure(table):
    made = profile_table(table)
    assert [column.title for column in made.columns] == [
        "profile",
        "variant",
        "step 0",
        "step 10",
        "step 50",
        "step 99",
    ]
    assert len(made.records) == len(NAMES) * (3 * 4 + 3)
    found = {(row["variant"], row["profile"], row["x"]): row for row in made.records}
    row = found["V1", "parameter_gradient", 99]
    assert [row[f"trained_{key}"] for key in ("runs", "mean", "min", "max")] == [2, 327.0, 218.0, 436.0]
    assert [row[f"untrained_{key}"] for key in ("runs", "mean", "min", "max")] == [3, 218.0, 109.0, 327.0]
    assert ("V2", "input_gradient", 99) not in found
    shown = dict(zip([row[:2] for row in made.rows], made.rows, strict=True))
    assert shown["input_gradient", "V1"][2:] == ("0 / 0", "0 / 0", "6.3e−4 / 9.5e−4", "0.18 / 0.27")
    assert shown["parameter_gradient", "V2"][-1] == "– / –"


def test_the_caption_counts_runs(table):
    assert "runs per variant: 1 to 3 trained and 1 to 3 untrained" in profile_caption(table)


def test_profiles_are_neither_probes_nor_checks_nor_a_candidate_for_the_primary_metric(table, home):
    assert probe_columns(table) == []
    assert not any("profile" in column.title for column in check_table(table).columns)
    wanted = reports.manifest.read(home / "manifest.json")
    wanted["primary"] = {"name": "eval/nothing"}
    with pytest.raises(reports.manifest.ReportError, match=r"columns found: attempt, eval/length, eval/return, ts"):
        load(wanted)


def test_the_report_shows_them_after_the_probes(home):
    built = reports.build(home / "manifest.json", home / "report")
    assert {path.name for path in built.figures} >= {"profiles.pdf", "profiles.png"}
    assert {path.name for path in built.tables} >= {"profiles.csv", "profiles.tex"}
    written = next(path for path in built.tables if path.name == "profiles.csv").read_text(encoding="utf-8")
    assert len(list(csv.DictReader(written.splitlines()))) == len(NAMES) * 15


def test_studies_without_profiles_have_neither_figure_nor_table(tmp_path):
    conclusion = conclude(load(write_study(tmp_path, five_arms(), seeds=3)))
    assert profile_names(conclusion.table) == []
    assert "profiles" not in all_tables(conclusion)
    with styled():
        assert profile_pages(conclusion.table, 0) == []


def test_profiles_of_several_tasks_have_pages_of_their_own(tmp_path):
    manifest = write_study(tmp_path, five_arms()[:3], seeds=2, tasks=2, points=4, probes=False)
    add_profiles(tmp_path, manifest, value, STEPS, NAMES)
    table = load(manifest)
    with styled():
        pages = [page for task in (0, 1) for page in profile_pages(table, task)]
    assert [page.texts[0].get_text() for page in pages] == ["maze/deceptive-0", "maze/deceptive-1"]
    assert [column.title for column in profile_table(table).columns][:3] == ["profile", "task", "variant"]
    assert read_journal(next((tmp_path / "cells").iterdir())).profiles().keys() == {
        *NAMES,
        *(f"untrained_{name}" for name in NAMES),
    }
