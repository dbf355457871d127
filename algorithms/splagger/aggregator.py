"""Component ``aggregator``: the permutation-invariant running summary of the aggregated channels.

    m_t = aggregate(z_1 .. z_t)        variant := the operator; all are elementwise over channels

Each class says how many input channels make one output channel (``inputs``) and of what its number of input channels
must be a multiple (``group``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt
from pydantic import Discriminator

from algorithms.component import Component, Measured

if TYPE_CHECKING:
    from algorithms.splagger.config import SplAggerConfig
    from algorithms.splagger.operators import Operator


class _Aggregator:
    """What operators share; a class that differs says so."""

    __slots__ = ()
    kind: str

    inputs = 1
    group = 1
    summarises = True

    def encoder_size(self, plain: int, fitting: Iterable[tuple[int, int]]) -> int:
        """Outputs of the encoder.

        Args:
            plain: The configured size.
            fitting: Sizes that leave no channel over, each with the number of parameters by which the memory then
                differs from that of an operator as wide as its input.
        """
        return plain

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """An operator summarises the past; ``none`` passes the present on."""
        channels = measured["check/aggregated_channels"]
        if (channels > 0) != config.aggregates:
            return f"aggregator `{self.kind}`: {channels:.0f} channels of the head's input summarise the past"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Max(_Aggregator):
    """Running maximum.

    Attributes:
        initial: The memory of an empty trial: none, so the ``first`` item is the first maximum, or ``zero`` (official
            code), which puts a floor of 0 under every channel.
    """

    kind: Literal["max"] = "max"
    initial: Literal["first", "zero"] = "first"

    def build(self, seeds: Sequence[int]) -> "Operator":
        """The operator."""
        from algorithms.splagger.operators import MaxOperator

        return MaxOperator(floor=self.initial == "zero")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mean(_Aggregator):
    """Running mean."""

    kind: Literal["mean"] = "mean"

    def build(self, seeds: Sequence[int]) -> "Operator":
        """The operator."""
        from algorithms.splagger.operators import MeanOperator

        return MeanOperator()


@dataclass(frozen=True, kw_only=True, slots=True)
class Softmax(_Aggregator):
    """``sum_i softmax_i(z_i / T) z_i`` per channel: T -> 0 is the maximum, T -> infinity the mean; T is learned."""

    kind: Literal["softmax"] = "softmax"
    temperature: Annotated[float, Gt(0)] = 0.1

    def build(self, seeds: Sequence[int]) -> "Operator":
        """The operator."""
        from algorithms.splagger.operators import SoftmaxOperator

        return SoftmaxOperator(len(seeds), self.temperature)


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightedSoftmax(_Aggregator):
    """``sum_i softmax_i(l_i / T) x_i`` with values x and logits l from different channels; T is learned.

    Attributes:
        temperature: T at the start.
        width: The operator halves its channels. ``equal`` chooses the encoder's size so that the memory has as many
            parameters as with any other operator (to the nearest size); ``doubled`` doubles it (official code: about
            3.5 times the parameters and a wider skip, so not like for like).
    """

    kind: Literal["wsoftmax"] = "wsoftmax"
    temperature: Annotated[float, Gt(0)] = 0.1
    width: Literal["equal", "doubled"] = "equal"

    inputs = 2
    group = 2

    def encoder_size(self, plain: int, fitting: Iterable[tuple[int, int]]) -> int:
        """Twice the configured size, or the one with the nearest number of parameters."""
        return 2 * plain if self.width == "doubled" else min(fitting, key=lambda one: abs(one[1]))[0]

    def build(self, seeds: Sequence[int]) -> "Operator":
        """The operator."""
        from algorithms.splagger.operators import WeightedSoftmaxOperator

        return WeightedSoftmaxOperator(len(seeds), self.temperature)


@dataclass(frozen=True, kw_only=True, slots=True)
class AvgMax(_Aggregator):
    """Running mean of the first half of the channels, running maximum of the second (AMRL's variant of both)."""

    kind: Literal["avgmax"] = "avgmax"
    initial: Literal["first", "zero"] = "first"

    group = 2

    def build(self, seeds: Sequence[int]) -> "Operator":
        """The operator."""
        from algorithms.splagger.operators import AvgMaxOperator

        return AvgMaxOperator(floor=self.initial == "zero")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauss(_Aggregator):
    """Product of Gaussian factors (PEARL): channels are [mu, p], precisions softplus(p); out: mean, log variance."""

    kind: Literal["gauss"] = "gauss"

    group = 2

    def build(self, seeds: Sequence[int]) -> "Operator":
        """The operator."""
        from algorithms.splagger.operators import GaussOperator

        return GaussOperator()


@dataclass(frozen=True, kw_only=True, slots=True)
class NoAggregator(_Aggregator):
    """``m_t = z_t``: nothing is summarised, the sequence model is the memory; the neutral element."""

    kind: Literal["none"] = "none"

    summarises = False

    def build(self, seeds: Sequence[int]) -> "Operator":
        """The operator."""
        from algorithms.splagger.operators import IdentityOperator

        return IdentityOperator()


Aggregator = Annotated[
    Max | Mean | Softmax | WeightedSoftmax | AvgMax | Gauss | NoAggregator,
    Discriminator("kind"),
    Component(
        neutral="none",
        about="permutation-invariant aggregation",
        aliases=(
            "aggregator", "aggregation", "operator", "aggregation operator", "max", "permutation-invariant part",
            "permutation invariant memory", "pooling",
        ),
    ),
]  # fmt: skip
