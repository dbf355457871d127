import dataclasses

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from report_cells import Arm, five_arms, write_study

from reports.curve_plots import learning_curves, step_unit
from reports.plots import forest, strips
from reports.probe_plots import probe_columns, probes
from reports.scores import load
from reports.style import REPLACEMENT, STYLE, label, missing_glyphs, save, styled
from reports.verdicts import conclude


@pytest.fixture
def study(tmp_path):
    arms = [*five_arms(), Arm("PPO", 0.3, role="control", action=None, failed=(3,))]
    return conclude(load(write_study(tmp_path, arms)))


def texts(made):
    return [text.get_text() for axes in made.axes for text in axes.texts]


def test_forest_draws_every_contrast_with_its_interval_and_verdict(study):
    with styled():
        (axes,) = (made := forest(study)).axes
    for row in study.contrasts:
        percent = row.numbers.percent
        spans = [line.get_xdata() for line in axes.lines if line.get_color() == row.variant.color]
        assert any(np.allclose(span, [100 * percent.interval.low, 100 * percent.interval.high]) for span in spans)
        assert any(np.allclose(span, [100 * percent.wide.low, 100 * percent.wide.high]) for span in spans)
        assert row.variant.name in texts(made)
    assert texts(made).count("hurts") == sum(row.verdict == "hurts" for row in study.contrasts)
    assert axes.get_xlabel().startswith("change of eval/return in % of the baseline")


def test_forest_marks_bars_that_leave_the_frame(tmp_path):
    arms = [*five_arms(), *(Arm(f"Wild{i}", 1.0, sd=0.02) for i in range(3)), Arm("Noisy", 1.0, sd=4.0)]
    conclusion = conclude(load(write_study(tmp_path, arms, seeds=4, score_range=None)))
    with styled():
        (axes,) = forest(conclusion).axes
    assert {line.get_marker() for line in axes.lines} & {"<", ">"}


def test_strips_show_every_run_and_mark_failures(study):
    with styled():
        (made,) = strips(study)
    (axes,) = made.axes
    dots = sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o")
    crosses = sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == "x")
    assert (dots, crosses) == (7 * 8 - 1, 1)
    assert next(tick.get_text() for tick in axes.get_yticklabels()) == "baseline"


def test_lower_is_better_scores_are_drawn_as_measured(tmp_path):
    conclusion = conclude(load(write_study(tmp_path, five_arms(), primary={"goal": "min"})))
    with styled():
        (made,) = strips(conclusion)
    (axes,) = made.axes
    assert "lower is better" in axes.get_xlabel()
    assert axes.get_xlim()[1] > 0.9


def test_learning_curves_show_every_seed_the_means_and_the_band(study):
    with styled():
        (made,) = learning_curves(study, 0)
    upper, lower = made.axes[0], made.axes[1]
    seeds = [len(c.get_segments()) for c in upper.collections if isinstance(c, LineCollection)]
    assert seeds == [8, 8]
    assert len(upper.lines) == 2  # two means
    assert len(lower.collections) == 1  # the band
    assert "separated from" in lower.get_title(loc="right")
    assert len(made.axes) == 2 * 6


def test_curves_take_a_page_per_dozen_variants(tmp_path):
    arms = [five_arms()[0], *(Arm(f"A{i}") for i in range(13))]
    conclusion = conclude(load(write_study(tmp_path, arms, seeds=3, probes=False)))
    with styled():
        pages = learning_curves(conclusion, 0)
    assert [len(page.axes) for page in pages] == [24, 2]


def test_probes_have_a_panel_each_and_constant_checks_none(study):
    names = probe_columns(study.table)
    assert names == ["probe/clipped_share", "probe/ess", "probe/kl_to_leader", "probe/pca_error"]
    with styled():
        (made,) = probes(study.table, 0)
    assert [axes.get_title(loc="left") for axes in made.axes] == names
    assert {"baseline", "NoAggregate"} <= set(texts(made))


def test_direct_labels_do_not_overlap(study):
    with styled():
        (made,) = probes(study.table, 0)
    for axes in made.axes:
        places = sorted(text.get_position()[1] for text in axes.texts)
        assert min(np.diff(places)) > 0.07


def test_figures_of_studies_without_probes_or_scores_do_not_exist_or_stay_empty(tmp_path):
    nothing = Arm("baseline", role="baseline", action=None, missing=(0, 1, 2))
    conclusion = conclude(load(write_study(tmp_path, [nothing, Arm("A", missing=(0, 1, 2))], seeds=3)))
    with styled():
        assert probes(conclusion.table, 0) == []
        (axes,) = forest(conclusion).axes
    assert "not estimable" in [text.get_text() for text in axes.texts]


def test_saved_figures_embed_truetype_and_repeat_byte_for_byte(study, tmp_path):
    assert STYLE["pdf.fonttype"] == 42
    with styled():
        first = save([forest(study)], tmp_path / "a.pdf").read_bytes()
        second = save([forest(study)], tmp_path / "b.pdf").read_bytes()
    assert first == second
    assert b"/FontFile2" in first


def test_labels_escape_mathematics_cut_in_the_middle_and_mark_missing_glyphs():
    assert label("$x$ & 50% #") == r"\$x\$ & 50% #"
    assert label("abcdefghijklmnop", 9) == "abcdef…op"
    assert missing_glyphs("α消融α") == "消融"
    assert label("消α") == REPLACEMENT + "α"


@pytest.mark.parametrize(
    ("budget", "unit"),
    [(2e10, "billion"), (6e6, "million"), (5e4, "thousand"), (500, "environment steps")],
)
def test_step_axis_names_its_unit(budget, unit):
    assert unit in step_unit(budget)[1]


def test_a_probe_of_a_single_variant_has_no_panel(study):
    def alone(run):
        return {"probe/kl_to_leader_15": run.extras["probe/kl_to_leader"]} if run.cell.variant == "PPO" else {}

    runs = [dataclasses.replace(run, extras={**run.extras, **alone(run)}) for run in study.table.runs]
    assert any("probe/kl_to_leader_15" in run.extras for run in runs)
    assert "probe/kl_to_leader_15" not in probe_columns(dataclasses.replace(study.table, runs=runs))
