"""What a report says of its looks."""

import csv

import pytest
from report_cells import Arm, write_study

from reports.assemble import all_tables, build
from reports.document import content
from reports.scores import load
from reports.stopping import looks_table, stopping_sentences, stopping_table
from reports.stopping_plots import funnels
from reports.style import save, styled
from reports.verdicts import conclude

PLAN = {"looks": [5, 8, 12, 16, 20, 25, 30], "spending": "quadratic"}
ARMS = [
    Arm("baseline", role="baseline", action=None),
    Arm("NoAggregate", 0.45, part="off-policy data", component="aggregation", expect="worse"),
    Arm("NoEntropy", 1.0, part="entropy", expect="none"),
    Arm("NoLatents", 0.93, part="latents"),
    Arm("PPO", 0.6, role="control", action=None),
]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"), ARMS, seeds=30, adaptive=PLAN)


@pytest.fixture(scope="module")
def conclusion(manifest):
    return conclude(load(manifest))


def test_the_looks_show_their_boundaries_and_what_they_decided(conclusion):
    table = looks_table(conclusion)
    assert [row["n"] for row in table.records] == PLAN["looks"]
    assert [row["alpha_spent"] for row in table.records] == pytest.approx([0.05 * (n / 30) ** 2 for n in PLAN["looks"]])
    assert all(row["p_all_open"] < row["p_one_open"] for row in table.records)
    assert [row["taken"] for row in table.records] == [1] * conclusion.course.looked + [0] * (
        7 - conclusion.course.looked
    )
    assert conclusion.course.looked < 7
    stopped = {name for row in table.records for name in row["stopped"].split(", ") if name}
    assert stopped == {"NoAggregate", "NoEntropy", "NoLatents", "PPO"}
    assert table.rows[-1][-1] == "not taken"


def test_every_change_shows_why_it_stopped_and_both_intervals(conclusion):
    rows = {row["variant"]: row for row in stopping_table(conclusion).records}
    assert (rows["NoAggregate"]["why"], rows["NoEntropy"]["why"]) == ("separated", "no change")
    for row in rows.values():
        assert row["percent_repeated_low"] < row["percent_fixed_low"]
        assert row["percent_fixed_high"] < row["percent_repeated_high"]
        assert (row["p"] <= row["bound"]) == (row["why"] == "separated")
        assert (row["percent_narrow_repeated_low"] > -10 and row["percent_narrow_repeated_high"] < 10) == (
            row["why"] == "no change"
        )
        assert row["seeds"] == PLAN["looks"][row["look"] - 1]


def test_the_sentences_count_what_was_saved(conclusion):
    course = conclusion.course
    used = sum(course.n(arm.name) for arm in ARMS)
    said = stopping_sentences(conclusion)
    assert f"{used} runs instead of the 150 of a plan with 30 seeds in every arm: {150 - used} saved" in said[1]
    assert any(one.startswith("Separated from the baseline: NoAggregate (n = ") for one in said)
    assert any(one.startswith("Closed as no change larger than 10%: ") for one in said)


def test_what_no_look_decides_is_said_to_describe(conclusion, manifest):
    fixed = conclude(load({key: value for key, value in manifest.items() if key != "adaptive"}))
    for found, wanted in ((conclusion, True), (fixed, False)):
        tables = all_tables(found)
        shown = content(found, {"curves": ("/curves.pdf", 1)}, tables, "", "")
        (curves,) = (one["caption"] for one in shown["blocks"] if one.get("name") == "curves")
        assert ("bands and p shown here are those of a fixed number of seeds" in curves) == wanted
        assert ("those of a fixed number of seeds and describe" in tables["secondary"].caption) == wanted
        assert ("by repeated p values" in tables["ranking"].caption) == wanted
        assert ("at the bound of the look" in tables["agreement"].caption) == wanted
        assert all(row.rank is not None for row in found.ablations)
        assert any(one["kind"] == "table" and one["caption"].startswith("Would another") for one in shown["blocks"])


def test_an_unfinished_study_says_what_is_open(manifest):
    cells = [one for one in manifest["cells"] if one["seed"] < 8]
    said = stopping_sentences(conclude(load(manifest | {"cells": cells})))
    assert any(one.startswith("Still open: ") for one in said)
    assert "so far" in said[1]


def test_a_report_of_looks_never_speaks_of_fixed_seeds(manifest, tmp_path):
    """The whole report, with tables as CSV and LaTeX."""
    home = write_study(tmp_path, ARMS[:3], seeds=12, points=4, probes=False, adaptive=PLAN | {"looks": [5, 12]})["home"]
    paths = build(tmp_path / "manifest.json", tmp_path / "out")
    assert home == str(tmp_path)
    names = {path.name for path in paths.tables}
    assert {"stopping.csv", "stopping.tex", "looks.csv", "looks.tex"} <= names
    with (tmp_path / "out" / "tables" / "looks.csv").open() as file:
        assert [row["n"] for row in csv.DictReader(file)] == ["5", "12"]
    summary = paths.summary.read_text()
    assert "## Seeds and stopping" in summary
    assert "intervals are repeated confidence intervals" in summary
    assert paths.pdf.stat().st_size > 0
    fixed = load({key: value for key, value in manifest.items() if key != "adaptive"})
    assert conclude(fixed).course is None


def test_a_funnel_per_change_over_as_many_pages_as_it_takes(conclusion, manifest, tmp_path):
    with styled():
        (page,) = funnels(conclusion)
        assert len(page.axes) == 4
        assert funnels(conclude(load({key: value for key, value in manifest.items() if key != "adaptive"}))) == []
        waiting = [one for one in manifest["cells"] if one["seed"] < 3]
        assert funnels(conclude(load(manifest | {"cells": waiting}))) == []
        many = [Arm("baseline", role="baseline"), *(Arm(f"Vary$_{i}^[{'x' * 40}]", 1 - 0.02 * i) for i in range(40))]
        plan = {"looks": [5, 7], "spending": "quadratic"}
        large = conclude(load(write_study(tmp_path, many, seeds=7, points=2, probes=False, adaptive=plan)))
        pages = funnels(large)
        assert [len(page.axes) for page in pages] == [16, 16, 8]
        save(pages, tmp_path / "stopping.pdf")
