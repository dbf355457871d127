"""Golden cases G1 to G19 of the statistics reference, and coverage where no closed answer exists."""

import math

import numpy as np
import pytest

from reports.bands import sup_t_band
from reports.improvement import improvement, newcombe, superiority
from reports.permutation import permutation_p, smallest_p
from reports.power import detectable_effect, power, sd_range, seeds_needed
from reports.scores import area_under_curve
from reports.stats import (
    clopper_pearson,
    cohens_d,
    fieller,
    hedges_g,
    holm,
    log_ratio_interval,
    relative_effect,
    satterthwaite,
    stratified_difference,
    t_quantile,
    trimmed_mean,
    welch,
)

BASE = np.array([0.92, 1.05, 1.10, 0.98, 0.95, 1.01, 1.07, 0.93, 1.02, 0.97])
ABLATED = np.array([0.60, 0.71, 0.55, 0.66, 0.58, 0.63, 0.70, 0.52, 0.61, 0.64])


@pytest.mark.parametrize(("x", "expected"), [([0, 1, 2, 10, 100], 4.33333), ([1, 2, 3, 4], 2.5), (range(1, 11), 5.5)])
def test_g1_interquartile_mean(x, expected):
    assert trimmed_mean(list(x)) == pytest.approx(expected, abs=1e-5)


def test_g3_welch():
    found = welch(ABLATED, BASE)
    assert (found.value, found.t, found.df) == pytest.approx((-0.38, -13.96908, 17.99854), abs=1e-5)
    assert found.p == pytest.approx(4.2220e-11, rel=1e-4)
    assert (found.interval().low, found.interval().high) == pytest.approx((-0.43715, -0.32285), abs=1e-5)


def test_g4_standardised_effects():
    assert cohens_d(ABLATED, BASE) == pytest.approx(-6.24716, abs=1e-5)
    assert hedges_g(ABLATED, BASE) == pytest.approx(-5.98320, abs=1e-5)


def test_g5_fieller_and_log_ratio():
    found = fieller(ABLATED, BASE)
    assert (found.ratio, found.df) == pytest.approx((0.62, 14.9479), abs=1e-4)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.57263, 0.66944), abs=1e-5)
    log = log_ratio_interval(ABLATED, BASE)
    assert (log.low, log.high) == pytest.approx((0.57349, 0.67029), abs=1e-5)


def test_g6_holm_keeps_the_order_given():
    p = np.array([0.001, 0.012, 0.03, 0.04, 0.2, 0.6])
    expected = np.array([0.006, 0.06, 0.12, 0.12, 0.4, 0.6])
    assert holm(p) == pytest.approx(expected)
    order = np.array([3, 0, 5, 1, 4, 2])
    assert holm(p[order]) == pytest.approx(expected[order])


def test_holm_counts_hypotheses_that_have_no_p_yet():
    assert holm([0.01, 0.02], family=6) == pytest.approx([0.06, 0.10])
    with pytest.raises(ValueError, match="family of 1"):
        holm([0.01, 0.02], family=1)


def test_g7_probability_of_improvement():
    assert superiority(np.array([1.0, 2, 3]), np.array([2.0, 2, 4])) == pytest.approx(1 / 3)
    for n, low in ((3, 0.501), (5, 0.643), (10, 0.800)):
        assert newcombe(1.0, n, n).low == pytest.approx(low, abs=5e-4)
        assert newcombe(1.0, n, n).high == 1.0
        assert newcombe(0.0, n, n).high == pytest.approx(1 - low, abs=5e-4)
    found = newcombe(0.8, 10, 10)
    assert (found.low, found.high) == pytest.approx((0.542, 0.925), abs=1e-3)


def test_improvement_over_tasks_covers_at_full_separation_and_at_chance():
    rng = np.random.default_rng(1)
    for shift, truth in ((0.0, 0.5), (1.0, 0.7602)):
        hits = 0
        for _ in range(400):
            _, ends = improvement([(rng.normal(shift, 1, 5), rng.normal(0, 1, 5)) for _ in range(6)])
            hits += ends.low <= truth <= ends.high
        assert hits / 400 > 0.92
    lows = []
    for n in (3, 10):
        estimate, ends = improvement([(np.arange(n) + 100.0, np.arange(n) * 1.0)] * 6)
        assert estimate == 1.0
        lows.append(ends.low)
    assert 0.5 < lows[0] < 0.9 < lows[1] < 1  # full separation of three runs proves little, of ten a lot


