"""A GRU for K seeds, scanned over time with a backward pass of its own.

    r, z = sigmoid(x_rz + h U_rz + b_rz)      n = tanh(x_n + r (h U_n + b_n))      h' = n + z (h - n)

(Cho et al. 2014, with torch's order of gates and its two biases.) Autograd would keep and replay ten small operations
per time step and add up the weights' gradient 3 H x H at every one of them. Here the backward loop only carries
dL/dh: every gate's derivative is a factor known from the forward pass, computed for all steps at once, and the
weights' gradient is one product over all steps.

    K  seeds    T  steps    N  sequences    H  units
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def gru_step(x: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """One step.

    Args:
        x: Input projection with its bias and the recurrent biases of r and z, ``[K, N, 3 H]``.
        h: State, ``[K, N, H]``.
        weight: U, ``[K, H, 3 H]``.
        bias: Recurrent bias of n, ``[K, 1, H]``.

    Returns:
        Next state ``[K, N, H]``.
    """
    size = h.shape[-1]
    recurrent = torch.bmm(h, weight)
    reset, update = (x[..., : 2 * size] + recurrent[..., : 2 * size]).sigmoid().split(size, dim=-1)
    candidate = torch.addcmul(x[..., 2 * size :], reset, recurrent[..., 2 * size :] + bias).tanh()
    return torch.lerp(candidate, h, update)


class _GruScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, keep: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        seeds, steps, rows, _ = x.shape
        size = h.shape[-1]
        # A seed's parameters are a slice of the optimiser's buffer: products would copy them at every step.
        weight = weight.contiguous()
        states, inner, candidates = (x.new_empty(seeds, steps, rows, size) for _ in range(3))
        gates = x.new_empty(seeds, steps, rows, 2 * size)
        recurrent = x.new_empty(seeds, rows, 3 * size)
        resets = _steps_with_resets(keep)
        start = h
        for t in range(steps):
            if t in resets:
                h = h * keep[:, t]
            torch.bmm(h, weight, out=recurrent)
            gate, candidate = gates[:, t], candidates[:, t]
            torch.add(x[:, t, :, : 2 * size], recurrent[..., : 2 * size], out=gate).sigmoid_()
            torch.add(recurrent[..., 2 * size :], bias, out=inner[:, t])
            torch.addcmul(x[:, t, :, 2 * size :], gate[..., :size], inner[:, t], out=candidate).tanh_()
            torch.lerp(candidate, h, gate[..., size:], out=states[:, t])
            h = states[:, t]
        ctx.save_for_backward(start, states, gates, candidates, inner, keep, weight)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, Tensor, Tensor]:
        start, states, gates, candidates, inner, keep, weight = ctx.saved_tensors
        seeds, steps, rows, size = states.shape
        before = torch.cat([start.unsqueeze(1), states[:, :-1]], dim=1).mul_(keep)
        reset, update = gates.split(size, dim=-1)
        # What dL/dh' is multiplied by to become the gradient of each gate's pre-activation.
        into_candidate = (1 - update).mul_(1 - candidates.square())
        factors = states.new_empty(seeds, steps, rows, 3, size)
        torch.mul(into_candidate, reset, out=factors[..., 2, :])
        torch.mul(factors[..., 2, :], inner, out=factors[..., 0, :]).mul_(1 - reset)
        torch.sub(before, candidates, out=factors[..., 1, :]).mul_(update).mul_(1 - update)
        arrived, recurrent = torch.empty_like(states), torch.empty_like(factors)
        back = weight.transpose(1, 2)
        carried = torch.zeros_like(start)
        resets = _steps_with_resets(keep)
        for t in range(steps - 1, -1, -1):
            total, step = arrived[:, t], recurrent[:, t]
            torch.add(grad[:, t], carried, out=total)
            torch.mul(total.unsqueeze(-2), factors[:, t], out=step)
            torch.bmm(step.flatten(-2), back, out=carried)
            carried.addcmul_(total, update[:, t])
            if t in resets:
                carried.mul_(keep[:, t])
        flat = recurrent.view(seeds, steps * rows, 3 * size)
        grad_weight = torch.bmm(before.view(seeds, steps * rows, size).transpose(1, 2), flat)
        grad_bias = flat[..., 2 * size :].sum(1, keepdim=True)
        grad_x = recurrent.flatten(-2)
        torch.mul(arrived, into_candidate, out=grad_x[..., 2 * size :])
        return grad_x, carried, None, grad_weight, grad_bias


def _steps_with_resets(keep: Tensor) -> frozenset[int] | range:
    """Steps before which some state is reset; all of them where asking would wait for a device."""
    if keep.device.type != "cpu":
        return range(keep.shape[1])
    return frozenset((keep == 0).flatten(2).any(2).any(0).nonzero().flatten().tolist())


def gru_scan(x: Tensor, h: Tensor, keep: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """All steps.

    Args:
        x: Input projections with their bias and the recurrent biases of r and z, ``[K, T, N, 3 H]``.
        h: State before the first step, ``[K, N, H]``.
        keep: 0 where the state is reset before the step, else 1; ``[K, T, N, 1]``.
        weight: U, ``[K, H, 3 H]``.
        bias: Recurrent bias of n, ``[K, 1, H]``.

    Returns:
        The state after every step, ``[K, T, N, H]``.
    """
    found: Tensor = _GruScan.apply(x, h, keep, weight, bias)
    return found
