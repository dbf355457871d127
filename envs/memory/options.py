"""What a study may set on a memory world; the defaults are the published sizes."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge


@dataclass(frozen=True, kw_only=True, slots=True)
class TMazeOptions:
    """Options of the T-Mazes.

    Attributes:
        length: Cells of the corridor, its two ends included; an episode without a wrong step lasts as many steps.
        episodes: Episodes per trial.
    """

    length: Annotated[int, Ge(4)] = 100
    episodes: Annotated[int, Ge(1)] = 4
