"""Points fixed to the object that should meet the same points of the goal."""

from collections.abc import Sequence

import torch

from envs.arm_hand.cuboids import EDGE
from envs.sim.quaternion import rotate

MIDDLE = ((0, 0, 0),)
"""Position only."""
CORNERS = ((1, 1, 1), (1, 1, -1), (-1, -1, 1), (-1, -1, -1))
"""Position and orientation: four corners."""


class Keypoints:
    """The same points, in units of half edges times ``keypoint_scale``, on every copy's cuboid."""

    def __init__(self, corners: Sequence[tuple[int, int, int]], scale: torch.Tensor, spread: float) -> None:
        """Place the points.

        Args:
            corners: In units of half edges.
            scale: Edges of every copy's cuboid in units of 5 cm, ``[K, N, 3]``.
            spread: Factor on half edges: larger ones weigh the rotation more.
        """
        points = torch.tensor(corners, dtype=scale.dtype, device=scale.device)
        self._offsets = points * scale.unsqueeze(-2) * (EDGE / 2 * spread)

    def at(self, position: torch.Tensor, rotation: torch.Tensor) -> torch.Tensor:
        """Where they are on an object at ``[K, N, 3]``, ``[K, N, 4]``; ``[K, N, P, 3]``."""
        return position.unsqueeze(-2) + rotate(rotation.unsqueeze(-2), self._offsets)


def furthest(points: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Distance of the point that is furthest from its goal, ``[K, N]``."""
    distances: torch.Tensor = torch.linalg.vector_norm(points - goals, dim=-1)
    return distances.amax(-1)


def upward_extent(rotation: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
    """How far a box of half edges ``[..., 3]``, turned so, reaches above its middle, ``[...]``."""
    w, x, y, z = rotation.unbind(-1)
    # Last row of the rotation's matrix: the world's z in the box's frame.
    row = torch.stack((2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)), -1)
    return (row.abs() * half).sum(-1)
