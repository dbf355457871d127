"""Compare our statistics with rliable, scipy and statsmodels, and time the bootstrap against rliable.

Run it with ``make crosscheck``: in an environment of its own (the extra ``crosscheck`` of setup.cfg and nothing else),
because rliable needs old releases (``arch<8``, ``pandas<3``).

It imports ``reports`` from the checkout and writes ``benchmarks/results/statistics_crosscheck.{json,md}``. It exits 1
when a point estimate differs.
"""

import argparse
import json
import math
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scipy import stats as scipy_stats  # noqa: E402

from reports.aggregates import AGGREGATES, iqm, mean, median, optimality_gap, point, profile, resampled  # noqa: E402
from reports.bands import sup_t_band  # noqa: E402
from reports.improvement import superiority  # noqa: E402
from reports.permutation import permutation_p  # noqa: E402
from reports.power import power  # noqa: E402
from reports.stats import clopper_pearson, holm, welch  # noqa: E402
from reports.survival import kaplan_meier  # noqa: E402

BASE = np.array([0.92, 1.05, 1.10, 0.98, 0.95, 1.01, 1.07, 0.93, 1.02, 0.97])
ABLATED = np.array([0.60, 0.71, 0.55, 0.66, 0.58, 0.63, 0.70, 0.52, 0.61, 0.64])
VARIANTS, SEEDS, TASKS = 7, 10, 6
TOLERANCE = 1e-9


def compared() -> list[dict]:
    """Point estimates of both sides, one record each."""
    from rliable import library, metrics
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.power import TTestIndPower
    from statsmodels.stats.proportion import proportion_confint

    scores = np.random.default_rng(3).normal(0.6, 0.3, (SEEDS, TASKS))
    by_task, other = list(scores.T), np.random.default_rng(4).normal(0.4, 0.3, (SEEDS, TASKS))
    p = np.array([0.001, 0.012, 0.03, 0.04, 0.2, 0.6])
    found = welch(ABLATED, BASE)
    theirs = scipy_stats.ttest_ind(ABLATED, BASE, equal_var=False)
    levels = np.linspace(0, 1.2, 13)
    profiles, _ = library.create_performance_profile({"a": scores}, levels, reps=2)
    times, events = np.array([3.0, 5, 8, 5, 10, 7, 2]), np.array([1, 1, 1, 0, 0, 1, 0], dtype=bool)
    ecdf = scipy_stats.ecdf(scipy_stats.CensoredData(times[events], right=times[~events]))
    curve = kaplan_meier(times, events)
    shares = [float(one.cdf.evaluate(np.array([t]))[0]) for one in [ecdf] for t in curve.times]
    small = [np.array([1.0, 2, 3, 4, 5]), np.array([-1.17, -0.19, 0.78, 1.84, 2.8])]
    exact = scipy_stats.permutation_test(
        small, lambda x, y: np.mean(x) - np.mean(y), n_resamples=np.inf, permutation_type="independent"
    )
    ours = permutation_p([(small[0], small[1])], [1.0], np.random.default_rng(0))
    ends = clopper_pearson(1, 10)
    pairs = [
        ("IQM", "rliable", point(iqm, by_task), metrics.aggregate_iqm(scores)),
        ("median", "rliable", point(median, by_task), metrics.aggregate_median(scores)),
        ("mean", "rliable", point(mean, by_task), metrics.aggregate_mean(scores)),
        ("optimality gap", "rliable", point(optimality_gap, by_task), metrics.aggregate_optimality_gap(scores)),
        ("performance profile", "rliable", profile(by_task, levels), profiles["a"]),
        ("P(improvement)", "rliable", np.mean([superiority(x, y) for x, y in zip(scores.T, other.T, strict=True)]),
         metrics.probability_of_improvement(scores, other)),
        ("Welch t", "scipy", found.t, theirs.statistic),
        ("Welch df", "scipy", found.df, theirs.df),
        ("Welch p", "scipy", found.p, theirs.pvalue),
        ("permutation p", "scipy", ours, exact.pvalue),
        ("Kaplan-Meier", "scipy", 1 - curve.share, shares),
        ("Holm", "statsmodels", holm(p), multipletests(p, method="holm")[1]),
        ("Clopper-Pearson", "statsmodels", [ends.low, ends.high], proportion_confint(1, 10, method="beta")),
        ("power, n = 10, d = 1", "statsmodels", power(1.0, 10), TTestIndPower().power(1.0, 10, 0.05)),
    ]  # fmt: skip
    records = []
    for name, peer, own, peers in pairs:
        difference = float(np.max(np.abs(np.asarray(own, dtype=float) - np.asarray(peers, dtype=float))))
        records.append({"statistic": name, "peer": peer, "difference": difference})
    return records


