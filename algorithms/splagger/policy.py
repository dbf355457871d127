"""Actor and critic: a state branch, a latent branch, and base networks that the latent parameterises.

u = tanh(Linear(s)),   c = tanh(Linear(f)),   actor and critic: base(u; theta(c))

K  seeds    B  rows    S  observation    L  latent    E  latent embedding    P  distribution parameters
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from algorithms.ppo.distributions import ActionDistribution
from algorithms.ppo.layers import StackedLinear
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.initialization import (
    TANH_GAIN,
    draw_kaiming_uniform,
    draw_linear,
    draw_normc,
    draw_orthogonal,
)
from envs.streams import Streams


class HyperLinear(nn.Module):
    """``y = W(c) x + b(c)`` with W and b linear in c: one product with all E + 1 matrices, then their mixture.

    No weights of a single sample are ever built. Slot E belongs to the constant 1 and starts as the base layer does
    (Bias-HyperInit); the others start at 0.
    """

    def __init__(self, seeds: int, embedding: int, num_in: int, num_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(seeds, num_in, embedding + 1, num_out))
        self.bias = nn.Parameter(torch.zeros(seeds, 1, embedding + 1, num_out))

    def start(self, base: StackedLinear) -> None:
        """Take the initial weights of the base layer."""
        with torch.no_grad():
            self.weight[:, :, -1] = base.weight[:, 0]
            self.bias[:, :, -1] = base.bias[:, 0]

    def forward(self, x: Tensor, mixture: Tensor) -> Tensor:
        """``x [K, B, I]``, ``mixture [K, B, E + 1]`` -> ``[K, B, O]``."""
        weight, bias = self.weight.flatten(2), self.bias.flatten(2)
        if x.shape[0] == 1:  # a batched product of one is slower than a plain one
            every = torch.addmm(bias[0], x[0], weight[0]).unsqueeze(0)
        else:
            every = torch.baddbmm(bias, x, weight)
        return (every.unflatten(-1, self.bias.shape[2:]) * mixture.unsqueeze(-1)).sum(2)


class HyperNetwork(nn.Module):
    """A tanh network whose parameters the latent generates."""

    def __init__(self, base: Sequence[StackedLinear], embedding: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for one in base:
            seeds, _, num_in, num_out = one.weight.shape
            layer = HyperLinear(seeds, embedding, num_in, num_out)
            layer.start(one)
            self.layers.append(layer)

    def forward(self, u: Tensor, c: Tensor) -> Tensor:
        """``[K, B, U]``, ``[K, B, E]`` -> ``[K, B, O]``."""
        mixture = torch.cat([c, torch.ones_like(c[..., :1])], dim=-1)
        *hidden, last = self.layers
        for layer in hidden:
            u = layer(u, mixture).tanh()
        found: Tensor = last(u, mixture)
        return found

    def generated(self) -> list[nn.Parameter]:
        """Parameters that hold the heads."""
        return list(self.parameters())


class PlainNetwork(nn.Module):
    """A tanh network that reads the latent as further inputs."""

    def __init__(self, base: Sequence[StackedLinear]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(base)

    def forward(self, u: Tensor, c: Tensor) -> Tensor:
        """``[K, B, U]``, ``[K, B, E]`` -> ``[K, B, O]``."""
        x = torch.cat([u, c], dim=-1)
        *hidden, last = self.layers
        for layer in hidden:
            x = layer(x).tanh()
        found: Tensor = last(x)
        return found

    def generated(self) -> list[nn.Parameter]:
        """Nothing is generated."""
        return []


class ActorCritic(nn.Module):
    """What acts and what values; both read one state branch and one latent branch."""

    def __init__(
        self, config: SplAggerConfig, seeds: Sequence[int], obs_size: int, distribution: ActionDistribution
    ) -> None:
        super().__init__()
        self.distribution = distribution
        latent_size = config.latent.size(config.latent_dim)
        self.state_branch = StackedLinear(len(seeds), 1, obs_size, config.state_embedding)
        self.latent_branch = StackedLinear(len(seeds), 1, latent_size, config.latent_embedding)
        draw_linear(self.state_branch, seeds, "policy.state")
        draw_linear(self.latent_branch, seeds, "policy.latent")
        actor = base_layers(config, seeds, "actor", distribution.head_size)
        critic = base_layers(config, seeds, "critic", 1)
        self.log_std: nn.Parameter | None = None
        if distribution.state_independent_std:
            draw_normc(actor[-1].weight, seeds, "actor.head", 1.0)
            self.log_std = nn.Parameter(torch.zeros(len(seeds), 1, distribution.head_size))
        else:
            draw_orthogonal(actor[-1].weight, seeds, "actor.head", 0.01)
        draw_kaiming_uniform(critic[-1].weight, seeds, "critic.head")
        if config.critic_bias == "uniform":
            with torch.no_grad():
                draws = Streams(seeds, "init/critic.head.bias").uniform(1, 1, 1)
                critic[-1].bias.copy_(2 * draws - 1)
        self.actor = config.hypernetwork.build(actor, config.latent_embedding)
        self.critic = config.hypernetwork.build(critic, config.latent_embedding)

    def embed(self, obs: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Both branches: ``[K, B, S]``, ``[K, B, L]`` -> u ``[K, B, U]``, c ``[K, B, E]``."""
        return self.state_branch(obs).tanh(), self.latent_branch(latent).tanh()

    def act(self, u: Tensor, c: Tensor) -> Tensor:
        """Distribution parameters ``[K, B, P]``."""
        return self.distribution.pack(self.actor(u, c), self.log_std)

    def value(self, u: Tensor, c: Tensor) -> Tensor:
        """Values in units of the normalised reward, ``[K, B]``."""
        found: Tensor = self.critic(u, c).squeeze(-1)
        return found

    def generated(self) -> list[nn.Parameter]:
        """Parameters that hold hypernetwork heads, ``[K, I, E + 1, O]``; slot E is the base network."""
        return self.actor.generated() + self.critic.generated()


def base_layers(config: SplAggerConfig, seeds: Sequence[int], name: str, num_out: int) -> list[StackedLinear]:
    """Layers of a base network: hidden ones by normc with tanh's gain, biases 0; the last is drawn by the caller."""
    first = config.state_embedding + config.hypernetwork.extra_inputs(config.latent_embedding)
    layers = []
    for index, (num_in, size) in enumerate(itertools.pairwise((first, *config.policy_hidden, num_out))):
        layer = StackedLinear(len(seeds), 1, num_in, size)
        if index < len(config.policy_hidden):
            draw_normc(layer.weight, seeds, f"{name}.{index}", TANH_GAIN)
        layers.append(layer)
    return layers
