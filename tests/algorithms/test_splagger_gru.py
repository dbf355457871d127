"""The encoders' scans against torch.nn.GRU and torch.nn.LSTM, forward and every gradient, and against differences."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from algorithms.splagger.encoders import GruEncoder, LstmEncoder

SEEDS, STEPS, ROWS, INPUTS, SIZE = 3, 7, 4, 5, 6
DOUBLE = {"rtol": 1e-11, "atol": 1e-12}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def randomised(encoder: nn.Module) -> nn.Module:
    """In double precision, biases too."""
    encoder = encoder.double()
    with torch.no_grad():
        for place, parameter in enumerate(encoder.parameters()):
            parameter.copy_(0.7 * random(*parameter.shape, seed=place))
    return encoder


def gates(weight: Tensor, seed: int) -> Tensor:
    """``[K, 1, I, G H]`` as torch has it: ``[G H, I]``."""
    return weight[seed, 0].T


def parameters_of(encoder: GruEncoder) -> list[Tensor]:
    """In torch's order."""
    return [encoder.input.weight, encoder.recurrent.weight, encoder.input.bias, encoder.recurrent.bias]


def torch_gru(encoder: GruEncoder, seed: int) -> nn.GRU:
    """torch's layer with one seed's weights."""
    layer = nn.GRU(INPUTS, SIZE).double()
    with torch.no_grad():
        for theirs, ours in zip(layer.parameters(), parameters_of(encoder), strict=True):
            theirs.copy_(gates(ours, seed).view_as(theirs))
    return layer


def piecewise(layer: nn.Module, x: Tensor, state: tuple[Tensor, ...], resets: Tensor) -> Tensor:
    """One torch layer over ``x [T, N, I]``, started again from zeros at every reset; row by row, piece by piece."""
    columns = []
    for row in range(x.shape[1]):
        here = tuple(one[None, row : row + 1] for one in state)
        cuts = [t for t in range(len(x)) if resets[t, row]]
        edges = [0, *[cut for cut in cuts if cut > 0], len(x)]
        if cuts[:1] == [0]:
            here = tuple(torch.zeros_like(one) for one in here)
        pieces = []
        for start, stop in itertools.pairwise(edges):
            out, _ = layer(x[start:stop, row : row + 1], here if len(here) > 1 else here[0])
            pieces.append(out)
            here = tuple(torch.zeros_like(one) for one in here)
        columns.append(torch.cat(pieces))
    return torch.cat(columns, dim=1)


def some_resets(kind: str) -> Tensor:
    """``[K, T, N]``."""
    resets = torch.zeros(SEEDS, STEPS, ROWS, dtype=torch.bool)
    if kind == "random":
        resets = torch.rand(SEEDS, STEPS, ROWS, generator=torch.Generator().manual_seed(3)) < 0.3
        resets[0, 0, 0] = True
        resets[1] = False
    elif kind == "every step":
        resets[:] = True
    return resets


@pytest.mark.parametrize("kind", ["none", "random", "every step"])
def test_the_gru_scan_is_torchs_gru_started_again_at_every_reset_with_all_its_gradients(kind):
    encoder = randomised(GruEncoder(range(SEEDS), INPUTS, SIZE))
    resets = some_resets(kind)
    x = random(SEEDS, STEPS, ROWS, INPUTS, seed=10).requires_grad_()
    state = random(SEEDS, ROWS, SIZE, seed=11).requires_grad_()
    weights = random(SEEDS, STEPS, ROWS, SIZE, seed=12)
    found = encoder.scan(x, state, resets)
    found_grads = torch.autograd.grad((found * weights).sum(), [x, state, *parameters_of(encoder)])
    for seed in range(SEEDS):
        layer = torch_gru(encoder, seed)
        expected = piecewise(layer, x[seed], (state[seed],), resets[seed])
        torch.testing.assert_close(found[seed], expected, **DOUBLE)
        theirs = torch.autograd.grad(
            (expected * weights[seed]).sum(), [x, state, *layer.parameters()], allow_unused=True, materialize_grads=True
        )
        for mine, other in zip(found_grads[:2], theirs[:2], strict=True):
            torch.testing.assert_close(mine[seed], other[seed], **DOUBLE)
        for mine, other in zip(found_grads[2:], theirs[2:], strict=True):
            torch.testing.assert_close(gates(mine, seed).view_as(other), other, **DOUBLE)


