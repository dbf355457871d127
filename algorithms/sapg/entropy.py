"""Component ``entropy``: the followers' entropy bonus (SAPG Sec. 4.5). The leader never has one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge
from pydantic import Discriminator

from algorithms.component import Component, Measured

if TYPE_CHECKING:
    from algorithms.sapg.config import SAPGConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Ladder:
    """Follower i has its own coefficient, so that followers explore at different temperatures.

    Attributes:
        sigma: Scale; the paper tunes it in {0, 0.003, 0.005} per task.
        form: ``sigma_times_index``: sigma * i for the i-th follower (paper). ``half_linspace``: from 0.5 * sigma down
            to 0 in equal steps (public code), which for M = 6 is ten times smaller.
    """

    kind: Literal["ladder"] = "ladder"
    sigma: Annotated[float, Ge(0)] = 0.005
    form: Literal["sigma_times_index", "half_linspace"] = "sigma_times_index"

    def coefficients(self, num_policies: int) -> tuple[float, ...]:
        """Entropy coefficient of every policy, leader first."""
        if self.form == "sigma_times_index":
            return tuple(self.sigma * i for i in range(num_policies))
        return tuple(0.5 * self.sigma * i / max(num_policies - 1, 1) for i in range(num_policies))

    def violation(self, config: "SAPGConfig", measured: Measured) -> str | None:
        """The largest coefficient in the update is the ladder's top rung."""
        top = config.ent_coef + max(self.coefficients(config.num_policies))
        if abs(measured["check/entropy_coef_max"] - top) > 1e-6:
            return f"entropy `ladder`: largest coefficient {measured['check/entropy_coef_max']:.3g}, expected {top:.3g}"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class NoEntropy:
    """No bonus for anybody; the neutral element."""

    kind: Literal["none"] = "none"

    def coefficients(self, num_policies: int) -> tuple[float, ...]:
        """Entropy coefficient of every policy, leader first."""
        return (0.0,) * num_policies

    def violation(self, config: "SAPGConfig", measured: Measured) -> str | None:
        """No row carries more than PPO's own coefficient."""
        if abs(measured["check/entropy_coef_max"] - config.ent_coef) > 1e-6:
            return f"entropy `none`: a row still carries the coefficient {measured['check/entropy_coef_max']:.3g}"
        return None


Entropy = Annotated[
    Ladder | NoEntropy,
    Discriminator("kind"),
    Component(
        neutral="none",
        about="entropy regularisation of the followers",
        aliases=(
            "entropy",
            "entropy bonus",
            "entropy regularization",
            "entropy coefficient",
            "diversity",
            "exploration",
        ),
    ),
]
