"""Adaptive seeds: error rates, savings and intervals of the default plan, and what naive looking does."""

import numpy as np
import pytest
from draws import SHAPES, bimodal, normal, tight

from reports.ranks import places_of
from reports.sequential import (
    NO_CHANGE,
    SEPARATED,
    holm_levels,
    nominal_levels,
    repeated_p,
    two_sided_p,
    walk,
    welch_at_looks,
    within_margin,
)
from reports.stats import t_quantile

pytestmark = pytest.mark.simulation

LOOKS = (5, 8, 12, 16, 20, 25, 30)
MIXED = (0.0, 0.0, 0.5, 1.0, 2.0, 3.0)
ALPHA, K, S = 0.05, 6, 20_000
BATCH = 1000


def scores(rng, studies, effects, shape=normal, tasks=1, n=30):
    """``(base, arms)`` of many studies; effects are losses in standard deviations."""
    base = shape(rng, (studies, tasks, n))
    return base, shape(rng, (studies, len(effects), tasks, n)) - np.asarray(effects)[:, None, None]


def courses(seed, effects, *, shape=normal, looks=LOOKS, spending="quadratic", margin=1.0, tasks=1, studies=S):
    """Stops, outcomes and Welch's numbers of many studies under a plan, in batches that fit in memory."""
    levels = holm_levels(spending, looks, ALPHA, len(effects))
    narrow = nominal_levels(spending, looks, 2 * ALPHA)
    found = []
    for batch in range(studies // BATCH):
        rng = np.random.default_rng([seed, batch])
        value, se, df = welch_at_looks(*scores(rng, BATCH, effects, shape, tasks, looks[-1]), looks)
        within = within_margin(value, se, df, margin, narrow)
        stop, outcome = walk(two_sided_p(value, se, df), within, levels)
        found.append((stop, outcome, value, se, df))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def runs(stop, looks=LOOKS):
    n = np.array(looks)[stop]
    return (n.sum(1) + n.max(1)).mean()


def false_separation(outcome, effects):
    null = np.array(effects) == 0
    return float((outcome[:, null] == SEPARATED).any(1).mean())


@pytest.mark.parametrize("shape", list(SHAPES))
@pytest.mark.parametrize("effects", [MIXED, (0.0,) * 6], ids=["mixed", "all null"])
def test_family_wise_error(found, shape, effects):
    """Default plan (looks 5 to 30, quadratic spending, Holm over 6): any false separation in the study (5 %)."""
    _, outcome, *_ = courses(11, effects, shape=SHAPES[shape])
    words = "two of six without effect" if any(effects) else "six of six without effect"
    share, se = found(f"{shape}, {words}", false_separation(outcome, effects), S, "at most 5 %")
    assert share <= 0.05 + 2 * se


@pytest.mark.parametrize("spending", ["linear", "obrien_fleming", "pocock"])
def test_other_spending(found, spending):
    """Other spending functions, six of six without effect: any false separation (5 %)."""
    _, outcome, *_ = courses(12, (0.0,) * 6, spending=spending)
    share, se = found(spending, false_separation(outcome, (0.0,) * 6), S, "at most 5 %")
    assert share <= 0.05 + 2 * se


def test_several_tasks(found):
    """Six tasks, looks 3 to 20: any false separation (5 %)."""
    looks = (3, 4, 5, 6, 8, 10, 12, 16, 20)
    _, outcome, *_ = courses(13, (0.0,) * 6, looks=looks, tasks=6, studies=6000)
    share, se = found("six of six without effect", false_separation(outcome, (0.0,) * 6), 6000, "at most 5 %")
    assert share <= 0.05 + 2 * se


def fixed_power(seed, n, effect=1.0, studies=S):
    """Power of Holm over six Welch tests with n seeds for the change with this effect, among ``MIXED``."""
    found = []
    for batch in range(studies // BATCH):
        value, se, df = welch_at_looks(*scores(np.random.default_rng([seed, batch]), BATCH, MIXED, n=n), (n,))
        p = two_sided_p(value, se, df)
        _, outcome = walk(p, np.zeros(p.shape, dtype=bool), holm_levels("linear", (n,), ALPHA, K))
        found.append((outcome[:, MIXED.index(effect)] == SEPARATED).mean())
    return float(np.mean(found))


def test_savings(found):
    """Default plan against fixed seeds, effects 0, 0, 0.5, 1, 2, 3 SD, margin 1 SD."""
    stop, outcome, *_ = courses(14, MIXED)
    n = np.array(LOOKS)[stop].mean(0)
    power = (outcome == SEPARATED).mean(0)
    share, _ = found("finds 1 SD", float(power[3]), S, "at least 80 %")
    assert share >= 0.80
    sizes = np.arange(22, 33, 2)
    powers = [fixed_power(15, int(size)) for size in sizes]
    equal = float(np.interp(power[3], powers, sizes))
    found("fixed seeds per arm of the same power at 1 SD", equal, S, "", unit="seeds")
    found("runs of the default plan", runs(stop), S, "", unit="runs")
    saved, _ = found("runs saved against it", 1 - runs(stop) / (7 * equal), S, "at least 28 %")
    assert saved >= 0.28
    for effect, most in ((2.0, 12), (3.0, 9)):
        seeds = float(n[MIXED.index(effect)])
        found(f"seeds until {effect:g} SD are found", seeds, S, f"at most {most}", unit="seeds")
        assert seeds <= most
    share, _ = found("true nulls closed as no change", float((outcome[:, :2] == NO_CHANGE).mean()), S, "at least 90 %")
    assert share >= 0.90


@pytest.mark.parametrize("shape", ["normal", "bimodal 70/30"])
def test_false_no_change(found, shape):
    """A change of exactly the margin closed as no change, per comparison (5 %)."""
    _, outcome, *_ = courses(16, (1.0,) * 6, shape=SHAPES[shape])
    share, se = found(shape, float((outcome == NO_CHANGE).mean()), S, "at most 5.5 %")
    assert share <= 0.055 + 2 * se


def at_stop(stop, table):
    return np.take_along_axis(table, stop[..., None], -1)[..., 0]


@pytest.mark.parametrize("shape", ["normal", "bimodal 70/30"])
def test_repeated_intervals(found, shape):
    """Intervals at the stop (95 %), effects as they stop in a study of 0, 0, 0.5, 1, 2, 3 SD."""
    stop, outcome, value, se, df = courses(17, MIXED, shape=SHAPES[shape])
    levels = nominal_levels("quadratic", LOOKS, ALPHA)
    d, s, nu = (at_stop(stop, table) for table in (value, se, df))
    for effect in (0.0, 0.5, 1.0, 2.0, 3.0):
        k = MIXED.index(effect)
        quantile = np.vectorize(t_quantile)(1 - levels[stop[:, k]], nu[:, k])
        hit = np.abs(d[:, k] + effect) <= quantile * s[:, k]
        share, error = found(f"repeated, {shape}, {effect:g} SD", float(hit.mean()), S, "at least 95 %")
        assert share >= 0.95 - 2 * error
    k = MIXED.index(0.5)
    early = (stop[:, k] <= 1) & (outcome[:, k] == SEPARATED)
    naive = np.abs(d[:, k] + 0.5) <= np.vectorize(t_quantile)(0.95, nu[:, k]) * s[:, k]
    what = f"negative control: Welch's own where n <= 8 separates, {shape}, 0.5 SD"
    share, _ = found(what, float(naive[early].mean()), int(early.sum()), "below 60 %")
    assert share < 0.60


@pytest.mark.parametrize(("looks", "most"), [(tuple(range(4, 31)), 0.18), (tuple(range(5, 31, 5)), 0.12)])
def test_naive_peeking_fails(found, looks, most):
    """Negative control: Welch's p < .05 at every look, one change without effect (5 %)."""
    rejected = []
    for batch in range(10):
        rng = np.random.default_rng([18, batch])
        p = two_sided_p(*welch_at_looks(*scores(rng, BATCH, (0.0,)), looks))
        rejected.append((p < ALPHA).any(-1).mean())
    every = looks[1] - looks[0]
    share, _ = found(f"a look every {'seed' if every == 1 else f'{every} seeds'} up to 30", float(np.mean(rejected)),
                     10 * BATCH, f"above {100 * most:.0f} %")  # fmt: skip
    assert share > most


def test_the_honest_limit_of_looks(found):
    """Bimodal against tight normal, equal means, one change: false separation (5 %; no test of means keeps it here)."""
    rng = np.random.default_rng(19)
    studies = 10_000
    base, arms = tight(rng, (studies, 1, 30)), bimodal(rng, (studies, 1, 1, 30))

    def separated(looks, *, guarded):
        p = two_sided_p(*welch_at_looks(base, arms, looks))
        spread = [arms[:, 0, 0, :n].std(-1, ddof=1) / base[:, 0, :n].std(-1, ddof=1) for n in looks]
        ratio = np.stack(spread, -1)[:, None]
        held = (np.maximum(ratio, 1 / ratio) > 3) & (np.array(looks) < 10) & guarded
        levels = holm_levels("quadratic", looks, ALPHA, 1)
        outcome = walk(np.where(held, np.nan, p), np.zeros(p.shape, dtype=bool), levels)[1]
        return float((outcome == SEPARATED).mean())

    plain = separated(LOOKS, guarded=False)
    found("default plan, no guard", plain, studies, "above 10 %")
    guarded = separated(LOOKS, guarded=True)
    found("default plan, spreads that differ threefold hold looks below 10 open", guarded, studies, "no more than that")
    late, se = found("first look at 12 seeds", separated(LOOKS[2:], guarded=True), studies, "at most 9 %")
    assert plain > 0.10
    assert guarded <= plain
    assert late <= 0.09 + 2 * se


@pytest.mark.parametrize("shape", ["normal", "bimodal 70/30"])
def test_rank_intervals_after_stopping(found, shape):
    """Rank intervals of six tied changes under the default plan, arms as they stop: all hold at once (95 %)."""
    studies, hits = 3000, 0
    levels, narrow = holm_levels("quadratic", LOOKS, ALPHA, K), nominal_levels("quadratic", LOOKS, 2 * ALPHA)
    repeated = repeated_p("quadratic", LOOKS)
    effects = (0.6,) * K  # tied with each other, not with the baseline: they stop at different looks
    for batch in range(studies // BATCH):
        base, arms = scores(np.random.default_rng([23, batch]), BATCH, effects, SHAPES[shape])
        value, se, df = welch_at_looks(base, arms, LOOKS)
        stop, _ = walk(two_sided_p(value, se, df), within_margin(value, se, df, 1.0, narrow), levels)
        pairs = {}
        for j in range(K - 1):
            difference, error, freedom = welch_at_looks(arms[:, j], arms[:, j + 1 :], LOOKS)
            pairs[j] = (difference, two_sided_p(difference, error, freedom))
        for study in range(BATCH):
            tests = {}
            for j in range(K):
                for k in range(j + 1, K):
                    look = int(min(stop[study, j], stop[study, k]))
                    difference, p = (float(one[study, k - j - 1, look]) for one in pairs[j])
                    tests[j, k] = (-difference, min(1.0, repeated(p, look)))
            means = [float(arms[study, j, 0, : LOOKS[stop[study, j]]].mean()) for j in range(K)]
            hits += all((one.low, one.high) == (1, K) for one in places_of(means, tests))
    share, se = found(f"pairwise Welch by repeated p with Holm, {shape}", hits / studies, studies, "at least 94 %")
    assert share >= 0.94 - 2.5 * se
