"""Component ``hypernetwork``: how the memory's output reaches the policy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Discriminator

from algorithms.component import Component, Measured

if TYPE_CHECKING:
    from algorithms.ppo.layers import StackedLinear
    from algorithms.splagger.config import SplAggerConfig
    from algorithms.splagger.policy import HyperNetwork, PlainNetwork


@dataclass(frozen=True, kw_only=True, slots=True)
class BiasHyperInit:
    """Every weight and bias of actor and critic is a linear function of the latent (Beck et al. 2022).

    The heads' weights start at 0 and their biases at the base layers' own initialisation: at first every task gets the
    same base network, and no gradient reaches the memory before the first step of the heads.
    """

    kind: Literal["bias_hyperinit"] = "bias_hyperinit"

    def extra_inputs(self, embedding: int) -> int:
        """Inputs of a base network besides the state."""
        return 0

    def build(self, base: "Sequence[StackedLinear]", embedding: int) -> "HyperNetwork":
        """The network that starts as ``base`` for every latent of ``embedding`` units."""
        from algorithms.splagger.policy import HyperNetwork

        return HyperNetwork(base, embedding)

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """Gradients reach the heads."""
        if not measured["check/hypernetwork_grad_norm"] > 0:
            return "hypernetwork `bias_hyperinit`: no gradient reached the heads"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class NoHypernetwork:
    """The latent joins the state as further inputs of an ordinary network (RL2)."""

    kind: Literal["none"] = "none"

    def extra_inputs(self, embedding: int) -> int:
        """Inputs of a base network besides the state."""
        return embedding

    def build(self, base: "Sequence[StackedLinear]", embedding: int) -> "PlainNetwork":
        """``base`` itself."""
        from algorithms.splagger.policy import PlainNetwork

        return PlainNetwork(base)

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """There are no heads that could learn."""
        if measured["check/hypernetwork_grad_norm"] != 0:
            return "hypernetwork `none`: a gradient reached hypernetwork heads"
        return None


Hypernetwork = Annotated[
    BiasHyperInit | NoHypernetwork,
    Discriminator("kind"),
    Component(
        neutral="none",
        about="hypernetwork that turns the memory into policy parameters",
        aliases=("hypernetwork", "hypernet", "HN", "bias-hyperinit", "hyper network"),
    ),
]
