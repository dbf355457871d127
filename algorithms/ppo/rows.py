"""The training batch: one packed float32 row per transition, so that a minibatch is a single gather.

K  seeds    G  groups    C  chunks of a group    S  steps of a chunk    F  columns    Z  recurrent state
"""

from dataclasses import dataclass

import torch
from torch import Tensor

SCALARS = (
    "logp_behaviour",
    "log_mu",
    "log_center",
    "advantage",
    "return",
    "value",
    "ent_coef",
    "weight",
    "kl_weight",
    "off_policy",
    "reset",
)
"""Columns of width 1, in every row:

``logp_behaviour``  log pi_behaviour(a | s) of who acted
``log_mu``          log(pi_old / pi_behaviour) of the row's target policy; 0 where that policy acted
``log_center``      log of the clip's centre: log_mu, or 0 for a clip around 1
``advantage``       of the row's target policy (normalised before the update)
``return``          critic target, ``value`` the old prediction; both in the critic's units
``ent_coef``        entropy coefficient of the row's target policy
``weight``          of the row in the loss; ``kl_weight`` in the KL that steers the step size
``off_policy``      1 where another policy than the row's target acted
``reset``           1 where an episode begins with this row
"""


class RowLayout:
    """Where each column stands in a packed row."""

    def __init__(
        self, *, obs: int, critic_obs: int, policy: int, action: int, params: int, stale: bool = False
    ) -> None:
        """Widths of the blocks; 0 leaves a block out (shared observation, single policy).

        With ``stale`` each row tells whether its action was chosen from a stale observation; it then must not count.
        """
        self.columns: dict[str, slice] = {}
        blocks = {"obs": obs, "critic_obs": critic_obs, "policy": policy, "action": action, "params": params}
        blocks |= {"stale": int(stale)}
        offset = 0
        for name, width in {**blocks, **dict.fromkeys(SCALARS, 1)}.items():
            self.columns[name] = slice(offset, offset + width)
            offset += width
        self.width = offset
        self._scalars = frozenset(SCALARS)

    def __call__(self, rows: Tensor, name: str) -> Tensor:
        """View of a block, ``[..., width]``, or ``[...]`` for a scalar column."""
        column = self.columns[name]
        return rows[..., column.start] if name in self._scalars else rows[..., column]

    def policy(self, rows: Tensor) -> Tensor | None:
        """One-hot target policy ``[..., M]``; None when there is one policy."""
        block = rows[..., self.columns["policy"]]
        return block if block.shape[-1] else None

    @property
    def masks_stale(self) -> bool:
        """Whether there are rows that must not count."""
        return self.columns["stale"].start != self.columns["stale"].stop

    def counted(self, rows: Tensor) -> Tensor | None:
        """Which rows count, ``[...]`` bool; None when all do."""
        return rows[..., self.columns["stale"].start] == 0 if self.masks_stale else None

    def present(self, rows: Tensor) -> Tensor | float:
        """Which rows count, as a factor: 1 or 0 ``[...]``; 1.0 when all do."""
        counted = self.counted(rows)
        return 1.0 if counted is None else counted.to(rows.dtype)

    @property
    def privileged(self) -> bool:
        """Whether the critic has observations of its own."""
        return self.columns["critic_obs"].start != self.columns["critic_obs"].stop

    def critic_obs(self, rows: Tensor) -> Tensor:
        """What the critic sees: its own block, or the policy's observation."""
        return rows[..., self.columns["critic_obs" if self.privileged else "obs"]]


@dataclass(slots=True)
class Batch:
    """Rows of one update.

    Attributes:
        rows: ``[K, G * C, S, F]``: groups of equal size, chunks inside them.
        state: Recurrent state each chunk starts from, ``[K, G * C, Z]``.
        groups: G.
    """

    rows: Tensor
    state: Tensor
    groups: int

    @property
    def chunks_per_group(self) -> int:
        """C."""
        return self.rows.shape[1] // self.groups

    @property
    def num_rows(self) -> int:
        """Rows of one seed, G * C * S."""
        return self.rows.shape[1] * self.rows.shape[2]

    def take(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Chunks ``index [K, c]`` of each seed: rows ``[K, c, S, F]`` and states ``[K, c, Z]``."""
        return take_chunks(self.rows, index), take_chunks(self.state, index)


def take_chunks(x: Tensor, index: Tensor) -> Tensor:
    """``x[k, index[k]]`` for every seed: ``[K, R, ...]`` and ``[K, c]`` to ``[K, c, ...]``."""
    seeds, rows = x.shape[:2]
    if seeds == 1:
        return x[0].index_select(0, index[0]).unsqueeze(0)
    offsets = torch.arange(seeds, device=x.device).unsqueeze(1) * rows
    return x.flatten(0, 1).index_select(0, (index + offsets).flatten()).unflatten(0, index.shape)
