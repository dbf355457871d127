import json
import math
import zlib

import numpy as np
import pytest
from report_cells import Arm, five_arms, write_study

from reports.notation import align, compact, decimals, duration, fixed, interval, p_equation, p_value
from reports.scores import load
from reports.sentences import sentence, subject_of
from reports.stats import Interval, fieller, holm, welch
from reports.verdicts import conclude, verdict_text

BASE = Arm("baseline", role="baseline", action=None)


def concluded(home, arms, **over):
    return conclude(load(write_study(home, arms, **over)))


def contrast(conclusion, name):
    return next(row for row in conclusion.contrasts if row.variant.name == name)


def test_one_task_numbers_are_welch_fieller_and_holm_over_the_ablations(tmp_path):
    conclusion = concluded(tmp_path, five_arms())
    table = conclusion.table
    base = table.scores("baseline", 0)
    raw = [welch(table.scores(arm.name, 0), base).p for arm in five_arms()[1:]]
    assert [row.p for row in conclusion.ablations] == pytest.approx(raw)
    assert [row.p_holm for row in conclusion.ablations] == pytest.approx(holm(raw))
    found = contrast(conclusion, "NoAggregate").numbers.percent
    expected = fieller(table.scores("NoAggregate", 0), base)
    assert found.value == pytest.approx(expected.ratio - 1)
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (expected.interval.low - 1, expected.interval.high - 1)
    )
    assert found.wide.low < found.interval.low < found.narrow.low < found.narrow.high < found.interval.high


def test_controls_stand_outside_the_family(tmp_path):
    arms = five_arms()
    without = concluded(tmp_path / "a", arms)
    with_controls = concluded(tmp_path / "b", [*arms, Arm("PPO", 0.3, role="control", action=None)])
    assert [row.p_holm for row in with_controls.ablations] == [row.p_holm for row in without.ablations]
    control = contrast(with_controls, "PPO")
    assert math.isnan(control.p_holm)
    assert control.verdict == "hurts"
    assert "outside the correction" in sentence(with_controls, control)


def test_an_ablation_without_p_yet_still_counts_in_the_family(tmp_path):
    arms = [BASE, Arm("A", 0.6), Arm("B", missing=tuple(range(8)))]
    row = contrast(concluded(tmp_path, arms), "A")
    assert row.p_holm == pytest.approx(2 * row.p)


@pytest.mark.parametrize(
    ("arm", "verdict", "words"),
    [
        (Arm("A", 0.5), "hurts", "lowers eval/return by"),
        (Arm("A", 1.5), "helps", "raises eval/return by"),
        (Arm("A", 1.0, sd=0.03), "no change", "it can be dropped at these settings"),
        (Arm("A", 0.95, sd=0.3), "inconclusive", "inconclusive. The data allow anything from a loss of"),
    ],
)
def test_verdicts_and_their_sentences(tmp_path, arm, verdict, words):
    conclusion = concluded(tmp_path, [Arm("baseline", sd=0.03, role="baseline", action=None), arm], seeds=12)
    row = contrast(conclusion, "A")
    assert row.verdict == verdict
    assert words in sentence(conclusion, row)


def test_hurts_names_the_margin_only_when_the_interval_lies_beyond_it(tmp_path):
    base = Arm("baseline", sd=0.03, role="baseline", action=None)
    for level, said in ((0.5, "larger than the 10% margin"), (0.95, "a real but small loss, within the 10% margin")):
        conclusion = concluded(tmp_path / said[:5], [base, Arm("A", level, sd=0.03)], seeds=12)
        assert said in sentence(conclusion, contrast(conclusion, "A"))


def test_seeds_to_resolve_come_from_the_margin_not_from_the_effect(tmp_path):
    base = Arm("baseline", sd=0.2, role="baseline", action=None)
    said = []
    for i, margin in enumerate((0.1, 0.2)):
        conclusion = concluded(tmp_path / str(i), [base, Arm("A", 0.97, sd=0.2)], primary={"margin": margin})
        said.append(sentence(conclusion, contrast(conclusion, "A")))
    more = [int(text.split("About ")[1].split()[0]) for text in said]
    assert more[0] > 2.5 * more[1] > 0
    assert "80% power for a 20% change" in said[1]


def test_two_runs_are_not_estimable_and_three_carry_a_warning(tmp_path):
    two = concluded(tmp_path / "2", [BASE, Arm("A", 0.5)], seeds=2)
    assert contrast(two, "A").verdict == "not estimable"
    assert contrast(two, "A").numbers.percent is None
    assert "2 finished runs of A, 3 needed" in sentence(two, contrast(two, "A"))
    three = concluded(tmp_path / "3", [BASE, Arm("A", 0.5)], seeds=3)
    assert any("few seeds (n = 3)" in guard for guard in contrast(three, "A").guards)