def test_a_gru_step_is_torchs_and_the_output_is_the_next_state():
    encoder = randomised(GruEncoder(range(SEEDS), INPUTS, SIZE))
    x, state = random(SEEDS, ROWS, INPUTS, seed=1), random(SEEDS, ROWS, SIZE, seed=2)
    output, after = encoder.step(x, state)
    assert torch.equal(output, after)
    for seed in range(SEEDS):
        layer = torch_gru(encoder, seed)
        expected, _ = layer(x[seed : seed + 1], state[seed : seed + 1])
        torch.testing.assert_close(output[seed], expected[0], **DOUBLE)


@pytest.mark.parametrize("kind", ["none", "random"])
def test_the_gru_scans_backward_pass_agrees_with_finite_differences(kind):
    encoder = randomised(GruEncoder(range(2), 2, 3))
    x, state = random(2, 4, 2, 2).requires_grad_(), random(2, 2, 3).requires_grad_()
    resets = some_resets(kind)[:2, :4, :2]
    # gradcheck moves its inputs in place, parameters included.
    assert torch.autograd.gradcheck(lambda *_: encoder.scan(x, state, resets), [x, state, *encoder.parameters()])


def test_the_gradient_of_one_seed_does_not_reach_another():
    encoder = randomised(GruEncoder(range(SEEDS), INPUTS, SIZE))
    x = random(SEEDS, STEPS, ROWS, INPUTS).requires_grad_()
    out = encoder.scan(x, torch.zeros(SEEDS, ROWS, SIZE).double(), some_resets("random"))
    for one in torch.autograd.grad(out[1].sum(), [x, *encoder.parameters()]):
        assert one[1].abs().max() > 0
        assert (one[[0, 2]] == 0).all()


def test_the_lstm_encoder_is_torchs_lstm_started_again_at_every_reset():
    encoder = randomised(LstmEncoder(range(SEEDS), INPUTS, SIZE))
    resets = some_resets("random")
    x = random(SEEDS, STEPS, ROWS, INPUTS, seed=10).requires_grad_()
    state = random(SEEDS, ROWS, 2 * SIZE, seed=11).requires_grad_()
    weights = random(SEEDS, STEPS, ROWS, SIZE, seed=12)
    found = encoder.scan(x, state, resets)
    into_weight, into_recurrent, into_x = torch.autograd.grad(
        (found * weights).sum(), [encoder.lstm.input.weight, encoder.lstm.recurrent, x]
    )
    for seed in range(SEEDS):
        layer = nn.LSTM(INPUTS, SIZE).double()
        with torch.no_grad():
            layer.weight_ih_l0.copy_(gates(encoder.lstm.input.weight, seed))
            layer.weight_hh_l0.copy_(encoder.lstm.recurrent[seed].squeeze(0).T)
            layer.bias_ih_l0.copy_(encoder.lstm.input.bias[seed, 0, 0])
            layer.bias_hh_l0.zero_()
        expected = piecewise(layer, x[seed], state[seed].split(SIZE, dim=-1), resets[seed])
        torch.testing.assert_close(found[seed], expected, **DOUBLE)
        theirs = torch.autograd.grad((expected * weights[seed]).sum(), [layer.weight_ih_l0, layer.weight_hh_l0, x])
        torch.testing.assert_close(gates(into_weight, seed), theirs[0], **DOUBLE)
        torch.testing.assert_close(into_recurrent[seed].squeeze(0).T, theirs[1], **DOUBLE)
        torch.testing.assert_close(into_x[seed], theirs[2][seed], **DOUBLE)


@pytest.mark.parametrize("kind", [GruEncoder, LstmEncoder])
def test_recurrent_weights_start_orthogonal_and_biases_at_0(kind):
    encoder = kind((3, 4), 20, 16)
    for name, parameter in encoder.named_parameters():
        if "bias" in name:
            assert (parameter == 0).all()
            continue
        for matrix in parameter.squeeze(1).double():  # [I, G H] has more columns than rows: its rows are orthonormal
            torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)).double(), rtol=0, atol=1e-6)
    weights = next(iter(encoder.parameters()))
    assert (weights[0] != weights[1]).any()
