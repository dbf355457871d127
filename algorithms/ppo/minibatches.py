"""Which rows form which minibatch.

Rows move in chunks of consecutive steps of one environment. A batch is a sequence of equal groups of chunks: one group
per policy's own rows, one per block of relabelled rows.
"""

import itertools
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from envs.streams import Streams

Layout = Literal["stratified", "shuffled"]


def num_minibatches(layout: Layout, *, groups: int, chunks_per_group: int, chunk_rows: int, minibatch_rows: int) -> int:
    """Minibatches per epoch: rows // minibatch_rows, at least 1.

    Nor more than there are chunks to hand out: each minibatch needs one, and one of every group where ``stratified``.
    """
    chunks = groups * chunks_per_group
    return max(1, min(chunks * chunk_rows // minibatch_rows, chunks_per_group if layout == "stratified" else chunks))


def epochs(
    streams: Streams,
    *,
    layout: Layout,
    num_epochs: int,
    groups: int,
    chunks_per_group: int,
    chunk_rows: int,
    minibatch_rows: int,
) -> Iterator[list[Tensor]]:
    """Yield, for every epoch, its minibatches as chunk indices ``[K, C]``.

    ``stratified``: a fresh permutation of every group in every epoch, and each minibatch takes the same share of every
    group. ``shuffled``: one permutation of all chunks for all epochs, cut into minibatches of ``minibatch_rows`` rows,
    the last taking the remainder (the public code's ``PPODataset``).
    """
    count = num_minibatches(
        layout,
        groups=groups,
        chunks_per_group=chunks_per_group,
        chunk_rows=chunk_rows,
        minibatch_rows=minibatch_rows,
    )
    if layout == "shuffled":
        order = streams.permutation(groups * chunks_per_group)
        size = max(1, minibatch_rows // chunk_rows)
        cuts = [size * i for i in range(count)] + [groups * chunks_per_group]
        plan = [order[:, a:b].contiguous() for a, b in itertools.pairwise(cuts)]
        for _ in range(num_epochs):
            yield plan
        return
    cuts = [chunks_per_group * i // count for i in range(count + 1)]
    for _ in range(num_epochs):
        orders = torch.stack(
            [streams.permutation(chunks_per_group) + g * chunks_per_group for g in range(groups)], dim=1
        )
        yield [orders[:, :, a:b].flatten(1) for a, b in itertools.pairwise(cuts)]
