import math

import numpy as np
import pytest
from report_cells import Arm, write_study

from reports.assemble import build
from reports.design_plots import design_effects, design_runs
from reports.design_tables import design_sentences, design_tables
from reports.designs import findings
from reports.factorial import Design, Fraction, alone, fraction, interaction, main_effect, shapley, subsets, value
from reports.prose import design as key_figures
from reports.scores import load
from reports.stats import relative_effect, welch
from reports.style import styled
from reports.verdicts import conclude

ABC = ("NoA", "NoB", "NoC")


def level(setting, *, pair=0.0):
    """A method whose changes cost 30, 20 and 0 percent, and ``pair`` more when A and B are both made."""
    return 1 - 0.3 * ("NoA" in setting) - 0.2 * ("NoB" in setting) + pair * ({"NoA", "NoB"} <= set(setting))


def study(home, design, *, pair=0.0, sd=0.02, seeds=4, tasks=1, broken=(), **over):
    arms = []
    for setting, name in design.arms.items():
        role = "baseline" if not setting else "ablation" if len(setting) == 1 else "design"
        lost = tuple(range(seeds)) if name in broken else ()
        arms.append(Arm(name, level(setting, pair=pair), sd, role=role, action=None, missing=lost))
    record = {"kind": design.kind, "factors": list(design.factors)}
    if design.part:
        record["generators"] = list(design.part.generators)
    return write_study(home, arms, seeds=seeds, tasks=tasks, points=10, probes=False, design=record, **over)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    home = tmp_path_factory.mktemp("full")
    return load(study(home, Design("full_factorial", ABC), pair=0.2))


def test_estimates_are_the_weighted_means_of_the_settings(full):
    found = findings(full, 0.05)
    design = full.manifest.design
    base = full.scores("baseline", 0).mean()
    means = {setting: float(full.scores(name, 0).mean()) / base for setting, name in design.arms.items()}
    run = subsets(ABC)
    for one in ABC:
        assert found.of("main")[one,].estimate.value == pytest.approx(value(main_effect(one, run), means))
        assert found.of("shapley")[one,].estimate.value == pytest.approx(value(shapley(one, ABC), means))
    pair = found.of("interaction")["NoA", "NoB"]
    assert pair.estimate.value == pytest.approx(value(interaction(("NoA", "NoB"), run), means))
    assert pair.p_holm < 0.001 and pair.interval.low < 0.2 < pair.interval.high
    assert sum(one.estimate.value for one in found.of("shapley").values()) == pytest.approx(found.total.estimate.value)


def test_one_change_alone_is_the_percentage_of_the_main_table(full):
    answer = findings(full, 0.05).of("alone")["NoA",]
    known = relative_effect([(full.scores("NoA", 0), full.scores("baseline", 0))], [full.floors[0]])
    assert (answer.estimate.value, answer.estimate.se, answer.estimate.df) == pytest.approx(
        (known.value, known.se, known.df)
    )


def test_without_a_sound_baseline_it_is_welchs_difference(tmp_path):
    table = load(study(tmp_path, Design("pairwise", ABC), score_range=(1.0, 2.0)))
    found = findings(table, 0.05)
    assert (found.relative, found.unit) == (False, "eval/return")
    known = welch(table.scores("NoA", 0), table.scores("baseline", 0))
    answer = found.of("alone")["NoA",].estimate
    assert (answer.value, answer.se, answer.df) == pytest.approx((known.value, known.se, known.df))


def test_intervals_of_shapley_values_and_main_effects_cover(tmp_path):
    # Closed-form errors against a simulation: 200 studies of one truth, 3 runs per setting, redrawn in place.
    from dataclasses import replace

    design = Design("full_factorial", ABC)
    table = load(study(tmp_path, design, seeds=3, pair=0.2, score_range=None))
    rng, runs = np.random.default_rng(5), table.runs
    truth = {setting: level(setting, pair=0.2) for setting in subsets(ABC)}
    setting_of = {name: setting for setting, name in design.arms.items()}
    covered = []
    for _ in range(200):
        drawn = [replace(one, final=truth[setting_of[one.cell.variant]] + 0.1 * rng.normal()) for one in runs]
        found = findings(replace(table, runs=tuple(drawn)), 0.05)
        for what, weights in (("shapley", shapley("NoA", ABC)), ("main", main_effect("NoA", subsets(ABC)))):
            ends = found.of(what)["NoA",].interval
            covered.append(ends.low <= value(weights, truth) <= ends.high)
    assert 0.91 < np.mean(covered) < 0.99


def test_add_one_in_flags_what_leaving_out_hides(tmp_path):
    # Redundant parts: each change alone costs nothing, both together everything (golden case OR).
    design = Design("add_one_in", ("NoA", "NoB", "NoC"))
    arms = []
    for setting, name in design.arms.items():
        role = "baseline" if not setting else "ablation" if len(setting) == 1 else "design"
        arms.append(Arm(name, 0.5 if {"NoA", "NoB"} <= set(setting) else 1.0, 0.02, role=role))
    table = load(write_study(tmp_path, arms, seeds=5, design={"kind": design.kind, "factors": list(design.factors)}))
    found = findings(table, 0.05)
    assert abs(found.of("alone")["NoA",].estimate.value) < 0.05
    assert found.of("gap")["NoA",].p_holm < 0.001
    assert found.of("gap")["NoC",].p_holm > 0.05
    said = " ".join(design_sentences(found, table))
    assert "NoA interacts with the rest" in said and "NoC interacts" not in said


