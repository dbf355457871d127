"""Every row once per epoch, equal shares of each group, and the public code's cut."""

import pytest
import torch

from algorithms.ppo.minibatches import epochs
from envs.streams import Streams

GROUPS, CHUNKS = 4, 12
"""Groups of a batch, chunks of a group."""


def plan(layout: str, seeds=(0, 1), **changes):
    settings = {
        "layout": layout,
        "num_epochs": 3,
        "groups": GROUPS,
        "chunks_per_group": CHUNKS,
        "chunk_rows": 2,
        "minibatch_rows": 24,
    }
    return list(epochs(Streams(seeds, "minibatch"), **{**settings, **changes}))


@pytest.mark.parametrize("layout", ["stratified", "shuffled"])
@pytest.mark.parametrize("minibatch_rows", [24, 32, 40, 1000])
def test_an_epoch_visits_every_chunk_of_every_seed_once(layout, minibatch_rows):
    for minibatches in plan(layout, minibatch_rows=minibatch_rows):
        visited = torch.cat(minibatches, 1).sort(1).values
        assert torch.equal(visited, torch.arange(GROUPS * CHUNKS).expand(2, -1))


def test_stratified_minibatches_hold_the_same_share_of_every_group():
    # 96 rows, 24 per minibatch: 4 minibatches of 12 chunks, 3 of each of the 4 groups.
    for minibatches in plan("stratified"):
        assert len(minibatches) == 4
        for minibatch in minibatches:
            shares = torch.stack([(minibatch // CHUNKS == group).sum(1) for group in range(GROUPS)], 1)
            assert (shares == 3).all()


def test_stratified_epochs_are_shuffled_anew():
    first, second, _ = (torch.cat(minibatches, 1) for minibatches in plan("stratified"))
    assert not torch.equal(first, second)


def test_shuffled_epochs_repeat_and_the_last_minibatch_takes_the_remainder():
    # 96 rows, 40 per minibatch: 2 minibatches of 40 and 56 rows = 20 and 28 chunks.
    drawn = plan("shuffled", minibatch_rows=40)
    for minibatches in drawn:
        assert [one.shape[1] for one in minibatches] == [20, 28]
        assert all(torch.equal(a, b) for a, b in zip(minibatches, drawn[0], strict=True))
    assert not torch.equal(drawn[0][0], torch.arange(20).expand(2, -1)), "nothing was shuffled"


@pytest.mark.parametrize("layout", ["stratified", "shuffled"])
def test_a_seeds_minibatches_do_not_depend_on_the_other_seeds(layout):
    for ours, theirs in zip(plan(layout, (0, 1)), plan(layout, (7, 1)), strict=True):
        assert all(torch.equal(a[1], b[1]) for a, b in zip(ours, theirs, strict=True))
        assert not any(torch.equal(a[0], b[0]) for a, b in zip(ours, theirs, strict=True))


def test_a_batch_smaller_than_a_minibatch_is_one_minibatch():
    assert [len(one) for one in plan("shuffled", minibatch_rows=10_000)] == [1, 1, 1]


def test_stratified_never_makes_more_minibatches_than_a_group_has_chunks():
    for minibatches in plan("stratified", minibatch_rows=2):
        assert len(minibatches) == CHUNKS
        assert all(one.shape == (2, GROUPS) for one in minibatches)


def test_shuffled_rows_of_a_small_batch_are_cut_as_the_public_code_cuts_them():
    # 14 chunks of 4 rows in 7 groups of 2 chunks; 12 rows per minibatch: 56 // 12 = 4 minibatches of 12, 12, 12, 20.
    (minibatches,) = plan(
        "shuffled", num_epochs=1, groups=7, chunks_per_group=2, chunk_rows=4, minibatch_rows=12, seeds=(0,)
    )
    assert [4 * one.shape[1] for one in minibatches] == [12, 12, 12, 20]
