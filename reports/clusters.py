"""Two clusters in one arm: a rare failure mode that fools every test of means below ten runs.

The largest gap between neighbouring scores, as a share of their whole range, is compared with what normal scores show:
the bounds are its 98 % points (400,000 draws of each size). A single crashed run is a cluster too.
"""

import numpy as np

from reports.stats import Scores

BOUNDS = {3: 0.988, 4: 0.904, 5: 0.805, 6: 0.723, 7: 0.661, 8: 0.610, 9: 0.571}
"""Runs -> share of the range that the largest gap exceeds in 2 % of normal samples."""


def gap_share(scores: Scores) -> float:
    """Largest gap between neighbouring scores over their range; 0 where nothing varies."""
    ordered = np.sort(scores)
    spread = float(ordered[-1] - ordered[0])
    if len(ordered) < 3 or spread <= 1e-12 * float(np.abs(ordered).max()):
        return 0.0
    return float(np.diff(ordered).max()) / spread


def two_clusters(scores: Scores) -> bool:
    """Do these few scores fall into two groups with a gap that one normal population rarely leaves?"""
    bound = BOUNDS.get(len(scores))
    return bound is not None and gap_share(scores) > bound
