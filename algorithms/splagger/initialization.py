"""How weights start; each seed draws from its own stream of the parameter's name."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from algorithms.ppo.layers import StackedLinear, draw_weight
from envs.streams import Streams

TANH_GAIN = 5 / 3


def draw_linear(linear: StackedLinear, seeds: Sequence[int], name: str) -> None:
    """As torch's ``Linear``: weights and biases from U(-1/sqrt(I), 1/sqrt(I))."""
    fan_in = linear.weight.shape[-2]
    draw_weight(linear.weight, seeds, f"{name}.weight", fan_in)
    draw_weight(linear.bias, seeds, f"{name}.bias", fan_in)


def draw_orthogonal(weight: nn.Parameter, seeds: Sequence[int], name: str, gain: float = 1.0) -> None:
    """Fill ``weight [K, 1, I, O]`` with (semi-)orthogonal matrices times ``gain`` (Saxe et al. 2014)."""
    _fill(weight, [_orthogonal(one) * gain for one in _normal(weight, seeds, name)])


def draw_normc(weight: nn.Parameter, seeds: Sequence[int], name: str, gain: float) -> None:
    """Fill ``weight [K, 1, I, O]``: the incoming weights of every unit are a random direction of length ``gain``."""
    _fill(weight, [gain * one / one.norm(dim=0, keepdim=True) for one in _normal(weight, seeds, name)])


def draw_kaiming_uniform(weight: nn.Parameter, seeds: Sequence[int], name: str) -> None:
    """Fill ``weight [K, 1, I, O]`` from U(-sqrt(6 / I), sqrt(6 / I)) (He et al. 2015)."""
    bound = math.sqrt(6 / weight.shape[-2])
    draws = Streams(seeds, f"init/{name}").uniform(*weight.shape[1:])
    with torch.no_grad():
        weight.copy_((2 * draws - 1) * bound)


def _normal(weight: nn.Parameter, seeds: Sequence[int], name: str) -> Tensor:
    """``[K, I, O]``."""
    return Streams(seeds, f"init/{name}").normal(*weight.shape[-2:])


def _orthogonal(normal: Tensor) -> Tensor:
    """The Q of a QR decomposition of the taller orientation, with the signs of R's diagonal: uniform over rotations."""
    tall = normal if normal.shape[0] >= normal.shape[1] else normal.T
    q, r = torch.linalg.qr(tall.double())
    q = (q * r.diagonal().sign()).float()
    return q if tall is normal else q.T


def _fill(weight: nn.Parameter, values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        weight.copy_(torch.stack(list(values)).view_as(weight))
