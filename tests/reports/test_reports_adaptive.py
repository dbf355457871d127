"""The course of a study with looks: worked out from scores alone, blind to what no look has seen."""

import json

import numpy as np
import pytest
from report_cells import Arm, write_study

from reports.adaptive import course_of, view_at
from reports.ranks import Rank
from reports.scores import load
from reports.sequential import (
    OPEN,
    holm_levels,
    nominal_levels,
    repeated_p,
    two_sided_p,
    walk,
    welch_at_looks,
    within_margin,
)
from reports.stats import welch
from reports.verdicts import conclude

LOOKS = (5, 8, 12)
PLAN = {"looks": list(LOOKS), "spending": "quadratic"}


def arms(*levels, **fields):
    found = [Arm("baseline", role="baseline", action=None)]
    return [*found, *(Arm(f"No{i}", level, **fields) for i, level in enumerate(levels))]


def table_of(home, arms, *, seeds=12, plan=PLAN, **over):
    return load(write_study(home, arms, seeds=seeds, adaptive=plan, **over))


def summary(course):
    return [(path.variant.name, path.why, path.last.n if path.last else None) for path in course.paths]


def without(home, manifest, gone):
    """The manifest without the cells for which ``gone(variant, seed)`` holds."""
    cells = [one for one in manifest["cells"] if not gone(one["variant"], one["seed"])]
    return load(manifest | {"cells": cells})


def test_every_way_to_stop(tmp_path):
    study = [*arms(0.3, 1.0, 0.9), Arm("Other", 0.5, role="control", action=None)]
    found = table_of(tmp_path, study)
    course = course_of(found)
    assert summary(course)[0] == ("No0", "separated", 5)
    assert summary(course)[3] == ("Other", "separated", 5)
    assert {why for _, why, _ in summary(course)} == {"separated", "no change", "n_max"}
    assert (course.looked, course.n("No0"), course.n("baseline"), course.n("No2")) == (3, 5, 12, 12)
    rows = {row.variant.name: row for row in conclude(found).contrasts}
    words = {"separated": "hurts", "no change": "no change", "n_max": "inconclusive"}
    assert {name: row.verdict for name, row in rows.items()} == {name: words[why] for name, why, _ in summary(course)}
    assert rows["No0"].numbers.n == rows["No0"].numbers.n_base == 5
    assert "stopped early at n = 5 of at most 12: the size may be overstated" in rows["No0"].guards
    assert all((row.p_holm < 0.05) == (row.verdict == "hurts") for row in rows.values() if row.role == "ablation")


def test_runs_that_no_look_asks_for_change_nothing(tmp_path):
    manifest = write_study(tmp_path, arms(0.3, 1.0, 0.9), seeds=12, adaptive=PLAN, score_range=None)
    full = load(manifest)
    course = course_of(full)
    lean = without(tmp_path, manifest, lambda variant, seed: seed not in course.wanted(variant))
    assert len(lean.runs) < len(full.runs)
    assert summary(course_of(lean)) == summary(course)
    for one, other in zip(conclude(lean).contrasts, conclude(full).contrasts, strict=True):
        assert (one.verdict, one.p, one.p_holm) == (other.verdict, other.p, other.p_holm)
        assert one.numbers.percent == other.numbers.percent
        assert one.guards == other.guards


def test_a_look_waits_for_every_run_it_needs(tmp_path):
    manifest = write_study(tmp_path, arms(0.3, 1.0), seeds=12, adaptive=PLAN)
    whole = course_of(load(manifest))
    waiting = course_of(without(tmp_path, manifest, lambda variant, seed: variant == "No1" and seed == 4))
    assert waiting.looked == 0
    assert summary(waiting) == [("No0", "open", None), ("No1", "open", None)]
    assert waiting.wanted("No0") == (0, 1, 2, 3, 4) == waiting.wanted("baseline")
    first = course_of(without(tmp_path, manifest, lambda variant, seed: variant == "No1" and seed == 7))
    assert first.looked == 1
    assert summary(first)[0] == summary(whole)[0] == ("No0", "separated", 5)
    assert (first.n("No0"), first.n("No1"), first.n("baseline")) == (5, 8, 8)
    # A run that goes on training is no run that has ended.
    status = tmp_path / "cells" / manifest["cells"][4]["hash"] / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "RUNNING"}))
    assert course_of(load(manifest)).looked == 0
    rows = conclude(load(manifest)).contrasts
    assert [row.verdict for row in rows] == ["not estimable"] * 2
    assert rows[0].guards[0] == "the first look waits until 5 runs of every arm have ended"


