"""Exact collision of points with axis-aligned boxes: how far can a point go along one axis?"""

from collections.abc import Sequence

import torch

from envs.maze.layout import Box


class Walls:
    """Boxes inside the arena [-1, 1] x [-1, 1].

    A point moves along x first, then along y, each move clipped to ``reach``. A point that starts outside every box
    therefore never enters one and never jumps across one, whatever the step's length or the wall's thickness; a blocked
    point slides along the wall.
    """

    def __init__(self, boxes: Sequence[Box], device: torch.device) -> None:
        edges = torch.tensor(boxes, dtype=torch.float32, device=device).reshape(len(boxes), 4)
        # A wall that ends at the arena's border goes on behind it: a point on the border must not slip past its end.
        edges = torch.where(edges.abs() >= 1, edges * 2, edges)
        # [4, W, 1, 1]: one leading axis of walls, so that the reductions over walls run over contiguous copies.
        x0, x1, y0, y1 = edges.T.reshape(4, len(boxes), 1, 1)
        self._spans = ((x0, x1, y0, y1), (y0, y1, x0, x1))
        self._empty = not boxes

    def reach(self, axis: int, along: torch.Tensor, across: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The free interval around each point on one axis.

        Args:
            axis: 0 to move along x, 1 to move along y.
            along: Coordinates on that axis, ``[K, N]``.
            across: Coordinates on the other axis, ``[K, N]``.

        Returns:
            Lowest and highest coordinate that each point can reach, ``[K, N]`` each.
        """
        if self._empty:
            return torch.full_like(along, -1.0), torch.full_like(along, 1.0)
        near, far, low, high = self._spans[axis]
        in_the_way = (across > low) & (across < high)  # [W, K, N]
        upper = torch.where(in_the_way & (along <= near), near, 1.0).amin(0)
        lower = torch.where(in_the_way & (along >= far), far, -1.0).amax(0)
        return lower, upper
