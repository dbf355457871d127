"""What a number of seeds can show at all, before anything runs.

Two-sided Welch test of two arms of n seeds on each of T tasks, effects averaged over the tasks, in units of the
standard deviation of one run's score:

    shift = delta * sqrt(n T / 2),   power = P(|t'(df, shift)| > critical value)

Tasks are the cheap degrees of freedom: they multiply df as seeds do. For one task df = 2 (n - 1), the textbook's. Over
several tasks the Welch-Satterthwaite df of 2 T separately estimated variances are fewer than 2 T (n - 1), and their
expectation is taken. Equal true variances are assumed, so these figures are the best case.
"""

import math
from dataclasses import dataclass

TARGET = 0.80
FEWEST = 3
"""With fewer seeds per arm nothing is estimable."""
FEW = 5
"""With fewer seeds per arm an estimate that reaches significance is likely overstated."""


@dataclass(frozen=True, slots=True)
class Power:
    """What a study's seeds can show.

    Attributes:
        seeds: n per arm.
        tasks: T.
        contrasts: K ablation variants that share the family-wise error rate.
        alpha: Of the family.
        detectable: Smallest effect found with 80 % power at ``alpha``, in SD of one run; None when not estimable.
        detectable_holm: The same at ``alpha / K``: what the most doubtful of K contrasts must reach.
        smallest_p: Smallest p a permutation test could return.
        sentence: What follows, in words.
    """

    seeds: int
    tasks: int
    contrasts: int
    alpha: float
    detectable: float | None
    detectable_holm: float | None
    smallest_p: float
    sentence: str


def power_of(seeds: int, tasks: int, contrasts: int, alpha: float) -> Power:
    """Summarise what a design can show."""
    plain = detectable(seeds, alpha, tasks)
    holm = detectable(seeds, alpha / max(contrasts, 1), tasks)
    return Power(
        seeds, tasks, contrasts, alpha, plain, holm, smallest_permutation_p(seeds, tasks), _sentence(seeds, plain, holm)
    )


def power(effect: float, seeds: int, alpha: float, tasks: int = 1) -> float:
    """Probability of finding an effect.

    Args:
        effect: Difference of the means on every task, in SD of one run.
        seeds: n per arm, at least 2.
        alpha: Two-sided level.
        tasks: T.
    """
    from scipy.special import nctdtr, stdtrit

    df = degrees_of_freedom(seeds, tasks)
    critical = float(stdtrit(df, 1 - alpha / 2))
    shift = abs(effect) * math.sqrt(seeds * tasks / 2)
    # Beyond a shift of 5 the far tail is below 1e-7, and the library's series for it soon gives NaN.
    below = float(nctdtr(df, shift, -critical)) if shift < 5 else 0.0
    found: float = 1.0 - float(nctdtr(df, shift, critical)) + below
    return found


def degrees_of_freedom(seeds: int, tasks: int = 1) -> float:
    """Expected degrees of freedom of the contrast: (sum s2)^2 / sum(s2^2 / (n - 1)) in expectation, v = 2 T arms."""
    if tasks == 1:
        return 2.0 * (seeds - 1)
    arms = 2 * tasks
    return (seeds - 1) * (arms * (seeds - 1) + 2) / (seeds + 1)


def detectable(seeds: int, alpha: float, tasks: int = 1, target: float = TARGET) -> float | None:
    """Smallest effect found with the target power, in SD of one run; None below two seeds."""
    if seeds < 2:
        return None
    low, high = 0.0, 1.0
    while power(high, seeds, alpha, tasks) < target:
        low, high = high, 2 * high
    for _ in range(50):
        middle = (low + high) / 2
        if power(middle, seeds, alpha, tasks) < target:
            low = middle
        else:
            high = middle
    return high


def smallest_permutation_p(seeds: int, tasks: int = 1) -> float:
    """Smallest two-sided p of an exact test that shuffles n against n labels within each task."""
    log_p = math.log(2) - tasks * math.log(math.comb(2 * seeds, seeds))
    return min(1.0, math.exp(log_p))


def _sentence(seeds: int, plain: float | None, holm: float | None) -> str:
    if seeds < FEWEST or plain is None or holm is None:
        return f"{seeds} seed{'s' if seeds != 1 else ''} per arm: not estimable; points only, no interval, no verdict."
    found = f"{seeds} seeds per arm find an effect of {plain:.2g} SD ({holm:.2g} SD after Holm) four times out of five."
    if seeds < FEW:
        return f"{found} Few seeds: what is found will likely be overstated, and absence of an effect cannot be shown."
    return found