def test_an_open_contrast_is_inconclusive_and_says_so(tmp_path):
    manifest = write_study(tmp_path, arms(0.95), seeds=12, adaptive=PLAN)
    row = conclude(without(tmp_path, manifest, lambda variant, seed: seed >= 8)).contrasts[0]
    assert (row.verdict, row.numbers.n) == ("inconclusive", 8)
    assert "still open after 8 of at most 12 seeds: an interim result" in row.guards


def test_failed_runs_score_the_floor_of_what_the_look_saw(tmp_path):
    """Where no floor is declared it is the worst finished score: of the runs up to that look, not of later ones."""
    study = arms(0.9, 0.9)
    study[1].failed = (2,)
    manifest = write_study(tmp_path, study, seeds=12, adaptive=PLAN, score_range=None)
    late = next(one["hash"] for one in manifest["cells"] if (one["variant"], one["seed"]) == ("No1", 11))
    journal = tmp_path / "cells" / late / "metrics.jsonl"
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    journal.write_text("".join(json.dumps(row | {"eval/return": row["eval/return"] / 9}) + "\n" for row in rows))
    full = load(manifest)
    early = without(tmp_path, manifest, lambda variant, seed: seed >= 5)
    assert full.fill[0][0] < early.fill[0][0], "the worst run comes late, or this test shows nothing"
    (a, b), (c, d) = (course_of(one).paths for one in (full, early))
    assert a.looks[0].numbers.difference == c.looks[0].numbers.difference
    assert b.looks[0].numbers.difference == d.looks[0].numbers.difference


def test_an_arm_that_is_not_what_it_is_called_gets_no_more_seeds(tmp_path):
    study = arms(0.97, 0.97)
    study[1].violated = (1,)
    course = course_of(table_of(tmp_path, study))
    assert summary(course)[0] == ("No0", "not estimable", 5)
    assert course.n("No0") == 5
    row = conclude(load(json.loads((tmp_path / "manifest.json").read_text()))).contrasts[0]
    assert (row.verdict, np.isnan(row.p)) == ("not estimable", True)
    assert "manipulation check" in row.guards[0]


def test_unequal_spreads_hold_a_look_open_below_ten_seeds(tmp_path):
    def why(home, sd):
        return summary(course_of(table_of(home, [*arms(), Arm("Wild", 0.2, sd)])))[0]

    assert why(tmp_path / "calm", 0.08) == ("Wild", "separated", 5)
    assert why(tmp_path / "wild", 0.005) == ("Wild", "separated", 12), "held open at 5 and 8, not at 12"


def test_below_five_seeds_a_separation_must_exceed_the_margin(tmp_path):
    plan = {"looks": [3, 5], "spending": "linear"}

    def path(home, level):
        study = [Arm("baseline", 1.0, 0.01, role="baseline"), Arm("No0", level, 0.01)]
        return course_of(table_of(home, study, tasks=4, plan=plan, seeds=5)).paths[0]

    assert path(tmp_path / "large", 0.7).last.n == 3
    small = path(tmp_path / "small", 0.93)
    assert small.looks[0].numbers.difference.p < nominal_levels("linear", (3, 5), 0.05)[0]
    assert (small.why, small.last.n) == ("separated", 5)


def test_the_course_is_that_of_the_simulated_procedure(tmp_path):
    """The platform's walk over files and the simulation suite's walk over arrays are one procedure."""
    for number, levels in enumerate([(0.6, 0.95, 1.0, 0.85), (0.9, 0.9, 0.9, 0.88), (1.0, 1.02, 0.98, 0.93)]):
        found = table_of(tmp_path / str(number), [*arms(*levels, sd=0.1)])
        names = [one.name for one in found.manifest.variants]
        scores = np.stack([found.scores(name, 0) for name in names])
        course = course_of(found)
        value, se, df = welch_at_looks(scores[None, None, 0], scores[None, 1:, None], LOOKS)
        ratio = np.array(
            [[look.numbers.sd_ratio for look in path.looks] + [1.0] * (3 - len(path.looks)) for path in course.paths]
        )
        assert (ratio < 3).all(), "no guard may interfere here"
        # The margin is relative: Fieller's interval is compared with it, so only the separations are the same numbers.
        within = np.array([[[look.numbers.percent.narrow.within(-0.1, 0.1) for look in path.looks]
                            + [False] * (3 - len(path.looks)) for path in course.paths]])  # fmt: skip
        stop, outcome = walk(two_sided_p(value, se, df), within, holm_levels("quadratic", LOOKS, 0.05, 4))
        assert [path.last.look for path in course.paths] == stop[0].tolist()
        words = {"separated": 1, "no change": 2, "n_max": OPEN}
        assert [words[path.why] for path in course.paths] == outcome[0].tolist()
        rough = within_margin(value, se, df, 0.1 * scores[0].mean(), nominal_levels("quadratic", LOOKS, 0.1))
        assert rough.shape == within.shape


