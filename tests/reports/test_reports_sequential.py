"""Boundaries against published tables, and the rules of stopping on cases worked out by hand."""

import numpy as np
import pytest

from reports import sequential as gs
from reports.stats import holm, stratified_difference

FIVE, SIX = (1, 2, 3, 4, 5), (5, 10, 15, 20, 25, 30)
DEFAULT = (5, 8, 12, 16, 20, 25, 30)


@pytest.mark.parametrize(
    ("spending", "z"),
    [
        ("obrien_fleming", [4.8769, 3.3570, 2.6803, 2.2898, 2.0310]),
        ("pocock", [2.4380, 2.4268, 2.4102, 2.3966, 2.3860]),
    ],
)
def test_boundaries_are_those_of_the_published_tables(spending, z):
    assert gs.boundaries(spending, FIVE, 0.05) == pytest.approx(z, abs=1e-4)


def test_boundaries_of_linear_spending():
    assert gs.boundaries("linear", SIX, 0.05) == pytest.approx(
        [2.6383, 2.5594, 2.4821, 2.4137, 2.3529, 2.2982], abs=1e-4
    )
    nominal = [0.00139, 0.00162, 0.00193, 0.00226, 0.00259, 0.00293]
    assert gs.nominal_levels("linear", SIX, 0.05 / 6) == pytest.approx(nominal, abs=1e-5)


@pytest.mark.parametrize(
    ("alpha", "nominal"),
    [
        (0.05, [0.00139, 0.00263, 0.00572, 0.00955, 0.01439, 0.02305, 0.03296]),
        (0.05 / 6, [0.00023, 0.00042, 0.00090, 0.00146, 0.00215, 0.00340, 0.00477]),
    ],
)
def test_levels_of_the_default_plan(alpha, nominal):
    assert gs.nominal_levels("quadratic", DEFAULT, alpha) == pytest.approx(nominal, abs=1e-5)


def test_one_look_is_the_fixed_test():
    assert gs.nominal_levels("quadratic", (10,), 0.05) == pytest.approx([0.05], abs=1e-9)


@pytest.mark.parametrize("spending", ["quadratic", "linear", "obrien_fleming", "pocock"])
@pytest.mark.parametrize("alpha", [1e-9, 0.3, 0.9, 1.2])
def test_levels_stay_levels_at_any_alpha(spending, alpha):
    levels = gs.nominal_levels(spending, DEFAULT, alpha)
    assert ((levels >= 0) & (levels <= min(alpha, 1))).all()
    assert levels[-1] > 0.1 * min(alpha, 1)


def test_unequal_steps_spend_what_they_should():
    """A Brownian motion simulated directly crosses each boundary as often as was meant to be spent there."""
    rng = np.random.default_rng(3)
    looks = np.array(DEFAULT)
    steps = rng.normal(size=(200_000, len(looks))) * np.sqrt(np.diff(looks, prepend=0))
    z = np.abs(steps.cumsum(1) / np.sqrt(looks))
    first = (z >= gs.boundaries("quadratic", DEFAULT, 0.2)).cumsum(1) > 0
    spent = [gs.spent("quadratic", n / 30, 0.2) for n in looks]
    assert first.mean(0) == pytest.approx(spent, abs=4 * np.sqrt(0.2 * 0.8 / 200_000))


def decided(p, within=None, *, family=None, looks=FIVE, alpha=0.05):
    """Stops (1-based) and outcomes of one study, ``p`` of shape (contrasts, looks)."""
    p = np.array([p], dtype=float)
    inside = np.zeros(p.shape, dtype=bool) if within is None else np.array([within], dtype=bool)
    levels = gs.holm_levels("linear", looks, alpha, family or p.shape[1])
    stop, outcome = gs.walk(p, inside, levels)
    return (stop[0] + 1).tolist(), outcome[0].tolist()


