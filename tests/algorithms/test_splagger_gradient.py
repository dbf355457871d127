"""What back-propagates through the aggregation: the true gradients by hand, AMRL's straight-through estimator."""

import pytest
import torch
from tiny_memory import OPERATORS, SPLITS, double, random_tokens, small

from algorithms.splagger.gradient import StraightThrough, TrueGradient
from algorithms.splagger.split import FixedSplit

STEPS, ROWS = 9, 5
SUMMARIES = [name for name in OPERATORS if name != "none"]


def aggregated(memory, z: torch.Tensor, resets: torch.Tensor | None = None) -> torch.Tensor:
    if resets is None:
        resets = torch.zeros(z.shape[:3], dtype=torch.bool)
    return memory.aggregate(z, memory.initial_state(z.shape[2])[..., memory.encoder.state_size :], resets)


def channels(memory) -> torch.Tensor:
    """``[K, T, N, V]`` inside (-1, 1)."""
    generator = torch.Generator().manual_seed(0)
    z = torch.rand(2, STEPS, ROWS, memory.widths.aggregated, generator=generator, dtype=torch.float64)
    return (2 * z - 1).requires_grad_()


class TestTrueGradient:
    def test_of_a_maximum_is_1_where_it_was_attained_and_0_elsewhere(self):
        memory = double(small(split=FixedSplit(ratio=1.0)))
        z = channels(memory)
        for t in (0, 3, STEPS - 1):
            (grad,) = torch.autograd.grad(aggregated(memory, z)[:, t].sum(), z)
            expected = torch.nn.functional.one_hot(z[:, : t + 1].argmax(1), STEPS).movedim(-1, 1)
            assert torch.equal(grad, expected.double())

    def test_of_a_floored_maximum_is_0_where_the_floor_stands(self):
        memory = double(small(split=FixedSplit(ratio=1.0), aggregator=OPERATORS["max_zero"]))
        z = channels(memory)
        (grad,) = torch.autograd.grad(aggregated(memory, z - 0.9)[:, -1].sum(), z)
        floored = (z - 0.9).amax(1) < 0
        assert floored.any()
        assert not floored.all()
        assert torch.equal(grad.sum(1), (~floored).double())

    def test_of_a_mean_is_one_over_the_count(self):
        memory = double(small(split=FixedSplit(ratio=1.0), aggregator=OPERATORS["mean"]))
        z = channels(memory)
        for t in (0, 3, STEPS - 1):
            (grad,) = torch.autograd.grad(aggregated(memory, z)[:, t].sum(), z)
            torch.testing.assert_close(grad[:, : t + 1], torch.full_like(grad[:, : t + 1], 1 / (t + 1)))
            assert (grad[:, t + 1 :] == 0).all()


class TestStraightThrough:
    @pytest.mark.parametrize("operator", ["max", "max_zero", "mean", "softmax", "avgmax", "avgmax_zero"])
    def test_every_past_input_receives_1_and_the_future_0(self, operator):
        config = small(split=FixedSplit(ratio=1.0), aggregator=OPERATORS[operator], gradient=StraightThrough())
        memory = double(config)
        z = channels(memory)
        for t in (0, 3, STEPS - 1):
            (grad,) = torch.autograd.grad(aggregated(memory, z)[:, t].sum(), z)
            assert (grad[:, : t + 1] == 1).all()
            assert (grad[:, t + 1 :] == 0).all()

    @pytest.mark.parametrize("operator", ["wsoftmax", "wsoftmax_doubled"])
    def test_values_of_a_weighted_mean_receive_1_and_their_weights_nothing(self, operator):
        config = small(split=FixedSplit(ratio=1.0), aggregator=OPERATORS[operator], gradient=StraightThrough())
        memory = double(config)
        z = channels(memory)
        found = aggregated(memory, z)
        (grad,) = torch.autograd.grad(found[:, -1].sum(), z)
        values, logits = grad.chunk(2, dim=-1)
        assert values.shape == found.shape
        assert (values == 1).all()
        assert (logits == 0).all()

    def test_means_of_gaussian_factors_receive_1_and_precisions_their_own_slope(self):
        config = small(split=FixedSplit(ratio=1.0), aggregator=OPERATORS["gauss"], gradient=StraightThrough())
        memory = double(config)
        z = channels(memory)
        (grad,) = torch.autograd.grad(aggregated(memory, z)[:, -1].sum(), z)
        mu, p = grad.chunk(2, dim=-1)
        assert (mu == 1).all()
        # The summand of a log variance is minus a precision, softplus(p), whose derivative is the logistic function.
        torch.testing.assert_close(p, -z.chunk(2, dim=-1)[1].sigmoid().detach())

    @pytest.mark.parametrize("operator", SUMMARIES)
    def test_the_estimator_stops_at_the_ends_of_trials(self, operator):
        config = small(split=FixedSplit(ratio=1.0), aggregator=OPERATORS[operator], gradient=StraightThrough())
        memory = double(config)
        z = channels(memory)
        resets = torch.zeros(2, STEPS, ROWS, dtype=torch.bool)
        resets[0, 4, 2] = resets[1, 2, 0] = True
        (grad,) = torch.autograd.grad(aggregated(memory, z, resets)[:, -1].sum(), z)
        half = slice(0, memory.widths.aggregated // 2)  # values, means or any channel
        assert (grad[0, :4, 2] == 0).all()
        assert (grad[0, 4:, 2, half] == 1).all()
        assert (grad[1, :2, 0] == 0).all()
        assert (grad[1, 2:, 0, half] == 1).all()
        assert (grad[0, :, 3, half] == 1).all()

    def test_sums_of_gradients_arrive_at_every_step(self):
        """Weights w_t on the outputs: summand i receives the sum of the w_t with t >= i."""
        memory = double(small(split=FixedSplit(ratio=1.0), gradient=StraightThrough()))
        z = channels(memory)
        weights = torch.arange(1.0, STEPS + 1).view(1, -1, 1, 1).double()
        (grad,) = torch.autograd.grad((aggregated(memory, z) * weights).sum(), z)
        total = STEPS * (STEPS + 1) / 2
        expected = torch.tensor([total - i * (i + 1) / 2 for i in range(STEPS)]).double()
        torch.testing.assert_close(grad[0, :, 0, 0], expected)

    @pytest.mark.parametrize("split", ["0.25", "0.5", "gate"])
    def test_skipped_channels_keep_their_gradient(self, split):
        """The encoder's parameters feel the skip as before: with a head that ignores aggregates nothing differs."""
        grads = []
        for gradient in (TrueGradient(), StraightThrough()):
            memory = double(small(split=SPLITS[split], gradient=gradient))
            with torch.no_grad():
                if memory.gate is None:
                    memory.head.weight[:, :, -memory.widths.summary :] = 0
                else:
                    memory.gate.fill_(-800)  # sigmoid: exactly 0
            tokens, resets = random_tokens(small())
            outputs = memory.scan(tokens, memory.initial_state(5), resets)
            grads.append(torch.autograd.grad(outputs.square().sum(), list(memory.encoder.parameters())))
        for one, other in zip(*grads, strict=True):
            assert one.abs().max() > 0
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
