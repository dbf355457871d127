"""The stacked optimiser against torch's own, one seed at a time."""

import pytest
import torch
from torch import nn

from algorithms.ppo.optimizer import StackedAdam, adapt_learning_rate


class Stack(nn.Module):
    """Two parameters with a leading axis of seeds."""

    def __init__(self, seeds: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(4, 3, 2, generator=generator)[:seeds].clone())
        self.bias = nn.Parameter(torch.randn(4, 5, generator=generator)[:seeds].clone())

    def loss(self, scale: torch.Tensor) -> torch.Tensor:
        """``[K]``."""
        return scale * ((self.weight.sin().flatten(1).sum(1)) + (self.bias**3).sum(1))


# One seed's gradients stay far below the clip, the next one's are far above, one's have norm 0.
SCALE = torch.tensor([1e-3, 100.0, 0.0])


def test_every_seed_moves_as_torchs_adam_moves_it_alone_with_its_own_clip_and_step_size():
    stack = Stack(3)
    start = [parameter.detach().clone() for parameter in stack.parameters()]
    optimizer = StackedAdam(stack, 3, learning_rate=0.01, max_grad_norm=1.0)
    optimizer.learning_rate = torch.tensor([[0.01], [0.02], [0.03]])
    norms = []
    for _ in range(20):
        optimizer.zero_grad()
        optimizer.backward(stack.loss(SCALE))
        norms.append(optimizer.step())
    for seed, rate in enumerate((0.01, 0.02, 0.03)):
        single = Stack(1)
        for parameter, values in zip(single.parameters(), start, strict=True):
            parameter.data = values[seed : seed + 1].clone()
        adam = torch.optim.Adam(single.parameters(), lr=rate, eps=1e-8)
        for step in range(20):
            adam.zero_grad()
            single.loss(SCALE[seed : seed + 1]).sum().backward()
            norm = nn.utils.clip_grad_norm_(single.parameters(), 1.0)
            torch.testing.assert_close(norms[step][seed], norm)
            adam.step()
        for ours, theirs in zip(stack.parameters(), single.parameters(), strict=True):
            torch.testing.assert_close(ours[seed], theirs[0], rtol=1e-5, atol=1e-6)


def test_gradients_of_parts_add_up():
    whole, parts = Stack(2), Stack(2)
    first, second = (StackedAdam(one, 2, 0.1, 1e9) for one in (whole, parts))
    first.backward(whole.loss(torch.tensor([3.0, 3.0])))
    second.backward(parts.loss(torch.tensor([1.0, 1.0])))
    second.backward(parts.loss(torch.tensor([2.0, 2.0])))
    torch.testing.assert_close(first.step(), second.step())
    torch.testing.assert_close(first.parameters, second.parameters)


def test_the_mean_gradient_of_a_parameter_has_its_shape_and_is_0_where_no_gradient_arrived():
    stack = Stack(2)
    optimizer = StackedAdam(stack, 2, 0.1, max_grad_norm=1.0)
    optimizer.backward(100 * (stack.bias**3).sum(1))
    optimizer.step()
    weight, bias = optimizer.mean_gradient_of(stack.weight), optimizer.mean_gradient_of(stack.bias)
    assert weight.shape == (2, 3, 2)
    assert weight.abs().max() == 0
    # One step into a mean that forgets 10 % a step, of a gradient clipped to norm 1.
    torch.testing.assert_close(bias.norm(dim=1), torch.full((2,), 0.1), rtol=1e-4, atol=0)
    with pytest.raises(ValueError, match="not one of this optimiser's"):
        optimizer.mean_gradient_of(nn.Parameter(torch.zeros(2, 1)))


def test_a_saved_optimiser_continues_bit_for_bit():
    stack, other = Stack(2), Stack(2)
    optimizer, twin = StackedAdam(stack, 2, 0.1, 1.0), StackedAdam(other, 2, 0.5, 1.0)

    def step(one: StackedAdam, module: Stack) -> None:
        one.zero_grad()
        one.backward(module.loss(torch.ones(2)))
        one.step()

    for _ in range(3):
        step(optimizer, stack)
    twin.load_state_dict({key: value.clone() if torch.is_tensor(value) else value for key, value in
                          optimizer.state_dict().items()})  # fmt: skip
    for _ in range(3):
        step(optimizer, stack)
        step(twin, other)
    assert torch.equal(optimizer.parameters, twin.parameters)
    assert torch.equal(stack.weight, other.weight), "the module does not see the loaded parameters"


def test_the_step_size_follows_the_kl_of_its_own_seed():
    rates = torch.full((7, 1), 3e-4)
    rates[5], rates[6] = 1e-6, 1e-2
    # target 0.016: above 0.032 slower, below 0.008 faster, in between and on NaN unchanged; bounds hold.
    kl = torch.tensor([0.033, 0.031, 0.0081, 0.0079, float("nan"), 1.0, 0.0])
    found = adapt_learning_rate(rates, kl, 0.016, (1e-6, 1e-2)).flatten()
    torch.testing.assert_close(found, torch.tensor([2e-4, 3e-4, 3e-4, 4.5e-4, 3e-4, 1e-6, 1e-2]))