def timed(call) -> tuple[float, object]:
    """Wall seconds of one call, and what it returned."""
    start = time.perf_counter()
    found = call()
    return time.perf_counter() - start, found


def speed(reps: int) -> list[dict]:
    """Bootstrap of 7 variants x 10 seeds x 6 tasks, ours and rliable's, in the same process."""
    from rliable import library, metrics

    rng = np.random.default_rng(0)
    data = {f"v{i}": rng.normal(1 - 0.05 * i, 0.2, (SEEDS, TASKS)) for i in range(VARIANTS)}

    def ours(names):
        chosen = [AGGREGATES[name] for name in names]
        return {
            name: [np.quantile(one, [0.025, 0.975]) for one in
                   resampled(chosen, list(scores.T), np.random.default_rng(1), reps)]
            for name, scores in data.items()
        }  # fmt: skip

    def rliable_iqm(x):
        return np.array([metrics.aggregate_iqm(x)])

    def rliable_all(x):
        return np.array([metrics.aggregate_iqm(x), metrics.aggregate_median(x), metrics.aggregate_mean(x),
                         metrics.aggregate_optimality_gap(x)])  # fmt: skip

    records = []
    for what, names, theirs in (("IQM", ["IQM"], rliable_iqm), ("all four", list(AGGREGATES), rliable_all)):
        own, intervals = sorted((timed(lambda names=names: ours(names)) for _ in range(3)), key=lambda pair: pair[0])[1]
        np.random.seed(1)  # rliable ignores its random_state
        peer, (_, bounds) = timed(lambda theirs=theirs: library.get_interval_estimates(data, theirs, reps=reps))
        apart = max(float(np.abs(np.array(intervals[name]).T - np.asarray(bounds[name])).max()) for name in data)
        records.append({"what": what, "reps": reps, "ours_s": own, "rliable_s": peer, "ratio": peer / own,
                        "largest_difference_of_ends": apart})  # fmt: skip
    curves = [rng.normal(size=(SEEDS, 200)) for _ in range(VARIANTS)]
    bands, _ = timed(lambda: [sup_t_band(c, curves[0], np.random.default_rng(0), draws=5_000) for c in curves[1:]])
    records.append({"what": "sup-t bands, 6 ablations, 200 points", "reps": 5_000, "ours_s": bands})
    return records


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--reps", type=int, default=50_000, help="bootstrap resamples")
    reps = parser.parse_args().reps
    estimates, timings = compared(), speed(reps)
    packages = {name: version(name) for name in ("numpy", "scipy", "statsmodels", "rliable", "arch", "pandas")}
    wrong = [one for one in estimates if not one["difference"] <= max(TOLERANCE, 1e-6 * ("power" in one["statistic"]))]
    folder = ROOT / "benchmarks" / "results"
    record = {"python": platform.python_version(), "packages": packages, "estimates": estimates, "speed": timings}
    (folder / "statistics_crosscheck.json").write_text(json.dumps(record, indent=1) + "\n")
    lines = ["# Statistics against rliable, scipy and statsmodels", "",
             ", ".join(f"{name} {number}" for name, number in packages.items()), "",
             "| statistic | peer | largest difference |", "|---|---|---|"]  # fmt: skip
    lines += [f"| {one['statistic']} | {one['peer']} | {one['difference']:.1e} |" for one in estimates]
    lines += ["", f"{VARIANTS} variants x {SEEDS} seeds x {TASKS} tasks, one process, ours the median of three:", "",
              "| bootstrap | resamples | ours, s | rliable, s | ratio | interval ends differ by |",
              "|---|---|---|---|---|---|"]  # fmt: skip
    for one in timings:
        peer, ratio, apart = (one.get(key, math.nan) for key in ("rliable_s", "ratio", "largest_difference_of_ends"))
        cells = [f"{peer:.1f}", f"{ratio:.0f}x", f"{apart:.4f}"] if math.isfinite(peer) else ["-", "-", "-"]
        lines.append(f"| {one['what']} | {one['reps']:,} | {one['ours_s']:.2f} | " + " | ".join(cells) + " |")
    text = "\n".join([*lines, ""])
    (folder / "statistics_crosscheck.md").write_text(text)
    print(text)
    for one in wrong:
        print(f"differs: {one['statistic']} by {one['difference']:.2g}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
