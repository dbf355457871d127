"""The frozen plan of a study that adds seeds while it looks, as the manifest tells it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.sequential import Spending


@dataclass(frozen=True, slots=True)
class Looks:
    """When a study looks at its scores.

    Attributes:
        looks: Runs per arm at each look, increasing; the last is n_max.
        spending: How the error rate is spread over them.
    """

    looks: tuple[int, ...]
    spending: "Spending"

    @property
    def most(self) -> int:
        """n_max, the runs per arm that are never exceeded."""
        return self.looks[-1]


def parse_looks(raw: Mapping[str, Any] | None) -> Looks | None:
    """The manifest's ``adaptive``; None for a study with a fixed number of seeds."""
    return None if raw is None else Looks(tuple(raw["looks"]), raw["spending"])
