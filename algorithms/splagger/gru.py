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


def gru_step(x: Tensor, h: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One step.

    Args:
        x: Input projection with its bias, ``[K, N, 3 H]``.
        h: State, ``[K, N, H]``.
        weight: U, ``[K, H, 3 H]``.
        bias: ``[K, 1, 3 H]``.

    Returns:
        Next state ``[K, N, H]``; r and z ``[K, N, 2 H]``; n; and ``h U_n + b_n``.
    """
    size = h.shape[-1]
    recurrent = torch.baddbmm(bias, h, weight)
    gates = (x[..., : 2 * size] + recurrent[..., : 2 * size]).sigmoid_()
    inner = recurrent[..., 2 * size :]
    candidate = torch.addcmul(x[..., 2 * size :], gates[..., :size], inner).tanh_()
    return torch.lerp(candidate, h, gates[..., size:]), gates, candidate, inner


class _GruScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, keep: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        seeds, steps, rows, _ = x.shape
        size = h.shape[-1]
        states = x.new_empty(seeds, steps, rows, size)
        before, gates = torch.empty_like(states), x.new_empty(seeds, steps, rows, 2 * size)
        candidates, inner = torch.empty_like(states), torch.empty_like(states)
        for t in range(steps):
            h = h * keep[:, t]
            before[:, t] = h
            h, gates[:, t], candidates[:, t], inner[:, t] = gru_step(x[:, t], h, weight, bias)
            states[:, t] = h
        ctx.save_for_backward(before, gates, candidates, inner, keep, weight)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, Tensor, Tensor]:
        before, gates, candidates, inner, keep, weight = ctx.saved_tensors
        seeds, steps, rows, size = before.shape
        reset, update = gates.split(size, dim=-1)
        # What dL/dh' is multiplied by to become the gradient of each gate's pre-activation.
        into_candidate = (1 - update) * (1 - candidates.square())
        factors = torch.stack(
            [
                into_candidate * inner * reset * (1 - reset),
                (before - candidates) * update * (1 - update),
                into_candidate * reset,
            ],
            dim=-2,
        )
        arrived = torch.empty_like(before)
        recurrent = torch.empty_like(factors)
        back = weight.transpose(1, 2)
        carried = torch.zeros_like(before[:, 0])
        for t in range(steps - 1, -1, -1):
            total = grad[:, t] + carried
            arrived[:, t] = total
            step = total.unsqueeze(-2) * factors[:, t]
            recurrent[:, t] = step
            carried = torch.baddbmm(total * update[:, t], step.flatten(-2), back) * keep[:, t]
        flat = recurrent.view(seeds, steps * rows, 3 * size)
        grad_weight = torch.bmm(before.view(seeds, steps * rows, size).transpose(1, 2), flat)
        recurrent_bias = flat.sum(1, keepdim=True)
        grad_x = recurrent.flatten(-2)
        grad_x[..., 2 * size :] = arrived * into_candidate
        return grad_x, carried, None, grad_weight, recurrent_bias


def gru_scan(x: Tensor, h: Tensor, keep: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """All steps.

    Args:
        x: Input projections with their bias, ``[K, T, N, 3 H]``.
        h: State before the first step, ``[K, N, H]``.
        keep: 0 where the state is reset before the step, else 1; ``[K, T, N, 1]``.
        weight: ``[K, H, 3 H]``.
        bias: ``[K, 1, 3 H]``.

    Returns:
        The state after every step, ``[K, T, N, H]``.
    """
    found: Tensor = _GruScan.apply(x, h, keep, weight, bias)
    return found
