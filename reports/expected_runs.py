"""What a study with looks will cost and find, before it runs: the plan simulated on normal scores.

Effects and the margin are in units of the between-seed SD of one run's score, equal on every task. Everything is a
pure function of the plan and the generator's seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reports.looks import Looks
from reports.sequential import (
    NO_CHANGE,
    SEPARATED,
    holm_levels,
    nominal_levels,
    two_sided_p,
    walk,
    welch_at_looks,
    within_margin,
)

_MOST, _LEAST, _NUMBERS = 500, 100, 2_000_000
"""Studies to simulate, and how many scores to draw in all."""
_SEED = 20


@dataclass(frozen=True, slots=True)
class Expected:
    """What comes of a plan when the true effects are these.

    Attributes:
        effects: Of the ablations, then of the controls.
        seeds: Mean number of seeds each gets.
        cells: Mean number of cells of the study, the baseline's included.
        separated: Share of studies in which each is told from 0.
        no_change: Share of studies in which each is closed as no change larger than the margin.
    """

    effects: tuple[float, ...]
    seeds: tuple[float, ...]
    cells: float
    separated: tuple[float, ...]
    no_change: tuple[float, ...]


def expected_runs(
    plan: Looks,
    effects: Sequence[float],
    *,
    alpha: float,
    margin: float,
    tasks: int = 1,
    controls: int = 0,
    studies: int | None = None,
) -> Expected:
    """Simulate a plan.

    Args:
        plan: Its looks.
        effects: True effects in SD; the controls' last.
        alpha: Family-wise level.
        margin: In SD.
        tasks: T, each with the same effect.
        controls: How many of the effects are controls', tested outside the family.
        studies: How many to simulate; None for as many as take a moment.
    """
    if studies is None:
        studies = max(_LEAST, min(_MOST, _NUMBERS // (len(effects) * tasks * plan.most)))
    generator = np.random.default_rng(_SEED)
    shape = (studies, len(effects), tasks, plan.most)
    base = generator.normal(size=(studies, tasks, plan.most))
    arms = generator.normal(size=shape) - np.asarray(effects)[:, None, None]
    value, se, df = welch_at_looks(base, arms, plan.looks)
    p = two_sided_p(value, se, df)
    within = within_margin(value, se, df, margin, nominal_levels(plan.spending, plan.looks, 2 * alpha))
    family = len(effects) - controls
    groups = [slice(0, family), *(slice(i, i + 1) for i in range(family, len(effects)))]
    found = [
        walk(p[:, one], within[:, one], holm_levels(plan.spending, plan.looks, alpha, p[:, one].shape[1]))
        for one in groups
        if p[:, one].shape[1]
    ]
    stop, outcome = (np.concatenate([one[i] for one in found], axis=1) for i in (0, 1))
    seeds = np.array(plan.looks)[stop]
    return Expected(
        effects=tuple(effects),
        seeds=tuple(seeds.mean(0).tolist()),
        cells=float((seeds.sum(1) + seeds.max(1)).mean()) * tasks,
        separated=tuple((outcome == SEPARATED).mean(0).tolist()),
        no_change=tuple((outcome == NO_CHANGE).mean(0).tolist()),
    )
