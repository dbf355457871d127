"""Scores of simulated runs: mean 0 and standard deviation 1 unless said, in the shapes that runs of agents take."""

import numpy as np

TIGHT = 0.2
"""Standard deviation of the arm without a failure mode."""


def normal(rng, shape):
    return rng.normal(size=shape)


def heavy(rng, shape):
    """Student's t with 3 degrees of freedom."""
    return rng.standard_t(3, size=shape) / np.sqrt(3)


def bimodal(rng, shape):
    """Seven runs in ten learn, three do not: modes 2.1 standard deviations apart."""
    mode = np.where(rng.uniform(size=shape) < 0.7, 0.3, -0.7)
    return (mode + 0.1 * rng.normal(size=shape)) / np.sqrt(0.21 + 0.01)


def skewed(rng, shape):
    """A long lower tail: some runs do much worse."""
    return -(rng.gamma(2.0, size=shape) - 2) / np.sqrt(2)


def tight(rng, shape):
    return TIGHT * rng.normal(size=shape)


SHAPES = {"normal": normal, "t3": heavy, "bimodal 70/30": bimodal, "gamma": skewed}


def smooth_curves(rng, runs, points, length=0.2):
    """Noise along training with a correlation that falls off over ``length`` of the run, shape ``(runs, points)``."""
    rho = np.exp(-1 / (length * points))
    steps = rng.normal(size=(runs, points))
    curves = np.empty_like(steps)
    curves[:, 0] = steps[:, 0]
    for i in range(1, points):
        curves[:, i] = rho * curves[:, i - 1] + np.sqrt(1 - rho**2) * steps[:, i]
    return curves
