"""Component ``gradient``: what back-propagates through the aggregation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Discriminator

from algorithms.component import Component, Measured

if TYPE_CHECKING:
    from torch import Tensor

    from algorithms.splagger.config import SplAggerConfig

_UNIT = 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueGradient:
    """The derivative of what was computed."""

    kind: Literal["true"] = "true"

    needs_aggregate = False

    def through(self, aggregated: "Tensor", summands: "Tensor") -> "Tensor":
        """``aggregated`` as it is."""
        return aggregated

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """The gradient is not that of a plain sum."""
        unit = measured["check/aggregate_gradient_error"]
        if config.aggregates and unit < _UNIT:
            return "gradient `true`: every past input received gradient 1, as the straight-through estimator gives"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class StraightThrough:
    """AMRL's estimator (Beck et al. 2020): forward unchanged, backward that of a sum, 1 to every past input.

    Weights of a weighted mean receive no gradient; their values receive 1.
    """

    kind: Literal["straight_through"] = "straight_through"

    needs_aggregate = True

    def through(self, aggregated: "Tensor", summands: "Tensor") -> "Tensor":
        """``aggregated`` with the gradient of ``cumsum(summands)``; both ``[K, L, R, W]``, time is axis 1."""
        from algorithms.splagger.operators import straight_through

        return straight_through(aggregated, summands)

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """Every past input receives gradient 1."""
        error = measured["check/aggregate_gradient_error"]
        if not error < _UNIT:
            return (
                f"gradient `straight_through`: past inputs should receive gradient 1, the largest error is {error:.3g}"
            )
        return None


Gradient = Annotated[
    TrueGradient | StraightThrough,
    Discriminator("kind"),
    Component(
        neutral="true",
        about="gradient through the aggregation",
        aliases=("gradient", "straight-through", "straight through estimator", "gradient modification", "ST"),
    ),
]
