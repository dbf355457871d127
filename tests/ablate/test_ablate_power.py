# ruff: noqa: E501
"""Golden values: reference tables computed with statsmodels (two-sided Welch, equal variances)."""

import math

import pytest

from ablate.power import detectable, power, power_of, smallest_permutation_p


@pytest.mark.parametrize(
    ("seeds", "plain", "sixth"),
    [(3, 3.1, 5.0), (4, 2.4, 3.5), (5, 2.0, 2.8), (8, 1.5, 2.0), (10, 1.3, 1.7), (15, 1.06, 1.36), (20, 0.91, 1.16), (30, 0.74, 0.93)],
)  # fmt: skip
def test_detectable_effects_match_the_table(seeds, plain, sixth):
    assert detectable(seeds, 0.05) == pytest.approx(plain, abs=0.05 if plain >= 1.2 else 0.0075)
    assert detectable(seeds, 0.05 / 6) == pytest.approx(sixth, abs=0.05 if sixth >= 1.5 else 0.0075)


@pytest.mark.parametrize(
    ("effect", "alpha", "seeds"),
    [(0.5, 0.05, 64), (1, 0.05, 17), (1.5, 0.05, 9), (2, 0.05, 6), (0.5, 0.05 / 6, 99), (1, 0.05 / 6, 27), (1.5, 0.05 / 6, 13), (2, 0.05 / 6, 8)],
)  # fmt: skip
def test_the_fewest_seeds_for_eighty_percent_match_the_table(effect, alpha, seeds):
    assert power(effect, seeds, alpha) >= 0.8 > power(effect, seeds - 1, alpha)


@pytest.mark.parametrize(
    ("seeds", "alpha", "percent"), [(5, 0.05, 96), (5, 0.05 / 6, 84), (3, 0.05, 79), (3, 0.05 / 6, 47)]
)
def test_tasks_multiply_the_degrees_of_freedom(seeds, alpha, percent):
    # measured by simulation with stratified Welch intervals
    assert 100 * power(1.0, seeds, alpha, tasks=6) == pytest.approx(percent, abs=2)


def test_no_effect_is_found_as_often_as_alpha_allows():
    assert power(0.0, 8, 0.05) == pytest.approx(0.05)


def test_power_grows_with_the_effect_without_holes():
    found = [power(effect / 4, 3, 0.05) for effect in range(60)]
    assert all(math.isfinite(one) for one in found)
    assert found == sorted(found)
    assert found[-1] == pytest.approx(1.0)


def test_power_agrees_with_a_simulation():
    import numpy as np
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(4000, 8)), rng.normal(size=(4000, 8)) + 1.5
    hits = np.mean(ttest_ind(left, right, axis=1).pvalue < 0.05)
    assert hits == pytest.approx(power(1.5, 8, 0.05), abs=2.5 * math.sqrt(0.8 * 0.2 / 4000))


@pytest.mark.parametrize(("seeds", "p"), [(3, 0.1), (4, 0.02857), (5, 0.00794), (6, 0.00216), (8, 0.00016)])
def test_smallest_permutation_p(seeds, p):
    assert smallest_permutation_p(seeds) == pytest.approx(p, rel=0.03)


def test_smallest_p_never_exceeds_one_and_survives_many_seeds():
    assert smallest_permutation_p(1) == 1.0
    assert smallest_permutation_p(2, tasks=2) == pytest.approx(2 / 36)
    assert smallest_permutation_p(2000) == 0.0


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_or_two_seeds_are_not_estimable(seeds):
    found = power_of(seeds, 1, 5, 0.05)
    assert "not estimable" in found.sentence
    assert (found.detectable is None) == (seeds == 1)


def test_few_seeds_carry_a_warning_that_more_do_not():
    assert "likely be overstated" in power_of(4, 1, 5, 0.05).sentence
    assert "overstated" not in power_of(5, 1, 5, 0.05).sentence


def test_a_study_without_contrasts_has_a_power_all_the_same():
    found = power_of(8, 1, 0, 0.05)
    assert found.detectable == found.detectable_holm
