"""Rotations as unit quaternions (w, x, y, z), MuJoCo's order: tensors ``[..., 4]``."""

import torch


def multiply(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The rotation that turns by ``right`` first, then by ``left``."""
    w1, x1, y1, z1 = left.unbind(-1)
    w2, x2, y2, z2 = right.unbind(-1)
    return torch.stack(
        (
            w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
            w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
            w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
            w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
        ),
        -1,
    )


def conjugate(rotation: torch.Tensor) -> torch.Tensor:
    """The opposite rotation."""
    return torch.cat((rotation[..., :1], -rotation[..., 1:]), -1)


def rotate(rotation: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """``vector`` (``[..., 3]``) turned by the rotation."""
    w, axis = rotation[..., :1], rotation[..., 1:]
    # `cross` wants the same number of axes on both sides, but sizes may broadcast.
    vector = vector.reshape((1,) * (axis.ndim - vector.ndim) + vector.shape)
    axis = axis.reshape((1,) * (vector.ndim - axis.ndim) + axis.shape)
    twice: torch.Tensor = 2 * torch.linalg.cross(axis, vector)
    turned: torch.Tensor = vector + w * twice + torch.linalg.cross(axis, twice)
    return turned


def angle(rotation: torch.Tensor) -> torch.Tensor:
    """How far the rotation turns, rad in [0, pi], whichever of its two signs it has."""
    half: torch.Tensor = torch.linalg.vector_norm(rotation[..., 1:], dim=-1).clamp(max=1).asin()
    return 2 * half


def about(axis: int, turn: torch.Tensor) -> torch.Tensor:
    """Rotations by ``turn`` (rad) about x (0), y (1) or z (2)."""
    half, zero = turn / 2, torch.zeros_like(turn)
    parts = [half.cos(), zero, zero, zero]
    parts[1 + axis] = half.sin()
    return torch.stack(parts, -1)


def uniform(numbers: torch.Tensor) -> torch.Tensor:
    """Uniformly distributed rotations from three uniform numbers on [0, 1), ``[..., 3]`` (Shoemake 1992)."""
    u, v, w = numbers.unbind(-1)
    low, high = (1 - u).sqrt(), u.sqrt()
    v, w = v * (2 * torch.pi), w * (2 * torch.pi)
    return torch.stack((low * v.sin(), low * v.cos(), high * w.sin(), high * w.cos()), -1)
