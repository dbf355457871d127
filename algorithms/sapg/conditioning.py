"""Component ``conditioning``: how M policies share one network (SAPG Sec. 4.4).

The paper conditions a shared backbone on a learned vector phi_j per policy, which only policy j's objective moves.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge
from pydantic import Discriminator

from algorithms.component import Component, Measured

if TYPE_CHECKING:
    from algorithms.sapg.config import SAPGConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Latents:
    """A learned phi_j per policy joins the input of the shared backbone; a single policy needs none.

    Attributes:
        dim: Length of phi_j: 16 for the hands, 32 for AllegroKuka (App. B); the public code has 32 everywhere.
        position: ``input`` appends phi_j to the observation; ``after_rnn`` to the recurrent layer's output, so that a
            follower's stored hidden state is also the leader's.
    """

    kind: Literal["latents"] = "latents"
    dim: Annotated[int, Ge(1)] = 16
    position: Literal["input", "after_rnn"] = "input"

    def latent_dim(self, num_policies: int) -> int:
        """Length of phi_j, 0 when there is nothing to tell apart."""
        return self.dim if num_policies > 1 else 0

    def num_networks(self, num_policies: int) -> int:
        """Independent sets of trunk weights."""
        return 1

    def violation(self, config: "SAPGConfig", measured: Measured) -> str | None:
        """Gradients reach phi."""
        if config.num_policies > 1 and not measured["check/latent_grad_norm"] > 0:
            return "conditioning `latents`: no gradient reached phi"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Unconditioned:
    """One network for all policies and no phi: they can differ in sigma only; the neutral element."""

    kind: Literal["none"] = "none"

    @property
    def position(self) -> Literal["input"]:
        """There is nothing to place."""
        return "input"

    def latent_dim(self, num_policies: int) -> int:
        """Length of phi_j."""
        return 0

    def num_networks(self, num_policies: int) -> int:
        """Independent sets of trunk weights."""
        return 1

    def violation(self, config: "SAPGConfig", measured: Measured) -> str | None:
        """All policies act alike in the mean."""
        if measured["check/policy_distance"] != 0:
            return f"conditioning `none`: the policies' outputs differ by {measured['check/policy_distance']:.3g}"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Disjoint:
    """M separate networks: nothing is shared but the normalisers and the optimiser."""

    kind: Literal["disjoint"] = "disjoint"

    @property
    def position(self) -> Literal["input"]:
        """There is nothing to place."""
        return "input"

    def latent_dim(self, num_policies: int) -> int:
        """Length of phi_j."""
        return 0

    def num_networks(self, num_policies: int) -> int:
        """Independent sets of trunk weights."""
        return num_policies

    def violation(self, config: "SAPGConfig", measured: Measured) -> str | None:
        """Each policy's own weights receive gradient."""
        if measured["check/num_networks"] != config.num_policies:
            return (
                f"conditioning `disjoint`: {measured['check/num_networks']:.0f} of {config.num_policies} networks learn"
            )
        return None


Conditioning = Annotated[
    Latents | Unconditioned | Disjoint,
    Discriminator("kind"),
    Component(
        neutral="none",
        about="learned local parameters phi_j that condition the shared backbone",
        aliases=(
            "latent", "latents", "local parameters", "learned local parameters", "phi", "conditioning",
            "latent conditioning", "shared backbone", "policy embedding",
        ),
    ),
]  # fmt: skip
