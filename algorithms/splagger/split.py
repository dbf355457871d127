"""Component ``split``: which share of the encoder's output is aggregated; the rest skips the aggregation.

f_t = head([k_t, m_t]),   [k_t, z_t] = h_t,   m_t = aggregate(z_1 .. z_t)
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Discriminator

from algorithms.component import Component, Measured

if TYPE_CHECKING:
    from algorithms.splagger.config import SplAggerConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class FixedSplit:
    """The last ``ratio`` of the channels is aggregated: 0 is the pure sequence model, 1 aggregates everything."""

    kind: Literal["fixed"] = "fixed"
    ratio: Annotated[float, Ge(0), Le(1)] = 0.5

    learned = False

    def aggregated(self, width: int, group: int) -> int:
        """Channels that are aggregated, a multiple of ``group``."""
        return group * min(round(self.ratio * width / group), width // group)

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """As many channels of the head's input are aggregates as the ratio says."""
        if not config.aggregator.summarises:
            return None  # the aggregator's own check speaks
        expected = config.widths.summary
        found = measured["check/aggregated_channels"]
        if found != expected or (expected == 0) != (self.ratio == 0):
            return f"split ratio {self.ratio:g}: {expected:.0f} channels should be aggregates, {found:.0f} were"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnedGate:
    """Every channel is a mixture: ``(1 - g) h + g aggregate(h)``, with one learned gate per channel.

    g starts at 1/2 in every channel; training moves the balance (``probe/aggregated_share`` is its mean).
    """

    kind: Literal["gate"] = "gate"

    learned = True

    def aggregated(self, width: int, group: int) -> int:
        """Every channel."""
        return width

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """The gates receive gradients."""
        if not measured["check/gate_grad_norm"] > 0:
            return "split `gate`: no gradient reached the gates"
        return None


Split = Annotated[
    FixedSplit | LearnedGate,
    Discriminator("kind"),
    Component(
        neutral="fixed",
        about="split between skipped and aggregated channels",
        aliases=("split", "split ratio", "skip", "skip connection", "adaptive split", "learned split", "gate"),
    ),
]
