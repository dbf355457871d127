"""Permutation invariance: what does not depend on the order of the transitions, and what must."""

import pytest
import torch
from tiny_memory import OPERATORS, SPLITS, double, random_tokens, small

from algorithms.splagger.encoder import GRU, LSTM, MLP
from algorithms.splagger.split import FixedSplit

SUMMARIES = [name for name in OPERATORS if name != "none"]


def last_outputs(config, orders: int = 4) -> torch.Tensor:
    """Outputs after the same transitions in several orders, ``[orders, K, N, 2 D]``; the first order is as drawn."""
    memory = double(config)
    tokens, _ = random_tokens(config)
    never = torch.zeros(tokens.shape[:3], dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    found = []
    for place in range(orders):
        order = torch.randperm(tokens.shape[1], generator=generator) if place else torch.arange(tokens.shape[1])
        with torch.no_grad():
            found.append(memory.scan(tokens[:, order], memory.initial_state(tokens.shape[2]), never)[:, -1])
    return torch.stack(found)


@pytest.mark.parametrize("operator", SUMMARIES)
def test_without_recurrence_and_skip_the_order_of_the_transitions_does_not_matter(operator):
    outputs = last_outputs(small(encoder=MLP(), split=FixedSplit(ratio=1.0), aggregator=OPERATORS[operator]))
    torch.testing.assert_close(outputs[1:], outputs[:1].expand_as(outputs[1:]), rtol=0, atol=1e-12)
    # ... but the transitions themselves do.
    assert (outputs[0, 0, 0] - outputs[0, 0, 1]).abs().max() > 1e-2


@pytest.mark.parametrize("initial", ["max", "max_zero"])
def test_a_maximum_is_the_same_in_any_order_to_the_last_bit(initial):
    outputs = last_outputs(small(encoder=MLP(), split=FixedSplit(ratio=1.0), aggregator=OPERATORS[initial]))
    assert all(torch.equal(outputs[0], one) for one in outputs[1:])


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("encoder", [GRU, LSTM])
def test_behind_a_recurrent_encoder_the_order_matters(encoder, operator):
    for split in ("0.5", "1"):
        outputs = last_outputs(small(encoder=encoder(), split=SPLITS[split], aggregator=OPERATORS[operator]))
        assert (outputs[1:] - outputs[:1]).abs().amax((1, 2, 3)).min() > 1e-4


@pytest.mark.parametrize("operator", SUMMARIES)
def test_the_skip_alone_hears_the_last_transition_only(operator):
    config = small(encoder=MLP(), split=FixedSplit(ratio=0.5), aggregator=OPERATORS[operator])
    outputs = last_outputs(config)
    assert (outputs[1:] - outputs[:1]).abs().max() > 1e-3
    # With the last transition in its place, the order of the others does not matter.
    memory = double(config)
    tokens, _ = random_tokens(config)
    never = torch.zeros(tokens.shape[:3], dtype=torch.bool)
    order = [*reversed(range(tokens.shape[1] - 1)), tokens.shape[1] - 1]
    with torch.no_grad():
        one, other = (memory.scan(x, memory.initial_state(5), never)[:, -1] for x in (tokens, tokens[:, order]))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_half_of_splaggers_memory_is_indifferent_to_order_where_the_encoder_is():
    """The aggregate of SplAgger's last channels, fed with the same encodings in another order."""
    memory = double(small())
    z = torch.randn(2, 9, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    never = torch.zeros(2, 9, 5, dtype=torch.bool)
    state = memory.initial_state(5)[..., memory.encoder.state_size :]
    one, other = (memory.aggregate(x, state, never)[:, -1] for x in (z, z.flip(1)))
    assert torch.equal(one, other)
