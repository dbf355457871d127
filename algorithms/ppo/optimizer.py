"""Adam for K seeds at once: each seed has its own gradient norm, its own clip and its own step size.

All parameters live in one flat buffer ``[K, P]`` (and so do gradients and moments), so a step is a dozen operations
however many layers there are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedAdam:
    """Adam (Kingma & Ba 2015; betas 0.9, 0.999) with a per-seed step size and global-norm clip."""

    def __init__(
        self, module: nn.Module, seeds: int, learning_rate: float, max_grad_norm: float, eps: float = 1e-8
    ) -> None:
        """Move the module's parameters into the flat buffer; their leading axis is ``seeds``."""
        self._leaves = parameters = list(module.parameters())
        device = parameters[0].device
        sizes = [parameter.numel() // seeds for parameter in parameters]
        self.parameters = torch.empty(seeds, sum(sizes), device=device)
        self.gradients = torch.zeros_like(self.parameters)
        offset = 0
        for parameter, size in zip(parameters, sizes, strict=True):
            here = slice(offset, offset + size)
            self.parameters[:, here] = parameter.detach().reshape(seeds, size)
            parameter.data = self.parameters[:, here].view(parameter.shape)
            offset += size
        self._first = torch.zeros_like(self.parameters)
        self._second = torch.zeros_like(self.parameters)
        self._steps = 0
        self._max_grad_norm, self._eps = max_grad_norm, eps
        self.learning_rate = torch.full((seeds, 1), learning_rate, device=device)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.gradients.zero_()

    def backward(self, loss: Tensor, inputs: Sequence[Tensor] = ()) -> tuple[Tensor, ...]:
        """Add the gradient of the seeds' losses ``[K]``; return that of other ``inputs`` of theirs.

        Seeds share no parameter, so the gradient of the sum is every seed's own gradient.
        """
        gradients = torch.autograd.grad(loss.sum(), [*self._leaves, *inputs], materialize_grads=True)
        own, others = gradients[: len(self._leaves)], gradients[len(self._leaves) :]
        self.gradients += torch.cat([gradient.flatten(1) for gradient in own], dim=1)
        return others

    def mean_gradient_of(self, parameter: nn.Parameter) -> Tensor:
        """Adam's running mean of one parameter's (clipped) gradients, in its shape: 0 where none ever arrived."""
        offset = 0
        for leaf in self._leaves:
            size = leaf.numel() // self.gradients.shape[0]
            if leaf is parameter:
                return self._first[:, offset : offset + size].view(leaf.shape)
            offset += size
        raise ValueError("the parameter is not one of this optimiser's")

    def step(self) -> Tensor:
        """Clip, update, and return each seed's gradient norm before the clip, ``[K]``."""
        norm = self.gradients.norm(dim=1, keepdim=True)
        gradient = self.gradients.mul_((self._max_grad_norm / (norm + 1e-6)).clamp(max=1))
        self._steps += 1
        self._first.lerp_(gradient, 1 - 0.9)
        self._second.mul_(0.999).addcmul_(gradient, gradient, value=1 - 0.999)
        corrected = (self._second / (1 - 0.999**self._steps)).sqrt_().add_(self._eps)
        self.parameters.sub_((self._first / corrected).mul_(self.learning_rate / (1 - 0.9**self._steps)))
        return norm.squeeze(1)

    def state_dict(self) -> dict[str, Tensor | int]:
        """Parameters, moments, step sizes and the step count."""
        return {
            "parameters": self.parameters,
            "first": self._first,
            "second": self._second,
            "learning_rate": self.learning_rate,
            "steps": self._steps,
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state_dict``."""
        self.parameters.copy_(state["parameters"])
        self._first.copy_(state["first"])
        self._second.copy_(state["second"])
        self.learning_rate = state["learning_rate"].to(self.parameters.device).clone()
        self._steps = state["steps"]


def adapt_learning_rate(learning_rate: Tensor, kl: Tensor, target: float, bounds: tuple[float, float]) -> Tensor:
    """Adaptive step size: KL > 2 target divides it by 1.5, KL < target / 2 multiplies it by 1.5.

    Args:
        learning_rate: ``[K, 1]``.
        kl: Mean KL(old || new) of each seed, ``[K]``.
        target: The KL to stay near.
        bounds: Smallest and largest step size.
    """
    kl = kl.unsqueeze(1)
    slower = torch.where(kl > 2 * target, learning_rate / 1.5, learning_rate)
    return torch.where(kl < target / 2, slower * 1.5, slower).clamp(*bounds)
