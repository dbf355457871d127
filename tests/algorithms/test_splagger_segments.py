"""Segments against brute force: every environment's pieces cut out by hand."""

import itertools

import pytest
import torch
from torch import Tensor

from algorithms.splagger.segments import Segments

SEEDS, STEPS, ROWS, WIDTH = 2, 10, 4, 3


def resets_like(kind: str) -> Tensor:
    """``[K, T, N]``."""
    resets = torch.zeros(SEEDS, STEPS, ROWS, dtype=torch.bool)
    if kind == "only at the start":
        resets[0, 0, 1] = resets[1, 0, 3] = True
    elif kind == "at fixed times":
        resets[:, [3, 6, 9]] = True
    elif kind == "every step":
        resets[:] = True
    elif kind == "random":
        resets = torch.rand(SEEDS, STEPS, ROWS, generator=torch.Generator().manual_seed(0)) < 0.3
        resets[:, :, 0] = False
    return resets


def pieces_by_hand(resets: Tensor) -> list[tuple[int, int, int, int, bool]]:
    """``(seed, environment, first step, step after the last, starts with an empty memory)`` of every piece."""
    found = []
    for seed in range(SEEDS):
        for row in range(ROWS):
            starts = [0, *[t for t in range(1, STEPS) if resets[seed, t, row]], STEPS]
            for start, stop in itertools.pairwise(starts):
                found.append((seed, row, start, stop, bool(resets[seed, start, row])))
    return found


@pytest.fixture(params=["nowhere", "only at the start", "at fixed times", "every step", "random"])
def resets(request):
    return resets_like(request.param)


def labelled() -> Tensor:
    """``[K, T, N, WIDTH]`` of different numbers, none of them 0."""
    return 1 + torch.arange(SEEDS * STEPS * ROWS * WIDTH, dtype=torch.float64).view(SEEDS, STEPS, ROWS, WIDTH)


def test_every_piece_stands_in_a_column_of_its_own_from_the_top(resets):
    segments, x = Segments(resets), labelled()
    state = -1 - torch.arange(SEEDS * ROWS, dtype=torch.float64).view(SEEDS, ROWS, 1)
    packed, begun = segments.pack(x), segments.begin(state, torch.tensor([0.5], dtype=torch.float64))
    assert begun.shape == (SEEDS, packed.shape[2], 1)
    used = set()
    for seed, row, start, stop, empty in pieces_by_hand(resets):
        columns = (packed[seed, 0, :, 0] == x[seed, start, row, 0]).nonzero().flatten().tolist()
        column = next(
            one for one in columns if torch.equal(packed[seed, : stop - start, one], x[seed, start:stop, row])
        )
        assert (seed, column) not in used
        used.add((seed, column))
        # A piece without a reset at its start can only be the rollout's first one: it goes on with what was carried.
        assert begun[seed, column, 0] == (0.5 if empty else state[seed, row, 0])
    longest = max(stop - start for *_, start, stop, _ in pieces_by_hand(resets))
    assert packed.shape[1] == longest


def test_unpacking_undoes_packing_and_so_do_the_gradients(resets):
    segments, x = Segments(resets), labelled().requires_grad_()
    there_and_back = segments.unpack(segments.pack(x))
    assert torch.equal(there_and_back, x)
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (grad,) = torch.autograd.grad((there_and_back * weights).sum(), x)
    assert torch.equal(grad, weights)


def test_a_running_sum_over_pieces_is_the_one_over_each_environments_trials(resets):
    segments, x = Segments(resets), labelled()
    carried = torch.randn(SEEDS, ROWS, WIDTH, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    start = segments.begin(carried, torch.zeros(WIDTH, dtype=torch.float64))
    found = segments.unpack(segments.pack(x).cumsum(1) + start.unsqueeze(1))
    for seed in range(SEEDS):
        for row in range(ROWS):
            running = carried[seed, row]
            for t in range(STEPS):
                running = torch.zeros(WIDTH).double() if resets[seed, t, row] else running
                running = running + x[seed, t, row]
                torch.testing.assert_close(found[seed, t, row], running, rtol=1e-12, atol=0)