def test_few_seeds_need_an_effect_beyond_the_margin_and_never_show_absence(tmp_path):
    base = Arm("baseline", sd=0.004, role="baseline", action=None)
    arms = [base, Arm("Small", 0.95, sd=0.004), Arm("Same", 1.0, sd=0.004), Arm("Large", 0.5, sd=0.004)]
    four = concluded(tmp_path / "4", arms, seeds=4)
    assert [row.verdict for row in four.ablations] == ["inconclusive", "inconclusive", "hurts"]
    assert contrast(four, "Small").p_holm < 0.05
    eight = concluded(tmp_path / "8", arms, seeds=8)
    assert [row.verdict for row in eight.ablations] == ["hurts", "no change", "hurts"]


def test_unequal_spreads_are_provisional_below_ten_runs(tmp_path):
    arms = [BASE, Arm("A", 0.5, sd=0.003), Arm("B", 0.5)]
    eight = concluded(tmp_path / "8", arms, seeds=8)
    assert contrast(eight, "A").provisional
    assert verdict_text(contrast(eight, "A"), 0.1) == "hurts (provisional)"
    assert not contrast(eight, "B").provisional
    assert not contrast(concluded(tmp_path / "12", arms, seeds=12), "A").provisional


def test_two_groups_of_runs_are_provisional_below_ten_runs_and_say_the_rate(tmp_path):
    def shifted(home, seeds):
        manifest = write_study(home, [BASE, Arm("A", 0.5), Arm("B", 0.5)], seeds=seeds, probes=False)
        for cell in manifest["cells"]:
            if cell["variant"] == "A" and cell["seed"] >= seeds - 2:
                source = home / "cells" / cell["hash"] / "metrics.jsonl"
                rows = [json.loads(line) for line in source.read_text().splitlines()]
                rows = [row | {"eval/return": row["eval/return"] - 1.0} for row in rows]
                source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return conclude(load(manifest))

    eight = shifted(tmp_path / "8", 8)
    (guard,) = (guard for guard in contrast(eight, "A").guards if "two groups" in guard)
    assert contrast(eight, "A").provisional
    assert "0 of 8 runs failed: rates of 0% to 37% are possible" in guard
    assert not contrast(eight, "B").provisional
    assert not contrast(shifted(tmp_path / "12", 12), "A").provisional


def test_equivalence_p_decides_no_change(tmp_path):
    base = Arm("baseline", sd=0.05, role="baseline", action=None)
    arms = [base, *(Arm(f"A{i}", 1 - 0.03 * i, sd=0.05) for i in range(5))]
    rows = concluded(tmp_path, arms, seeds=10, tasks=2).ablations
    assert all((row.numbers.percent.p_margin < 0.05) == (row.numbers.percent.narrow.within(-0.1, 0.1)) for row in rows)
    assert {row.numbers.percent.p_margin < 0.05 for row in rows} == {True, False}
    assert all(row.numbers.percent.p_margin < 0.05 for row in rows if row.verdict == "no change")


def test_ranks_are_of_estimable_ablations_only(tmp_path):
    arms = [BASE, Arm("A", 0.5), Arm("B", 0.9), Arm("C", 0.7), Arm("D", missing=tuple(range(8)))]
    conclusion = concluded(tmp_path, [*arms, Arm("PPO", 0.1, role="control", action=None)])
    found = {row.variant.name: row.rank for row in conclusion.contrasts}
    assert [(found[name].place, found[name].of) for name in "ACB"] == [(1, 3), (2, 3), (3, 3)]
    assert (found["A"].low, found["A"].high) == (1, 1)
    assert found["D"] is None
    assert found["PPO"] is None
    assert concluded(tmp_path / "one", arms[:2]).contrasts[0].rank is None


def test_range_points_need_a_declared_range(tmp_path):
    row = contrast(concluded(tmp_path / "a", [BASE, Arm("A", 0.6)], score_range=(-1.0, 3.0)), "A")
    assert row.numbers.points.value == pytest.approx(row.numbers.difference.value / 4)
    assert contrast(concluded(tmp_path / "b", [BASE, Arm("A", 0.6)], score_range=None), "A").numbers.points is None


def test_leaving_a_task_out_and_tasks_as_a_sample(tmp_path):
    row = contrast(concluded(tmp_path, [BASE, Arm("A", 0.6, sd=0.05)], tasks=4, seeds=5), "A")
    spread, singles = row.numbers.spread, [task.percent.value for task in row.numbers.tasks]
    assert spread.effects == pytest.approx(singles)
    assert [one.value for one in spread.without] == pytest.approx([(sum(singles) - x) / 3 for x in singles])
    assert spread.sample.value == pytest.approx(row.numbers.percent.value)
    assert spread.sample.df == 3
    assert spread.driver is None
    assert contrast(concluded(tmp_path / "one", [BASE, Arm("A", 0.6)]), "A").numbers.spread is None