def test_missing_settings_refuse_shapley_and_fit_what_can_be_fitted(tmp_path):
    table = load(study(tmp_path / "few", Design("full_factorial", ABC), broken=("NoA+NoB",), pair=0.0))
    found = findings(table, 0.05)
    assert found.missing == ("NoA+NoB",)
    assert found.of("shapley") == {} and found.of("main")["NoA",].interval.low < -0.3 < -0.25
    assert "7 of 8 settings have scores: Shapley values need all of them." in found.notes[0]
    assert "three or more changes" in found.notes[0] and "NoA\u00d7NoB\u00d7NoC" in found.notes[0]
    lost = ("NoA+NoB", "NoA+NoC", "NoB+NoC")
    found = findings(load(study(tmp_path / "fewer", Design("full_factorial", ABC), broken=lost)), 0.05)
    assert "two or more changes" in found.notes[0]
    assert found.of("interaction") == {} and len(found.of("main")) == 3
    assert design_tables(found)[0].records[0]["main"] < -0.2


def test_a_fraction_names_what_it_mixes(tmp_path):
    factors = ("NoA", "NoB", "NoC", "NoD")
    part = fraction(factors, 4)
    table = load(study(tmp_path, Design("fractional_factorial", factors, part), seeds=3))
    found = findings(table, 0.05)
    assert found.of("main")["NoA",].estimate.value == pytest.approx(-0.3, abs=0.04)
    assert list(found.of("interaction")) == [("NoA", "NoB"), ("NoA", "NoC"), ("NoA", "NoD")]
    effects, pairs = design_tables(found)
    assert [one["mixed_with"] for one in pairs.records] == ["NoC\u00d7NoD", "NoB\u00d7NoD", "NoB\u00d7NoC"]
    assert "mixed with" not in [column.title for column in effects.columns]
    assert any("resolution IV" in one for one in design_sentences(found, table))
    three = Design("fractional_factorial", ABC, Fraction(ABC, ("C=AB",)))
    found = findings(load(study(tmp_path / "three", three, seeds=3)), 0.05)
    assert found.of("interaction") == {}  # every pair is mixed with a single change
    assert design_tables(found)[0].records[0]["mixed_with"] == "NoB\u00d7NoC"


def test_nothing_is_said_too_early(tmp_path):
    design = Design("full_factorial", ABC)
    assert findings(load(study(tmp_path / "a", design, broken=("baseline",))), 0.05) is None
    assert findings(load(study(tmp_path / "b", design, seeds=1)), 0.05) is None
    assert findings(load(write_study(tmp_path / "c", [Arm("baseline", role="baseline")])), 0.05) is None


def test_tasks_count_equally_and_narrow_the_error(tmp_path):
    design = Design("full_factorial", ABC)
    one, six = (findings(load(study(tmp_path / str(n), design, tasks=n)), 0.05) for n in (1, 6))
    assert six.of("main")["NoA",].estimate.value == pytest.approx(-0.3, abs=0.06)
    ratio = one.of("main")["NoA",].estimate.se / six.of("main")["NoA",].estimate.se
    assert math.sqrt(6) / 2 < ratio < 2 * math.sqrt(6)
    assert set(alone("NoA")) <= set(design.arms)


def test_figures_show_every_run_and_every_answer(full, tmp_path):
    conclusion = conclude(full)
    with styled():
        (runs,), (effects,) = design_runs(conclusion), design_effects(conclusion)
        texts = [one.get_text() for axes in effects.axes for one in axes.texts]
        dots = [line for axes in effects.axes for line in axes.lines if line.get_marker() == "o"]
    names = [one.get_text() for one in runs.axes[0].get_yticklabels()]
    assert names == list(full.manifest.design.arms.values())
    assert len(dots) == 3 * 4 + 3  # alone, last, main and Shapley of each change; three pairs
    assert "NoA \u00d7 NoB" in texts and texts.count("Shapley value") == 3
    plain = conclude(load(write_study(tmp_path, [Arm("baseline", role="baseline"), Arm("NoA", 0.8)])))
    assert design_runs(plain) == design_effects(plain) == []
    assert ("several at once", "full factorial design of 3 changes, 4 further arms") in key_figures(conclusion)
    assert "several at once" not in dict(key_figures(plain))


def test_the_report_gets_a_section_with_tables_and_figures(tmp_path):
    study(tmp_path, Design("add_one_in", ABC), pair=0.2)
    paths = build(tmp_path / "manifest.json", tmp_path / "out")
    written = {path.name for path in (*paths.tables, *paths.figures)}
    assert {"design_effects.csv", "design_effects.tex", "design_effects.pdf", "design_runs.png"} <= written
    assert [row.variant.name for row in paths.conclusion.contrasts] == list(
        ABC
    )  # the verdicts stay those of each alone