def test_a_rejection_raises_the_level_of_the_others_at_the_same_look():
    one, two, three = (gs.nominal_levels("linear", FIVE, 0.05 / m)[1] for m in (1, 2, 3))
    high = [1.0] * 5

    def at_second(p):
        return [1.0, p, 1.0, 1.0, 1.0]

    assert decided([at_second(three), at_second(two), at_second(one)]) == ([2, 2, 2], [1, 1, 1])
    assert decided([at_second(three * 1.01), at_second(two), at_second(one)]) == ([5, 5, 5], [0, 0, 0])
    assert decided([at_second(three), at_second(two * 1.01), high]) == ([2, 5, 5], [1, 0, 0])


def test_a_contrast_closed_as_no_change_still_counts_in_the_family():
    two = gs.nominal_levels("linear", FIVE, 0.025)[2]
    p = [[1.0] * 5, [1.0, 1.0, two * 1.01, 1.0, 1.0]]
    within = [[True] * 5, [False] * 5]
    assert decided(p, within) == ([1, 5], [2, 0])


def test_separation_comes_before_no_change_and_stops_for_good():
    level = gs.nominal_levels("linear", FIVE, 0.05)[0]
    assert decided([[level, 1.0, 1.0, 1.0, 1.0]], [[True] * 5]) == ([1], [1])
    assert decided([[np.nan, 1.0, 0.0, 1.0, 1.0]], [[False, False, True, False, False]]) == ([3], [1])


def test_one_look_is_holm():
    rng = np.random.default_rng(5)
    for _ in range(200):
        p = rng.uniform(0, 0.05, size=6)
        _, outcome = decided(p[:, None], looks=(8,))
        assert outcome == (holm(p) <= 0.05).astype(int).tolist()


def test_what_lies_after_a_stop_changes_nothing():
    rng = np.random.default_rng(6)
    p = rng.uniform(size=(50, 4, 5)) ** 4
    within = rng.uniform(size=p.shape) < 0.1
    levels = gs.holm_levels("linear", FIVE, 0.05, 4)
    stop, outcome = gs.walk(p, within, levels)
    later = np.arange(5) > stop[..., None]
    again = gs.walk(np.where(later, 0.0, p), np.where(later, True, within), levels)
    assert np.array_equal(again[0], stop)
    assert np.array_equal(again[1], outcome)


def test_the_repeated_p_is_alpha_on_the_boundary():
    repeated = gs.repeated_p("quadratic", DEFAULT)
    for alpha in (0.05, 0.05 / 6, 0.001, 0.4):
        levels = gs.nominal_levels("quadratic", DEFAULT, alpha)
        assert [repeated(float(p), j) for j, p in enumerate(levels)] == pytest.approx([alpha] * 7, rel=2e-4)
    values = [repeated(p, 2) for p in (0.0, 1e-14, 1e-9, 1e-3, 0.1, 0.9)]
    assert values == sorted(values)
    assert values[0] == 0.0
    assert values[-1] <= 1.0


def test_the_vectorised_test_is_the_report_s():
    rng = np.random.default_rng(7)
    base, arms = rng.normal(size=(2, 3, 9)), rng.normal(size=(2, 4, 3, 9))
    value, se, df = gs.welch_at_looks(base, arms, (4, 9))
    p = gs.two_sided_p(value, se, df)
    for study, contrast, look, n in ((0, 0, 0, 4), (1, 3, 1, 9)):
        pairs = [(arms[study, contrast, task, :n], base[study, task, :n]) for task in range(3)]
        want = stratified_difference(pairs, [1.0] * 3)
        found = [one[study, contrast, look] for one in (value, se, df, p)]
        assert found == pytest.approx([want.value, want.se, want.df, want.p])


def test_within_the_margin_means_both_one_sided_tests_reject():
    levels = gs.nominal_levels("linear", FIVE, 0.1)
    value, se, df = np.full((1, 5), 0.3), np.full((1, 5), 0.2), np.full((1, 5), 18.0)
    half = np.array([stratified_quantile(float(level)) * 0.2 for level in levels])
    assert np.array_equal(gs.within_margin(value, se, df, 0.8, levels)[0], 0.3 + half < 0.8)
    assert 0 < gs.within_margin(value, se, df, 0.8, levels).sum() < 5


def stratified_quantile(level):
    from scipy.stats import t

    return t.isf(level / 2, 18)
