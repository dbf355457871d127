"""Component ``latent``: whether the policy sees the memory's output or a sample of the posterior it stands for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge
from pydantic import Discriminator

from algorithms.component import Component, Measured

if TYPE_CHECKING:
    from torch import Tensor

    from algorithms.splagger.config import SplAggerConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Deterministic:
    """The policy sees all ``2 latent_dim`` outputs of the head."""

    kind: Literal["deterministic"] = "deterministic"

    def size(self, latent_dim: int) -> int:
        """What the policy sees."""
        return 2 * latent_dim

    def noise_size(self, latent_dim: int) -> int:
        """Random numbers per latent."""
        return 0

    def read(self, output: "Tensor", noise: "Tensor | None") -> "Tensor":
        """``[..., 2 latent_dim]`` as it is."""
        return output

    def penalty(self, output: "Tensor") -> "Tensor":
        """Nothing is penalised; ``[...]``."""
        return output.new_zeros(output.shape[:-1])

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """Nothing is drawn."""
        if measured["check/latent_noise"] != 0:
            return "latent `deterministic`: latents were sampled"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """The head's output is mean and log-variance of a posterior; the policy sees a sample of it (PEARL).

    The PPO loss is that of the latents as sampled (the noise is kept, the sample is reparameterised), plus
    ``kl_coef`` KL(posterior || N(0, I)). Evaluation uses the mean.
    """

    kind: Literal["sampled"] = "sampled"
    kl_coef: Annotated[float, Ge(0)] = 1e-6

    def size(self, latent_dim: int) -> int:
        """What the policy sees."""
        return latent_dim

    def noise_size(self, latent_dim: int) -> int:
        """Random numbers per latent."""
        return latent_dim

    def read(self, output: "Tensor", noise: "Tensor | None") -> "Tensor":
        """``mean + exp(logvar / 2) noise``, ``[..., latent_dim]``; the mean without noise."""
        mean, logvar = output.chunk(2, dim=-1)
        return mean if noise is None else mean + (0.5 * logvar).exp() * noise

    def penalty(self, output: "Tensor") -> "Tensor":
        """``kl_coef`` KL(N(mean, exp(logvar)) || N(0, I)) in nats, ``[...]``."""
        mean, logvar = output.chunk(2, dim=-1)
        return 0.5 * self.kl_coef * (mean.square() + logvar.exp() - 1 - logvar).sum(-1)

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """Latents carry noise."""
        if not measured["check/latent_noise"] > 0:
            return "latent `sampled`: latents carry no noise"
        return None


Latent = Annotated[
    Deterministic | Sampled,
    Discriminator("kind"),
    Component(
        neutral="deterministic",
        about="stochastic latent with its KL",
        aliases=("latent", "sampled latent", "variational", "KL", "stochastic latent", "posterior sampling"),
    ),
]
