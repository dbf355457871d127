"""What docs/amrl_gradients.md derives, on the independent oracle; and the oracle against the published analysis."""

import memory_reference as reference
import pytest
import torch


def aggregate_jacobian(name, seed=0, steps=12):
    """d sum(m_T) / d z_i, ``[T, C]``."""
    memory, _ = reference.build(name, seed)
    values = (torch.rand(steps, 16) * 2 - 1).requires_grad_()
    (gradient,) = torch.autograd.grad(memory.aggregate(values)[-1].sum(), values)
    return values, gradient


def test_the_true_gradient_of_the_maximum_reaches_one_step_per_channel():
    values, gradient = aggregate_jacobian("noRNN")
    expected = torch.zeros_like(gradient).scatter_(0, values.argmax(0, keepdim=True), 1.0)
    assert torch.equal(gradient, torch.where(values.amax(0) > 0, expected, 0.0))


def test_straight_through_reaches_every_step_whole():
    assert torch.equal(aggregate_jacobian("noRNN-ST")[1], torch.ones(12, 16))


def test_the_bias_gradient_of_straight_through_is_the_sum_of_the_slopes():
    """d s_t / d a = u * sum_i (1 - z_i^2) exactly: t times a positive mean."""
    memory, x = reference.build("noRNN-ST", 0)
    (gradient,) = torch.autograd.grad(memory(x)[-1].sum(), memory.encoder.bias)
    u = memory.head.weight.sum(0)
    torch.testing.assert_close(gradient, u * (1 - memory.encode(x).square()).sum(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "parameters", "last_input"),
    [
        ("AMRL", (10.5, 42, 140, 249), 0.645),
        ("noRNN-ST", (22, 65, 171, 292), 1.46),
        ("CNP", (27, 11, 8.2, 7.7), 0.0146),
    ],
)
def test_the_oracle_reproduces_the_published_table(name, parameters, last_input):
    runs = [reference.build(name, seed) for seed in range(3)]
    grown = torch.stack([reference.growth(memory, x, (0, 10, 50, 99))[1] for memory, x in runs]).mean(0)
    assert grown.tolist() == pytest.approx(parameters, rel=0.1)
    first = torch.stack([reference.input_gradient(memory, x)[0] for memory, x in runs]).mean()
    assert first.item() == pytest.approx(last_input, rel=0.1)


def test_splaggers_parameter_gradient_flattens_and_the_grus_memory_decays():
    memory, x = reference.build("SplAgger", 0)
    _, grown = reference.growth(memory, x, (50, 99))
    assert 1.0 < (grown[1] / grown[0]).item() < 1.2
    memory, x = reference.build("RNN", 0)
    gradient = reference.input_gradient(memory, x)
    assert (gradient[50] / gradient[90]).item() ** (1 / 40) == pytest.approx(0.63, abs=0.03)