def test_g8_exact_permutation_where_adastop_says_larger():
    x, y = np.array([1.0, 2, 3, 4, 5]), np.array([-1.17, -0.19, 0.78, 1.84, 2.8])
    assert permutation_p([(x, y)], [1.0], np.random.default_rng(0)) == pytest.approx(14 / 252)
    assert welch(x, y).p == pytest.approx(0.05981, abs=1e-5)


def test_monte_carlo_permutation_agrees_with_the_exact_one_and_with_its_seed():
    rng = np.random.default_rng(3)
    x, y = rng.normal(0.9, 1, 8), rng.normal(0, 1, 8)
    exact = permutation_p([(x, y)], [1.0], rng)
    twice = [(x, y), (x, y)]
    first, second = (permutation_p(twice, [1.0, 2.0], np.random.default_rng(7)) for _ in range(2))
    assert first == second
    padded = [permutation_p([(np.append(x, x.mean()), y)], [1.0], np.random.default_rng(s)) for s in (0, 1)]
    assert padded == pytest.approx([exact, exact], abs=0.03)


def test_g12_clopper_pearson():
    for count, expected in ((0, (0, 0.30850)), (1, (0.00253, 0.44502))):
        found = clopper_pearson(count, 10)
        assert (found.low, found.high) == pytest.approx(expected, abs=1e-5)
    assert clopper_pearson(10, 10).high == 1.0


def test_g14_area_under_curve():
    assert area_under_curve(np.array([0.0, 1, 3, 10]), np.array([0.0, 1, 1, 0.5])) == pytest.approx(0.775)


def test_g16_seeds_for_80_percent_power():
    effects = (0.5, 1.0, 1.5, 2.0)
    assert [seeds_needed(effect) for effect in effects] == [64, 17, 9, 6]
    assert [seeds_needed(effect, 0.05 / 6) for effect in effects] == [99, 27, 13, 8]
    assert seeds_needed(0.01) is None


def test_detectable_effects_of_the_planning_table():
    found = [detectable_effect(n) for n in (3, 4, 5, 8, 10, 15, 20, 30)]
    assert found == pytest.approx([3.1, 2.4, 2.0, 1.5, 1.3, 1.06, 0.91, 0.74], abs=0.05)
    assert detectable_effect(10, 0.05 / 6) == pytest.approx(1.73, abs=0.01)
    assert math.isinf(detectable_effect(1))


def test_power_of_no_effect_is_alpha():
    assert power(0.0, 5) == pytest.approx(0.05, abs=1e-5)
    assert power(-2.0, 6) == power(2.0, 6)


def test_range_of_a_standard_deviation_holds_the_truth_at_its_level():
    rng = np.random.default_rng(5)
    found = [sd_range(float(rng.normal(size=9).std(ddof=1)), 8) for _ in range(2000)]
    assert np.mean([ends.low <= 1 <= ends.high for ends in found]) == pytest.approx(0.8, abs=0.03)


def test_g19_smallest_attainable_permutation_p():
    assert [smallest_p(n, n) for n in (3, 4, 5, 6)] == pytest.approx([0.1, 0.02857, 0.00794, 0.00216], abs=1e-5)
    x = np.arange(3.0)
    assert permutation_p([(x + 10, x)], [1.0], np.random.default_rng(0)) == pytest.approx(smallest_p(3, 3))


def test_stratified_interval_covers_with_few_seeds_where_a_known_baseline_does_not():
    rng = np.random.default_rng(11)
    hits = naive = 0
    for _ in range(1500):
        arms = [(rng.normal(0.7, 0.2, 3), rng.normal(1.0, 0.2, 3)) for _ in range(6)]
        ends = relative_effect(arms, [0.0] * 6).interval()
        hits += ends.low <= -0.3 <= ends.high
        ratios = np.array([variant / base.mean() - 1 for variant, base in arms])
        half = 1.96 * math.sqrt(sum(ratios.var(axis=1, ddof=1) / 3)) / 6
        naive += abs(ratios.mean() + 0.3) <= half
    assert hits / 1500 > 0.945
    assert naive / 1500 < 0.90


def test_one_task_stratified_difference_is_welch_whatever_the_scale():
    plain, scaled = welch(ABLATED, BASE), stratified_difference([(ABLATED, BASE)], [7.0])
    assert (scaled.t, scaled.df, scaled.p) == pytest.approx((plain.t, plain.df, plain.p))


def test_percent_is_invariant_to_the_unit_of_scores_and_floor():
    one = relative_effect([(ABLATED, BASE)], [0.2])
    other = relative_effect([(3 * ABLATED, 3 * BASE)], [0.6])
    assert (one.value, one.se, one.df) == pytest.approx((other.value, other.se, other.df))