def test_repeated_intervals_are_wider_and_follow_the_verdict(tmp_path):
    found = table_of(tmp_path, arms(0.8, 0.97, 1.0))
    course = course_of(found)
    for row, path in zip(conclude(found).contrasts, course.paths, strict=True):
        fixed = conclude_fixed(found, course.seeds[: path.last.n], row.variant.name)
        repeated, plain = row.numbers.percent.interval, fixed.numbers.percent.interval
        assert repeated.low < plain.low
        assert repeated.high > plain.high


def conclude_fixed(table, seeds, variant):
    from dataclasses import replace

    some = table.restricted(dict.fromkeys([one.name for one in table.manifest.variants], seeds))
    some = replace(some, manifest=replace(some.manifest, looks=None))
    return next(row for row in conclude(some).contrasts if row.variant.name == variant)


@pytest.mark.parametrize("spending", ["quadratic", "linear", "obrien_fleming", "pocock"])
def test_every_spending_function_runs(tmp_path, spending):
    course = course_of(table_of(tmp_path, arms(0.2, 1.0), plan=PLAN | {"spending": spending}))
    assert summary(course)[0][1] == "separated"


def test_places_come_from_repeated_p_values_of_the_seeds_that_both_had(tmp_path):
    found = table_of(tmp_path, [*arms(0.3, 0.55, 0.96, 0.97), Arm("Other", 0.5, role="control", action=None)])
    rows = {row.variant.name: row for row in conclude(found).contrasts}
    course = course_of(found)
    stops = {path.variant.name: path.last.n for path in course.paths}
    assert (stops["No0"], stops["No3"]) == (5, 12)
    assert (rows["No0"].rank, rows["No1"].rank) == (Rank(1, 1, 1, 4), Rank(2, 2, 2, 4))
    assert {rows["No2"].rank.place, rows["No3"].rank.place} == {3, 4}
    assert all((rows[name].rank.low, rows[name].rank.high) == (3, 4) for name in ("No2", "No3"))
    assert rows["Other"].rank is None
    # The test behind it: No0 stopped at five seeds, so five of No3 count, at the first look's own p.
    five = view_at(found, course, 5)
    p = welch(five.scores("No0", 0), five.scores("No3", 0)).p
    assert 6 * repeated_p("quadratic", LOOKS)(p, 0) < 0.05


def test_a_place_needs_more_than_an_unadjusted_p(tmp_path):
    """At the first look the boundary is far stricter than alpha: what Holm alone would separate stays tied."""
    manifest = write_study(tmp_path, arms(0.7, 0.84, sd=0.08), seeds=12, adaptive=PLAN)
    early = load(manifest | {"cells": [one for one in manifest["cells"] if one["seed"] < 5]})
    course = course_of(early)
    assert course.looked == 1
    p = welch(early.scores("No0", 0), early.scores("No1", 0)).p
    assert p < 0.05 < repeated_p("quadratic", LOOKS)(p, 0)
    row = conclude(early).contrasts[0]
    assert row.rank == Rank(1, 1, 2, 2)


def test_other_statistics_are_asked_at_the_bound_of_the_stop(tmp_path):
    found = table_of(tmp_path, arms(0.3, 1.0, 0.9))
    rows = {row.variant.name: row for row in conclude(found).contrasts}
    first = rows["No0"]
    assert first.numbers.n == 5
    assert first.answers["permutation"] is None, "2/252 cannot reach the first look's bound"
    assert first.answers["IQM"] is None
    assert (first.answers["other summary"], first.answers["log ratio"]) == (-1, -1)
    assert first.flips(0.05) == ()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    open_ = conclude(without(tmp_path, manifest, lambda variant, seed: seed >= 8)).contrasts[2]
    assert (open_.verdict, open_.answers) == ("inconclusive", {})