def test_without_variance_there_is_no_test(tmp_path):
    manifest = write_study(tmp_path, [BASE, Arm("Same"), Arm("Other")], seeds=4, probes=False)
    for i, cell in enumerate(manifest["cells"]):
        value = 1.0 if i < 8 else 0.5
        rows = [f'{{"env_steps": {s}, "ts": 0, "attempt": 1, "eval/return": {value}}}\n' for s in (500_000, 1_000_000)]
        (tmp_path / "cells" / cell["hash"] / "metrics.jsonl").write_text("".join(rows))
    conclusion = conclude(load(manifest))
    same, other = (sentence(conclusion, row) for row in conclusion.contrasts)
    assert "the same on all seeds" in same
    assert "no arm varies between seeds (1.000 and 0.500 on all seeds)" in other
    assert {row.verdict for row in conclusion.contrasts} == {"not estimable"}


def test_saturated_runs_are_named(tmp_path):
    base = Arm("baseline", 2.0, sd=0.0005, role="baseline", action=None)
    manifest = write_study(tmp_path, [base, Arm("A", 2.0, sd=0.0005)], score_range=(0.0, 1.99), points=400)
    row = contrast(conclude(load(manifest)), "A")
    assert any(guard.startswith("saturated") for guard in row.guards)
    assert not any(
        "saturated" in guard for row in concluded(tmp_path / "b", five_arms()).contrasts for guard in row.guards
    )


def test_a_baseline_at_its_floor_gets_differences_and_no_percentages(tmp_path):
    arms = [Arm("baseline", 0.02, sd=0.1, role="baseline", action=None), Arm("A", 0.8)]
    conclusion = concluded(tmp_path, arms)
    row = contrast(conclusion, "A")
    assert row.numbers.g >= 1
    assert row.numbers.percent is None
    assert not conclusion.in_percent
    assert row.verdict == "helps"
    assert "percentages are refused" in sentence(conclusion, row)


def test_a_negative_return_without_a_declared_floor_gets_no_percentages(tmp_path):
    arms = [Arm("baseline", -1.0, role="baseline", action=None), Arm("A", -1.5)]
    row = contrast(concluded(tmp_path / "a", arms, score_range=None), "A")
    assert row.numbers.percent is None
    assert row.verdict == "hurts"
    floored = contrast(concluded(tmp_path / "b", arms, score_range=(-3.0, 0.0)), "A")
    assert floored.numbers.percent.value == pytest.approx(-0.25, abs=0.06)


def test_arms_that_violate_their_check_are_not_judged(tmp_path):
    conclusion = concluded(tmp_path, [BASE, Arm("A", 0.2, violated=(0, 1)), Arm("B", 0.5)])
    row = contrast(conclusion, "A")
    assert row.verdict == "not estimable"
    assert row.numbers.superiority_interval is None
    assert "manipulation check failed in 2 runs of A" in sentence(conclusion, row)
    assert contrast(conclusion, "B").verdict == "hurts"


def test_an_arm_that_failed_as_a_whole_is_not_a_finding(tmp_path):
    conclusion = concluded(tmp_path, [BASE, Arm("A", failed=tuple(range(8)))])
    assert contrast(conclusion, "A").verdict == "not estimable"
    assert "every run of A failed" in sentence(conclusion, contrast(conclusion, "A"))


def test_failures_are_named_with_their_rate(tmp_path):
    conclusion = concluded(tmp_path, [BASE, Arm("A", 0.5, failed=(3,))], seeds=10)
    assert "1 of 10 runs failed and score the floor (rate 10% [0.3, 45])." in sentence(
        conclusion, contrast(conclusion, "A")
    )


def test_expectation_is_compared_with_the_verdict(tmp_path):
    arms = [BASE, Arm("A", 0.5, expect="worse"), Arm("B", 1.5, expect="worse"), Arm("C", 1.0, sd=0.4, expect="none")]
    conclusion = concluded(tmp_path, [*arms, Arm("D", 0.5)])
    assert [row.expected for row in conclusion.contrasts] == ["as expected", "contrary", "open", ""]


def test_several_tasks_average_the_relative_change(tmp_path):
    conclusion = concluded(tmp_path, [BASE, Arm("A", 0.6, sd=0.05)], tasks=4, seeds=4)
    row = contrast(conclusion, "A")
    singles = [task.percent.value for task in row.numbers.tasks]
    assert row.numbers.percent.value == pytest.approx(np.mean(singles))
    assert row.numbers.percent.se < 0.6 * np.mean([task.percent.se for task in row.numbers.tasks])  # about 1/sqrt(4)
    assert row.numbers.unit == "of the baseline"
    assert "4 tasks" in sentence(conclusion, row)