def test_fieller_refuses_a_baseline_that_may_be_zero():
    found = fieller(np.array([0.1, 0.2, 0.3]), np.array([-1.0, 0.1, 1.2]))
    assert found.g >= 1
    assert math.isinf(found.interval.low)
    assert math.isinf(found.interval.high)


def test_degrees_of_freedom_of_equal_parts_add_up():
    assert satterthwaite([(1.0, 4), (1.0, 4)]) == pytest.approx(8)
    assert satterthwaite([(1.0, 4), (0.0, 4)]) == pytest.approx(4)


def _random_walks(rng, runs, points=60):
    noise = rng.normal(size=(runs, points))
    curves = np.empty_like(noise)
    curves[:, 0] = noise[:, 0]
    for i in range(1, points):
        curves[:, i] = 0.95 * curves[:, i - 1] + math.sqrt(1 - 0.95**2) * noise[:, i]
    return curves


def test_sup_t_band_rarely_separates_equal_arms_where_pointwise_tests_often_do():
    rng = np.random.default_rng(2)
    simultaneous = pointwise = 0
    for _ in range(300):
        variant, base = _random_walks(rng, 10), _random_walks(rng, 10)
        band = sup_t_band(variant, base, rng, draws=500)
        simultaneous += bool(((band.low > 0) | (band.high < 0)).any())
        pointwise += any(welch(variant[:, i], base[:, i]).p < 0.05 for i in range(0, 60, 4))
    assert simultaneous / 300 < 0.09
    assert pointwise / 300 > 0.2


def test_sup_t_band_holds_with_three_runs_where_a_known_error_would_not_do():
    rng, studies, out = np.random.default_rng(6), 400, 0
    for _ in range(studies):
        band = sup_t_band(_random_walks(rng, 3), _random_walks(rng, 3), rng, draws=500)
        out += bool(((band.low > 0) | (band.high < 0)).any())
    assert out / studies < 0.085  # 12 % if the standard error counted as known along the curve


@pytest.mark.parametrize("points", [1, 4])
def test_band_of_independent_points_is_sidaks(points):
    contrasts = np.array([[1, 1, 1, 1, -4], [1, 1, 1, -3, 0], [1, 1, -2, 0, 0], [1, -1, 0, 0, 0]], dtype=float)
    curves = (contrasts / np.linalg.norm(contrasts, axis=1, keepdims=True)).T[:, :points]  # orthogonal residuals
    band = sup_t_band(curves + 3, curves, np.random.default_rng(0), draws=100_000)
    se = math.sqrt(2 * curves[:, 0].var(ddof=1) / 5)
    wanted = t_quantile(0.95 ** (1 / points), 8) * se
    assert band.high - band.difference == pytest.approx(np.full(points, wanted), rel=0.01)
    assert band.difference == pytest.approx(np.full(points, 3.0))


def test_band_forgives_more_runs_than_directions():
    """With 40 runs the error of most directions counts as known: the band must still be close to Student's."""
    rng = np.random.default_rng(3)
    variant, base = rng.normal(size=(40, 1)), rng.normal(size=(40, 1))
    wide = sup_t_band(np.repeat(variant, 7, 1), np.repeat(base, 7, 1), np.random.default_rng(0), draws=20_000)
    wanted = welch(variant[:, 0], base[:, 0]).interval()
    assert wide.low == pytest.approx(np.full(7, wanted.low), rel=0.03, abs=0.02)
    assert wide.high == pytest.approx(np.full(7, wanted.high), rel=0.03, abs=0.02)


def test_separation_starts_where_the_band_leaves_zero_for_good():
    rng = np.random.default_rng(4)
    steps = np.arange(100.0)
    base = 0.01 * rng.normal(size=(8, 100))
    variant = 0.01 * rng.normal(size=(8, 100)) - np.where(steps >= 40, 1.0, 0.0)
    assert sup_t_band(variant, base, np.random.default_rng(0)).separated_from(steps) == 40
    assert sup_t_band(base[:4], base[4:], np.random.default_rng(0)).separated_from(steps) is None


def test_band_says_nothing_where_no_run_varies():
    flat = np.ones((4, 10))
    band = sup_t_band(flat, flat, np.random.default_rng(0))
    assert np.isnan(band.low).all()
    assert band.separated_from(np.arange(10.0)) is None


def test_g20_band_depends_on_its_generator_only():
    rng = np.random.default_rng(9)
    variant, base = rng.normal(size=(6, 30)), rng.normal(size=(6, 30))
    first, second = (sup_t_band(variant, base, np.random.default_rng(1)) for _ in range(2))
    assert first.low.tobytes() == second.low.tobytes()
    assert sup_t_band(variant, base, np.random.default_rng(2)).low.tobytes() != first.low.tobytes()
