"""Component ``encoder``: the sequence model that reads transitions before anything is aggregated.

h_t = encode(x_t, h_{t-1})        variant := what may depend on the order of x_1 .. x_t
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge
from pydantic import Discriminator

from algorithms.component import Component, Measured

if TYPE_CHECKING:
    from algorithms.splagger.config import SplAggerConfig
    from algorithms.splagger.encoders import SequenceEncoder

Size = Annotated[int, Ge(1)]


def _violation(kind: str, recurrent: bool, measured: Measured) -> str | None:
    reach = measured["check/encoder_reach"]
    if (reach > 0) != recurrent:
        expected = "should depend on earlier transitions" if recurrent else "must not depend on earlier transitions"
        return f"encoder `{kind}` {expected}, but the gradient of its last output to its first input is {reach:.3g}"
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class GRU:
    """One GRU layer (Cho et al. 2014): orthogonal weights, zero biases, initial state 0."""

    kind: Literal["gru"] = "gru"
    hidden_size: Size = 256

    def build(self, seeds: Sequence[int], num_in: int, size: int) -> "SequenceEncoder":
        """The encoder with ``size`` outputs."""
        from algorithms.splagger.encoders import GruEncoder

        return GruEncoder(seeds, num_in, size)

    def num_parameters(self, num_in: int, size: int) -> int:
        """Weights and biases of one seed."""
        return 3 * size * (num_in + size + 2)

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """The last output feels the first input."""
        return _violation(self.kind, True, measured)


@dataclass(frozen=True, kw_only=True, slots=True)
class LSTM:
    """One LSTM layer (Hochreiter & Schmidhuber 1997), as AMRL has it; its output is the hidden state."""

    kind: Literal["lstm"] = "lstm"
    hidden_size: Size = 256

    def build(self, seeds: Sequence[int], num_in: int, size: int) -> "SequenceEncoder":
        """The encoder with ``size`` outputs."""
        from algorithms.splagger.encoders import LstmEncoder

        return LstmEncoder(seeds, num_in, size)

    def num_parameters(self, num_in: int, size: int) -> int:
        """Weights and biases of one seed."""
        return 4 * size * (num_in + size + 1)

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """The last output feels the first input."""
        return _violation(self.kind, True, measured)


@dataclass(frozen=True, kw_only=True, slots=True)
class MLP:
    """``tanh(Linear(x_t))``, one transition at a time ("noRNN"): what follows decides alone what is remembered."""

    kind: Literal["mlp"] = "mlp"
    hidden_size: Size = 256

    def build(self, seeds: Sequence[int], num_in: int, size: int) -> "SequenceEncoder":
        """The encoder with ``size`` outputs."""
        from algorithms.splagger.encoders import MlpEncoder

        return MlpEncoder(seeds, num_in, size)

    def num_parameters(self, num_in: int, size: int) -> int:
        """Weights and biases of one seed."""
        return size * (num_in + 1)

    def violation(self, config: "SplAggerConfig", measured: Measured) -> str | None:
        """The last output does not feel the first input."""
        return _violation(self.kind, False, measured)


Encoder = Annotated[
    GRU | LSTM | MLP,
    Discriminator("kind"),
    Component(
        neutral="mlp",
        about="order-sensitive sequence model in front of the aggregation",
        aliases=(
            "encoder", "rnn", "recurrent network", "recurrence", "gru", "lstm", "sequence model",
            "permutation-variant part", "order sensitive memory",
        ),
    ),
]  # fmt: skip