def test_a_task_without_runs_is_never_averaged_away(tmp_path):
    manifest = write_study(tmp_path, [BASE, Arm("A", 0.6)], tasks=2, seeds=4)
    for cell in manifest["cells"]:
        if cell["variant"] == "A" and cell["task"] == 1:
            (tmp_path / "cells" / cell["hash"] / "status.json").unlink()
    conclusion = conclude(load(manifest))
    assert contrast(conclusion, "A").verdict == "not estimable"
    assert "A on maze/deceptive-1" in sentence(conclusion, contrast(conclusion, "A"))


def test_adding_a_variant_changes_no_other_numbers_but_the_correction(tmp_path):
    arms = [BASE, Arm("A", 0.9), Arm("B", 0.8)]
    few = concluded(tmp_path / "a", arms, seeds=12)
    many = concluded(tmp_path / "b", [*arms, Arm("C", 0.7)], seeds=12)
    for name in ("A", "B"):
        one, other = contrast(few, name).numbers, contrast(many, name).numbers
        assert one.p_permutation == other.p_permutation
        assert one.percent.interval == other.percent.interval


def test_scaling_scores_and_floor_leaves_percentages(tmp_path):
    one = contrast(concluded(tmp_path / "a", [BASE, Arm("A", 0.7)]), "A").numbers.percent
    ten = [Arm("baseline", 10.0, sd=0.8, role="baseline", action=None), Arm("A", 7.0, sd=0.8)]
    manifest = write_study(tmp_path / "b", ten, score_range=(0.0, 20.0))
    for cell in manifest["cells"]:
        source = tmp_path / "a" / "cells" / cell["hash"] / "metrics.jsonl"
        text = "".join(_times_ten(line) for line in source.read_text().splitlines())
        (tmp_path / "b" / "cells" / cell["hash"] / "metrics.jsonl").write_text(text)
    other = contrast(conclude(load(manifest)), "A").numbers.percent
    assert (one.value, one.se, one.interval.low) == pytest.approx((other.value, other.se, other.interval.low))


def _times_ten(line):
    row = json.loads(line)
    return json.dumps(row | {"eval/return": 10 * row["eval/return"]}) + "\n"


def test_a_cost_reads_the_same_as_its_negative_return(tmp_path):
    costs = [Arm("baseline", 1.0, role="baseline", action=None), Arm("A", 1.5)]
    conclusion = concluded(tmp_path, costs, score_range=None, primary={"goal": "min"})
    row = contrast(conclusion, "A")
    assert row.verdict == "hurts"
    assert row.numbers.percent.value == pytest.approx(-0.5, abs=0.1)
    assert sentence(conclusion, row).startswith("Removing A raises eval/return by")


def test_baseline_split_against_itself_is_rarely_a_finding():
    rng = np.random.default_rng(zlib.crc32(b"split"))
    wrong = sum(welch(x[:10], x[10:]).p < 0.05 for x in rng.gamma(2.0, size=(1000, 20)))
    assert wrong / 1000 <= 0.06


def test_sentences_avoid_words_a_leave_one_out_design_cannot_support(tmp_path):
    conclusion = concluded(tmp_path, [*five_arms(), Arm("PPO", 0.3, role="control", action=None)])
    said = " ".join(sentence(conclusion, row) for row in conclusion.contrasts).lower()
    assert not any(word in said for word in ("contribut", "explain", "important", "significant", "does not matter"))


def test_subjects_name_action_part_and_change(tmp_path):
    arms = {row.variant.name: row.variant for row in concluded(tmp_path, five_arms()).contrasts}
    assert subject_of(arms["NoAggregate"]) == "Removing off-policy data of the followers (NoAggregate)"
    assert subject_of(arms["VaryM[2]"]).startswith("Replacing number of policies M (VaryM[2]; num_policies: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (p_value(0.0), "< .001"), (p_value(0.0042), ".004"), (p_value(1.0), "1"), (p_value(math.nan), "–"),
        (p_equation("p", 1e-9), "p < .001"), (fixed(-0.04, 1), "0.0"), (fixed(-1234.5, 1), "−1,234.5"),
        (interval(Interval(-0.427, 0.05), 1, 100), "[−42.7, 5.0]"), (compact(6e6), "6.00M"),
        (compact(999_999), "1.00M"), (compact(20), "20"), (compact(0.0123), "0.0123"), (compact(1.5e6), "1.50M"),
        (duration(100), "1.7 min"),
        (duration(7200), "2.0 h"), (str(decimals(0.023)), "3"), (str(decimals(23.0)), "0"),
    ],
)  # fmt: skip
def test_numbers_are_written_to_the_digits_they_deserve(text, expected):
    assert text == expected


def test_decimal_points_stand_under_each_other():
    assert [len(text) for text in align(["1.25", "10", "3.5"])] == [4, 5, 4]
