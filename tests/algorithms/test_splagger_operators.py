"""Aggregation operators against their plain formulas in numpy, at their limits, and where numbers are extreme."""

import numpy as np
import pytest
import torch
from tiny_memory import OPERATORS

from algorithms.splagger.aggregator import AvgMax, Max, Softmax, WeightedSoftmax
from algorithms.splagger.operators import MaxOperator

STEPS, ROWS, CHANNELS = 12, 3, 6
TEMPERATURE = 0.1


def softplus(x):
    return np.log1p(np.exp(x))


def weighted_mean(values, logits, temperature):
    weights = np.exp(logits / temperature)
    return (weights * values).sum(0) / weights.sum(0)


def by_the_formula(name: str, z: np.ndarray) -> np.ndarray:
    """The aggregate of the items ``z [t, N, V]``."""
    first, second = np.split(z, 2, axis=-1)
    if name == "gauss":
        precision = softplus(second)
        total = np.maximum(precision.sum(0), 0.1)
        return np.concatenate([(precision * first).sum(0) / total, -np.log(total)], axis=-1)
    return {
        "max": lambda: z.max(0),
        "max_zero": lambda: np.maximum(z.max(0), 0),
        "mean": lambda: z.mean(0),
        "softmax": lambda: weighted_mean(z, z, TEMPERATURE),
        "wsoftmax": lambda: weighted_mean(first, second, TEMPERATURE),
        "wsoftmax_doubled": lambda: weighted_mean(first, second, TEMPERATURE),
        "avgmax": lambda: np.concatenate([first.mean(0), second.max(0)], axis=-1),
        "avgmax_zero": lambda: np.concatenate([first.mean(0), np.maximum(second.max(0), 0)], axis=-1),
        "none": lambda: z[-1],
    }[name]()


def items(low: float = -1.0, high: float = 1.0) -> torch.Tensor:
    """``[K = 2, T, N, V]`` float64."""
    draws = np.random.default_rng(0).uniform(low, high, (2, STEPS, ROWS, CHANNELS))
    return torch.from_numpy(draws)


def scanned(operator, z: torch.Tensor) -> torch.Tensor:
    state = operator.initial(z.shape[-1], z).expand(*z.shape[0:1], z.shape[2], -1)
    return operator.scan(z, state)[0]


@pytest.mark.parametrize("name", OPERATORS)
def test_the_formula(name):
    # Mostly negative, so that a floor of 0 binds somewhere and does not elsewhere.
    z = items(-1.0, 0.2)
    found = scanned(OPERATORS[name].build((0, 1)).double(), z).detach()
    for seed in range(2):
        for t in range(STEPS):
            expected = by_the_formula(name, z[seed, : t + 1].numpy())
            np.testing.assert_allclose(found[seed, t], expected, rtol=1e-6, atol=1e-7)
    if name.endswith("_zero"):
        assert (found[..., -3:] == 0).any()
        assert (found[..., -3:] > 0).any()


def test_few_precise_items_stay_above_the_floor_of_the_precision():
    # softplus(-3) = 0.0486 < 0.1: one item alone is below the floor, three are above it.
    z = torch.full((1, 3, 1, 2), -3.0, dtype=torch.float64)
    z[..., 0] = 0.8
    found = scanned(OPERATORS["gauss"].build((0,)).double(), z)[0, :, 0]
    precision = np.log1p(np.exp(-3.0))
    np.testing.assert_allclose(found[0], [0.8 * precision / 0.1, -np.log(0.1)], rtol=1e-9)
    np.testing.assert_allclose(found[2], [0.8, -np.log(3 * precision)], rtol=1e-9)


@pytest.mark.parametrize(("temperature", "limit"), [(2e-3, "max"), (1e4, "mean")])
def test_softmax_tends_to_the_maximum_when_cold_and_to_the_mean_when_hot(temperature, limit):
    z = items()
    found = scanned(Softmax(temperature=temperature).build((0, 1)).double(), z).detach()
    for t in range(STEPS):
        expected = by_the_formula(limit, z[0, : t + 1].numpy())
        np.testing.assert_allclose(found[0, t], expected, atol=3e-3 if limit == "max" else 1e-3)
    np.testing.assert_allclose(found[:, 0], z[:, 0], atol=1e-9)


