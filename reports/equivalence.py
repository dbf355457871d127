"""Two one-sided tests of "the relative change is smaller than the margin": the p value behind ``no change``.

    several tasks   t = (effect -+ M) / SE, both one-sided at the effect's own df
    one task        rho = 1 -+ M:   t = (m_k - rho m_0) / sqrt(s2_k/n_k + rho^2 s2_0/n_0)      (Fieller)

p is the larger of the two. It lies below alpha exactly where the interval at 1 - 2 alpha lies inside the margin.
"""

import math

from scipy.special import stdtr

from reports.stats import Estimate, Scores, fieller


def equivalence_p(change: Estimate, margin: float) -> float:
    """P value of "|true value| >= margin", for an estimate whose error follows Student's t."""
    if change.se == 0:
        return 0.0 if abs(change.value) < margin else 1.0
    reach = margin - abs(change.value)
    return float(stdtr(change.df, -reach / change.se))


def ratio_equivalence_p(variant: Scores, base: Scores, floor: float, margin: float) -> float:
    """P value of "the variant's mean is at least ``margin`` of the baseline away from it", by Fieller's pivot.

    Args:
        variant: Scores of one task.
        base: Scores of the baseline; its mean must not equal the floor.
        floor: Score that counts as nothing.
        margin: As a fraction of the baseline above its floor.
    """
    mk, m0 = float(variant.mean()) - floor, float(base.mean()) - floor
    own, from_base = (float(arm.var(ddof=1)) / len(arm) for arm in (variant, base))
    df = fieller(variant, base, floor).df
    found = []
    for bound, side in ((1 - margin, 1.0), (1 + margin, -1.0)):
        error = math.sqrt(own + bound**2 * from_base)
        reach = side * math.copysign(1.0, m0) * (mk - bound * m0)
        found.append(float(stdtr(df, -reach / error)) if error > 0 else float(reach <= 0))
    return max(found)
