"""Golden cases and behaviour of ranks, equivalence, survival, clusters, heterogeneity and aggregates."""

import math

import numpy as np
import pytest

from reports.aggregates import (
    AGGREGATES,
    fractional_iqm,
    iqm,
    median,
    point,
    profile,
    profile_band,
    resampled,
    resampled_means,
    stretched,
)
from reports.clusters import BOUNDS, gap_share, two_clusters
from reports.equivalence import equivalence_p, ratio_equivalence_p
from reports.heterogeneity import Change, TaskSpread, as_sample
from reports.ranks import rank_intervals
from reports.stats import Estimate, Interval, fieller, relative_effect, trimmed_mean, welch
from reports.survival import kaplan_meier, restricted_difference, restricted_mean

MATRIX = np.random.default_rng(0).normal(size=(10, 6))


def by_task(matrix):
    return list(np.asarray(matrix, dtype=float).T)


def test_g1_fractional_and_pooled_interquartile_means():
    assert fractional_iqm([0, 1, 2, 10, 100]) == pytest.approx(4.1)
    assert fractional_iqm([1, 2, 3, 4]) == pytest.approx(2.5)
    assert fractional_iqm(range(1, 11)) == pytest.approx(5.5)
    assert point(iqm, by_task(MATRIX)) == pytest.approx(trimmed_mean(MATRIX))


def test_g2_one_dead_task_of_six_moves_the_mean_and_neither_iqm_nor_median():
    scores = np.ones((10, 6))
    scores[:, 3] = 0
    found = {name: point(aggregate, by_task(scores)) for name, aggregate in AGGREGATES.items()}
    assert (found["IQM"], found["median"]) == (1.0, 1.0)
    assert found["mean"] == pytest.approx(0.833333, abs=1e-6)
    assert found["optimality gap"] == pytest.approx(1 / 6)
    noise = 1e-9 * MATRIX
    change = relative_effect([(s, b) for s, b in zip((scores + noise).T, (1 - noise).T, strict=True)], [0.0] * 6)
    assert change.value == pytest.approx(-0.166667, abs=1e-6)


def test_g13_kaplan_meier_and_restricted_mean():
    found = kaplan_meier([3, 5, 8, 5, 10], [True, True, True, False, False])
    assert found.times.tolist() == [3, 5, 8]
    assert found.share == pytest.approx([0.8, 0.6, 0.3])
    assert restricted_mean(found, 10).value == pytest.approx(7.0)


def test_restricted_means_of_fully_watched_runs_are_means_and_their_difference_is_welch():
    rng = np.random.default_rng(3)
    times = [np.minimum(rng.exponential(scale, n), 10.0) for scale, n in ((4.0, 7), (9.0, 9))]
    curves = [kaplan_meier(own, own < 10) for own in times]
    for own, curve in zip(times, curves, strict=True):
        assert restricted_mean(curve, 10).value == pytest.approx(own.mean())
        assert restricted_mean(curve, 10).se == pytest.approx(own.std(ddof=1) / math.sqrt(len(own)))
    value, ends = restricted_difference(*curves, 10, 0.95)
    expected = welch(*times)
    assert value == pytest.approx(expected.value)
    assert (ends.low, ends.high) == pytest.approx((expected.interval().low, expected.interval().high))


def test_the_mean_of_the_runs_that_got_there_would_be_too_short():
    times = np.array([2.0, 3.0, 10.0, 10.0])
    assert restricted_mean(kaplan_meier(times, times < 10), 10).value == pytest.approx(6.25)
    assert restricted_mean(kaplan_meier(np.full(4, 10.0), np.zeros(4, bool)), 10).value == 10.0


def test_g17_stratified_bootstrap_error_of_the_mean():
    analytic = math.sqrt(sum(MATRIX.var(axis=0)) / 10) / 6
    assert analytic == pytest.approx(0.11030, abs=1e-5)
    rng = np.random.default_rng(1)
    assert resampled_means(by_task(MATRIX), rng, 40_000).std() == pytest.approx(analytic, rel=0.01)
    (means,) = resampled([AGGREGATES["mean"]], by_task(MATRIX), rng, 40_000)
    assert means.std() == pytest.approx(analytic, rel=0.015)