@pytest.mark.parametrize("temperature", [1e-4, 1e-2, 1.0, 1e6])
@pytest.mark.parametrize("kind", [Softmax, WeightedSoftmax])
@pytest.mark.parametrize("values", ["saturated", "ordinary", "equal"])
def test_any_temperature_gives_finite_numbers_and_gradients_in_single_precision(kind, temperature, values):
    operator = kind(temperature=temperature).build((0, 1))
    z = items().float()
    z = {"saturated": z.sign(), "ordinary": z, "equal": torch.full_like(z, -1.0)}[values].requires_grad_()
    state = operator.initial(CHANNELS, z).expand(2, ROWS, -1)
    found, _ = operator.scan(z, state)
    stepped = []
    for t in range(STEPS):
        one, state = operator.step(z[:, t], state)
        stepped.append(one)
    assert found.isfinite().all()
    assert found.abs().max() <= 1 + 5e-7 / min(temperature, 1)  # a weighted mean, to the precision of its logarithms
    torch.testing.assert_close(found, torch.stack(stepped, dim=1), rtol=0, atol=1e-5 + 1e-6 / min(temperature, 1))
    for grad in torch.autograd.grad(found.sum(), [z, operator.log_temperature]):
        assert grad.isfinite().all()


@pytest.mark.parametrize("name", OPERATORS)
def test_saturated_items_have_finite_gradients_through_scan_and_step(name):
    operator = OPERATORS[name].build((0, 1))
    z = items().float().sign().requires_grad_()
    (through_scan,) = torch.autograd.grad(scanned(operator, z).sum(), z)
    assert through_scan.isfinite().all()
    state = operator.initial(CHANNELS, z).expand(2, ROWS, -1)
    total = 0
    for t in range(STEPS):
        one, state = operator.step(z[:, t], state)
        total = total + one.sum()
    (through_steps,) = torch.autograd.grad(total, z)
    assert through_steps.isfinite().all()


def test_the_temperature_is_learned_by_every_seed_for_itself():
    operator = Softmax(temperature=TEMPERATURE).build((0, 1)).double()
    z = items()
    (grad,) = torch.autograd.grad(scanned(operator, z)[0].sum(), operator.log_temperature)
    assert grad[0].abs() > 1e-3
    assert grad[1] == 0
    # By differences: d f / d log T.
    step = 1e-5
    moved = []
    for sign in (1, -1):
        other = Softmax(temperature=TEMPERATURE * np.exp(sign * step)).build((0,)).double()
        moved.append(scanned(other, z[:1]).sum().item())
    assert grad[0].item() == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-2)


@pytest.mark.parametrize("kind", [Max, AvgMax])
def test_the_official_maximum_never_falls_below_0_and_the_clean_one_may(kind):
    z = torch.full((1, 3, 1, 2), -0.5)
    assert scanned(kind(initial="zero").build((0,)), z)[0, -1, 0, 1] == 0
    assert scanned(kind(initial="first").build((0,)), z)[0, -1, 0, 1] == -0.5


@pytest.mark.parametrize("name", OPERATORS)
def test_a_summary_continues_from_what_was_carried(name):
    operator = OPERATORS[name].build((0, 1)).double()
    z = items(-1.0, 0.2)
    state = operator.initial(CHANNELS, z).expand(2, ROWS, -1)
    for t in range(5):
        _, state = operator.step(z[:, t], state)
    found, _ = operator.scan(z[:, 5:], state)
    torch.testing.assert_close(found, scanned(operator, z)[:, 5:], rtol=1e-9, atol=1e-9)


def test_no_gradient_flows_where_the_carried_maximum_stands():
    z = torch.tensor([-0.5, 0.1, 0.4]).view(1, 3, 1, 1).requires_grad_()
    found, _ = MaxOperator(floor=False).scan(z, torch.tensor([[[0.2]]]))
    assert found.flatten().tolist() == pytest.approx([0.2, 0.2, 0.4])
    (grad,) = torch.autograd.grad(found.sum(), z)
    assert grad.flatten().tolist() == [0, 0, 1]
