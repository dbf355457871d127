import json
import math

import numpy as np
import pytest
from report_cells import Arm, write_study
from scipy import stats as scipy_stats

from reports.replication import independent_difference, records, replication, rows
from reports.scores import load
from reports.stats import relative_effect
from reports.verdicts import conclude


def arms(**levels):
    return [Arm("baseline", role="baseline", action=None), *(Arm(name, level) for name, level in levels.items())]


def concluded(home, found, *, prefix="", **over):
    """A study whose cells have addresses of their own (``prefix``) and seeds' noise of their own."""
    manifest = write_study(home, found, **over)
    for cell in manifest["cells"] if prefix else ():
        (home / "cells" / cell["hash"]).rename(home / "cells" / (prefix + cell["hash"]))
        cell["hash"] = prefix + cell["hash"]
    return conclude(load(manifest))


@pytest.fixture
def two(tmp_path):
    a = concluded(tmp_path / "a", arms(Hurts=0.5, Flips=0.5, Same=1.0, OnlyA=0.9))
    changes = [*arms(Hurts=0.55, Flips=1.0, Same=1.02)[1:], Arm("Renamed", 0.9, label="OnlyA"), Arm("New", 1.0)]
    b = concluded(tmp_path / "b", [arms()[0], *changes], prefix="b", seeds=range(100, 108))
    return replication(a, b)


def test_changes_meet_by_name_then_by_what_they_change(two):
    assert [one.name for one in two.pairs] == ["Hurts", "Flips", "Same", "OnlyA / Renamed"]
    assert (two.only_a, two.only_b) == ((), ("New",))
    assert all(one.same_change for one in two.pairs)


def test_verdicts_and_sizes_are_said_apart(two):
    found = {one.name: one for one in two.pairs}
    assert (found["Hurts"].agreement, found["Flips"].agreement) == ("agree", "disagree")
    assert found["Flips"].p_holm < 0.001 < 0.05 < found["Hurts"].p_holm
    assert found["OnlyA / Renamed"].agreement == "open"
    assert "1 disagree (Flips)" in two.sentence
    assert "the sizes differ in Flips" in two.sentence


def test_the_difference_is_welchs_of_two_estimates(two):
    one = two.pairs[0]
    a, b = one.a.numbers.percent, one.b.numbers.percent
    assert one.difference.value == pytest.approx(b.value - a.value)
    assert one.difference.se == pytest.approx(math.hypot(a.se, b.se))
    df = (a.se**2 + b.se**2) ** 2 / (a.se**4 / a.df + b.se**4 / b.df)
    half = scipy_stats.t.ppf(0.975, df) * math.hypot(a.se, b.se)
    assert [one.interval.low, one.interval.high] == pytest.approx([b.value - a.value - half, b.value - a.value + half])


def test_the_interval_covers_a_difference_of_zero():
    # Two studies of one truth, 5 runs per arm: the claimed 95 % over 300 pairs of studies, within 4 standard errors.
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(300):
        own, other = (relative_effect([(rng.normal(0.7, 0.1, 5), rng.normal(1, 0.1, 5))], [0.0]) for _ in range(2))
        ends = independent_difference(own, other).interval()
        covered.append(ends.low < 0 < ends.high)
    assert 0.90 < np.mean(covered) <= 1


def test_runs_in_both_studies_give_no_difference(tmp_path):
    a = concluded(tmp_path / "a", arms(Hurts=0.5))
    found = replication(a, a).pairs[0]
    assert (found.shared, found.difference, found.agreement) == (16, None, "agree")
    assert "16 runs in both" in rows(replication(a, a))[0]["B - A"]


def test_what_differs_between_the_studies_is_noted(tmp_path):
    a = concluded(tmp_path / "a", arms(Hurts=0.5))
    b = concluded(tmp_path / "b", arms(Hurts=0.5), prefix="b", tasks=2, primary={"margin": 0.2})
    notes = " ".join(replication(a, b).notes)
    assert "The tasks differ" in notes
    assert "The margins differ: 10% against 20%" in notes
    assert "8 seeds in both" in notes


def test_another_primary_metric_is_refused(tmp_path):
    a = concluded(tmp_path / "a", arms(Hurts=0.5))
    b = concluded(tmp_path / "b", arms(Hurts=0.5), primary={"summary": "auc"})
    with pytest.raises(ValueError, match="summary final against auc"):
        replication(a, b)


def test_no_percentages_falls_back_on_the_metrics_unit_for_one_task_only(tmp_path):
    low = {"score_range": (1.0, 2.0)}  # the baseline sits on the floor: g >= 1
    one = [concluded(tmp_path / name, arms(Hurts=0.5), prefix=name, **low) for name in "ab"]
    found = replication(*one).pairs[0]
    assert (found.percent, found.difference is None) == (False, False)
    assert "%" not in rows(replication(*one))[0]["A: effect"]
    several = [concluded(tmp_path / name, arms(Hurts=0.5), prefix=name, tasks=2, **low) for name in "cd"]
    mixed = replication(one[0], several[0]).pairs[0]
    assert mixed.difference is None and mixed.reason == "no percentages, and no common unit"


def test_records_are_plain_data(two):
    found = json.loads(json.dumps(records(two)))
    assert [one["verdicts"] for one in found] == [one.agreement for one in two.pairs]
    assert found[0]["a_low"] < found[0]["a_effect"] < found[0]["a_high"] < 0


def test_adaptive_seeds_bring_their_repeated_interval(tmp_path):
    plan = {"looks": [5, 8, 12], "spending": "quadratic"}
    ours = [*arms(Hurts=0.5)]
    fixed = concluded(tmp_path / "a", ours, seeds=range(5))
    looked = concluded(tmp_path / "b", ours, prefix="b", seeds=range(100, 112), adaptive=plan)
    plain = concluded(tmp_path / "c", ours, prefix="c", seeds=range(100, 105))
    one, once = (replication(fixed, other).pairs[0] for other in (looked, plain))
    assert one.b.numbers.n == once.b.numbers.n == 5
    assert one.difference.value == pytest.approx(once.difference.value)
    repeated = one.b.numbers.percent
    single = once.b.numbers.percent
    wider = (repeated.interval.high - repeated.interval.low) / (2 * single.se * scipy_stats.t.ppf(0.975, single.df))
    assert wider > 1.5
    first = one.a.numbers.percent
    assert one.difference.se == pytest.approx(math.hypot(first.se, wider * single.se))
    assert one.interval.low < once.interval.low < once.interval.high < one.interval.high
    said = " ".join(replication(fixed, looked).notes)
    assert "added seeds while looking: the intervals shown are repeated" in said
    assert "added seeds" not in " ".join(replication(fixed, plain).notes)
