"""The t e-value: evidence against "no difference" that stays valid whenever one stops. It decides nothing.

    E = r^(-1/2) [(1 + t^2/v) / (1 + t^2/(r v))]^((v + 1)/2),   r = 1 + g n_1 n_2/(n_1 + n_2),   v = n_1 + n_2 - 2

the Bayes factor of a standardised effect distributed N(0, g) against 0, for the pooled two-sample t. 1/E bounds p.
"""

import math

from reports.stats import Scores, cohens_d


def t_evalue(t: float, n1: int, n2: int, g: float = 1.0) -> float:
    """E-value of a pooled two-sample t.

    Args:
        t: Pooled t statistic.
        n1: Runs of one arm.
        n2: Runs of the other.
        g: Prior variance of the standardised effect.
    """
    v, r = n1 + n2 - 2, 1 + g * n1 * n2 / (n1 + n2)
    log = -0.5 * math.log(r) + 0.5 * (v + 1) * (math.log1p(t**2 / v) - math.log1p(t**2 / (r * v)))
    return math.exp(min(log, 700.0))


def evalue(variant: Scores, base: Scores, g: float = 1.0) -> float:
    """E-value of two arms on one task. Needs variance in one of them."""
    n1, n2 = len(variant), len(base)
    return t_evalue(cohens_d(variant, base) * math.sqrt(n1 * n2 / (n1 + n2)), n1, n2, g)