def test_g20_resampling_repeats_with_its_generator_and_runs_stay_in_their_task():
    first, second = (resampled([iqm, median], by_task(MATRIX), np.random.default_rng(5), 300) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    apart = [np.zeros(4), np.full(6, 100.0)]
    (medians,) = resampled([median], apart, np.random.default_rng(0), 50)
    assert set(medians.tolist()) == {50.0}


def test_stretching_widens_about_the_estimate_and_repairs_coverage():
    ends = stretched(1.0, np.linspace(0.0, 3.0, 10_001), 5)
    factor = math.sqrt(5 / 4)
    assert (ends.low, ends.high) == pytest.approx((1 + factor * (0.075 - 1), 1 + factor * (2.925 - 1)), abs=1e-3)
    rng, plain, wide = np.random.default_rng(8), 0, 0
    for _ in range(400):
        scores = by_task(rng.normal(size=(5, 6)))
        draws = resampled_means(scores, rng, 400)
        centre = float(np.mean([one.mean() for one in scores]))
        low, high = np.quantile(draws, [0.025, 0.975])
        plain += low <= 0 <= high
        found = stretched(centre, draws, 5)
        wide += found.low <= 0 <= found.high
    assert plain / 400 < 0.93 < wide / 400


def test_performance_profile_counts_runs_above_a_level_per_task():
    levels = np.array([-1.0, 0.5, 1.5])
    scores = [np.array([0.0, 1.0]), np.array([1.0, 1.0, 2.0, 2.0])]
    assert profile(scores, levels) == pytest.approx([1.0, 0.75, 0.25])
    low, high = profile_band(scores, levels, np.random.default_rng(0))
    assert (low <= profile(scores, levels)).all()
    assert (high >= profile(scores, levels)).all()
    assert (low[0], high[0]) == (1.0, 1.0)


def test_rank_intervals_of_far_apart_arms_are_single_places():
    rng = np.random.default_rng(2)
    arms = [[rng.normal(shift, 0.1, 8)] for shift in (3.0, 1.0, 2.0)]
    assert [(r.place, r.low, r.high, r.of) for r in rank_intervals(arms, [1.0])] == [
        (3, 3, 3, 3), (1, 1, 1, 3), (2, 2, 2, 3)
    ]  # fmt: skip


def test_rank_intervals_cover_every_place_under_ties_where_bootstrapped_ranks_do_not():
    rng = np.random.default_rng(4)
    whole = bootstrap = 0
    for _ in range(300):
        arms = rng.normal(size=(6, 10))
        whole += all((r.low, r.high) == (1, 6) for r in rank_intervals([[a] for a in arms], [1.0]))
        means = np.stack([a[rng.integers(0, 10, size=(100, 10))].mean(axis=1) for a in arms])
        ranks = means.argsort(axis=0).argsort(axis=0) + 1
        low, high = np.quantile(ranks, [0.025, 0.975], axis=1)
        bootstrap += bool(((low <= 1) & (high >= 6)).all())
    assert whole / 300 >= 0.93
    assert bootstrap / 300 < 0.20


def test_rank_intervals_forgive_pairs_that_cannot_be_tested():
    flat = [[np.full(5, 1.0)], [np.full(5, 2.0)], [np.array([8.0, 9, 10, 9, 8])]]
    found = rank_intervals(flat, [1.0])
    assert [r.place for r in found] == [1, 2, 3]
    assert (found[0].low, found[0].high) == (1, 2)  # constant arms differ, but chance cannot be judged
    assert rank_intervals([[np.arange(4.0)]], [1.0])[0].high == 1


@pytest.mark.parametrize("centre", [0.0, 0.03, -0.06, 0.3])
def test_equivalence_p_agrees_with_the_interval_at_one_minus_two_alpha(centre):
    for se in (0.01, 0.03, 0.06, 0.2):
        change = Estimate(centre, se, 11.0)
        assert (equivalence_p(change, 0.1) < 0.05) == change.interval(0.90).within(-0.1, 0.1)
    assert equivalence_p(Estimate(0.05, 0.0, 3.0), 0.1) == 0.0


def test_equivalence_of_a_ratio_agrees_with_fieller_above_and_below_zero():
    rng = np.random.default_rng(6)
    seen = set()
    for _ in range(300):
        base, own = rng.normal(1.0, 0.12, 7), rng.normal(1 + rng.normal(0, 0.06), 0.1, 8)
        p = ratio_equivalence_p(own, base, 0.0, 0.1)
        ends = fieller(own, base, 0.0, 0.90).interval
        assert (p < 0.05) == Interval(ends.low - 1, ends.high - 1).within(-0.1, 0.1)
        assert ratio_equivalence_p(-own, -base, 0.0, 0.1) == pytest.approx(p)
        seen.add(p < 0.05)
    assert seen == {True, False}


@pytest.mark.parametrize("n", sorted(BOUNDS))
def test_normal_arms_rarely_look_like_two_clusters(n):
    rng = np.random.default_rng(n)
    assert np.mean([two_clusters(rng.normal(size=n)) for _ in range(2500)]) == pytest.approx(0.02, abs=0.01)


def test_a_crashed_run_is_a_cluster_and_ten_runs_are_never_judged_by_it():
    steady = np.array([1.0, 1.1, 0.95, 1.05, 1.02, 0.98, 1.08])
    assert not two_clusters(steady)
    assert two_clusters(np.append(steady, -4.0))
    assert gap_share(np.ones(5)) == 0.0
    assert not two_clusters(np.append(np.ones(9), -4.0))


def test_tasks_as_a_sample_have_t_minus_one_degrees_of_freedom():
    found = as_sample([-0.2, -0.4, -0.6])
    assert (found.value, found.df) == (pytest.approx(-0.4), 2)
    assert found.interval().low == pytest.approx(-0.4 - 4.30265 * 0.2 / math.sqrt(3), abs=1e-5)


def test_a_driver_is_a_task_without_which_half_is_gone():
    def spread(effects):
        rest = [np.delete(effects, i).mean() for i in range(len(effects))]
        return TaskSpread(tuple(effects), tuple(Change(r, Interval(r, r)) for r in rest), as_sample(effects))

    assert spread([-0.9, -0.05, -0.05, 0.0]).driver == 0
    assert spread([-0.3, -0.2, -0.25, -0.3]).driver is None
    assert spread([-0.9, -0.05]).driver is None  # of two tasks each is half of the evidence
