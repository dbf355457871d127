"""The memory's scan over a rollout is its step, one after the other, for every encoder, operator and split.

In float64, with random gates, biases and temperatures, resets at random steps and a state carried in.
"""

import pytest
import torch
from tiny_memory import ENCODERS, OPERATORS, SPLITS, double, random_tokens, small, stepped

from algorithms.splagger.gradient import StraightThrough
from algorithms.splagger.memory import Memory

CLOSE = {"rtol": 1e-9, "atol": 1e-9}
COMBINATIONS = [
    (encoder, operator, split)
    for encoder in ENCODERS
    for operator in OPERATORS
    for split in SPLITS
    if not (split == "gate" and (OPERATORS[operator].inputs > 1 or operator == "none"))
]


def carried_state(memory: Memory, config, rows: int = 5) -> torch.Tensor:
    """What a few random transitions leave behind; the last row starts empty."""
    tokens, _ = random_tokens(config, steps=3, rows=rows)
    state = memory.initial_state(rows)
    for t in range(3):
        _, state = memory.step(tokens[:, t], state)
    state = state.detach().clone()
    state[:, -1] = memory.initial_state(1)[:, 0]
    return state


@pytest.mark.parametrize(("encoder", "operator", "split"), COMBINATIONS, ids=map("-".join, COMBINATIONS))
def test_the_scan_is_one_step_after_the_other_with_the_same_gradients(encoder, operator, split):
    config = small(encoder=ENCODERS[encoder](), aggregator=OPERATORS[operator], split=SPLITS[split])
    memory = double(config)
    tokens, resets = random_tokens(config)
    tokens.requires_grad_()
    # A carried maximum or sum is a constant of the rollout; the encoder's part of the state has a gradient.
    state = carried_state(memory, config).requires_grad_()
    weights = torch.randn(2, 9, 5, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    inputs = [tokens, state, *memory.parameters()]
    gradients = []
    outputs = []
    for found in (memory.scan(tokens, state, resets), stepped(memory, tokens, state, resets)):
        outputs.append(found)
        gradients.append(
            torch.autograd.grad((found * weights).sum(), inputs, allow_unused=True, materialize_grads=True)
        )
    assert outputs[0].shape == (2, 9, 5, 6)
    torch.testing.assert_close(*outputs, **CLOSE)
    names = ["tokens", "state", *(name for name, _ in memory.named_parameters())]
    for name, one, other in zip(names, *gradients, strict=True):
        assert one.isfinite().all(), name
        if name == "state":  # -inf + x has no finite derivative where an empty operator is stepped
            one, other = one[:, :-1], other[:, :-1]
        torch.testing.assert_close(one, other, **CLOSE, msg=lambda text, name=name: f"{name}: {text}")
    assert gradients[0][0].abs().max() > 0


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_scan_is_the_steps_in_the_precision_of_training(operator):
    config = small(aggregator=OPERATORS[operator])
    memory = double(config).float()
    tokens, resets = random_tokens(config, steps=40)
    state = carried_state(double(config), config).float()
    with torch.no_grad():
        found, expected = memory.scan(tokens.float(), state, resets), stepped(memory, tokens.float(), state, resets)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("operator", ["max", "max_zero"])
def test_a_maximum_without_resets_is_the_same_to_the_last_bit(operator):
    config = small(aggregator=OPERATORS[operator], encoder=ENCODERS["mlp"]())
    memory = double(config)
    tokens, resets = random_tokens(config)
    z = memory.encoder.scan(tokens, memory.initial_state(5)[..., :0], resets)
    state = memory.initial_state(5)
    found = memory.aggregate(memory._aggregated(z), state, torch.zeros_like(resets))
    for t in range(tokens.shape[1]):
        # cummax and max choose among the same numbers.
        running, state = memory.operator.step(memory._aggregated(z[:, t]), state)
        assert torch.equal(found[:, t], running)


@pytest.mark.parametrize("split", ["0.25", "0.5", "1", "gate"])
@pytest.mark.parametrize("operator", ["max", "mean", "softmax", "avgmax", "gauss"])
def test_straight_through_changes_no_output(operator, split):
    config = small(aggregator=OPERATORS[operator], split=SPLITS[split])
    changed = small(aggregator=OPERATORS[operator], split=SPLITS[split], gradient=StraightThrough())
    tokens, resets = random_tokens(config)
    memory, other = double(config), double(changed)
    state = carried_state(memory, config)
    assert torch.equal(memory.scan(tokens, state, resets), other.scan(tokens, state, resets))


@pytest.mark.parametrize("operator", OPERATORS)
def test_no_gradient_crosses_a_reset_and_nothing_of_the_future_is_heard(operator):
    config = small(aggregator=OPERATORS[operator])
    memory = double(config)
    tokens, resets = random_tokens(config)
    resets[:] = False
    resets[:, 4] = True
    tokens.requires_grad_()
    outputs = memory.scan(tokens, memory.initial_state(5), resets)
    (after,) = torch.autograd.grad(outputs[:, 6].sum(), tokens, retain_graph=True)
    assert (after[:, :4] == 0).all()
    assert (after[:, 7:] == 0).all()
    assert (after[:, 6] != 0).any()
    (last_before,) = torch.autograd.grad(outputs[:, 3].sum(), tokens)
    assert (last_before[:, 0] != 0).any()
    assert (last_before[:, 4:] == 0).all()


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_empty_memory_says_what_one_zero_token_says(operator):
    config = small(aggregator=OPERATORS[operator])
    memory = double(config)
    zeros = torch.zeros(2, 1, 1, config.token_size, dtype=torch.float64)
    expected = memory.scan(zeros, memory.initial_state(1), torch.zeros(2, 1, 1, dtype=torch.bool))
    torch.testing.assert_close(memory.prior(), expected[:, 0], **CLOSE)
