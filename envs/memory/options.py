"""What a study may set on a memory world; the defaults are the published sizes."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le


@dataclass(frozen=True, kw_only=True, slots=True)
class TMazeOptions:
    """Options of the T-Mazes.

    Attributes:
        length: Cells of the corridor, its two ends included; an episode without a wrong step lasts as many steps.
        episodes: Episodes per trial.
    """

    length: Annotated[int, Ge(4)] = 100
    episodes: Annotated[int, Ge(1)] = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class MCLSOptions:
    """Options of the symbolic MC-LS.

    Attributes:
        rooms: Rooms between the signal and the decision; six right steps each.
        time_limit: Steps of an episode; the last one pays nothing whatever it does.
        episodes: Episodes per trial.
    """

    rooms: Annotated[int, Ge(1)] = 16
    time_limit: Annotated[int, Ge(2)] = 200
    episodes: Annotated[int, Ge(1)] = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanningOptions:
    """Options of the Planning Game.

    Attributes:
        size: Side of the square torus.
        steps: Steps of an episode.
        episodes: Episodes per trial; the labels stay the same during a trial.
    """

    size: Annotated[int, Ge(2), Le(5)] = 3
    steps: Annotated[int, Ge(1)] = 100
    episodes: Annotated[int, Ge(1)] = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class GridNaviOptions:
    """Options of GridNavi.

    Attributes:
        size: Side of the square grid.
        steps: Steps of an episode.
        episodes: Episodes per trial.
        dense: Off the goal the reward is minus the distance to it in moves, divided by ``size``, instead of -0.1.
        show_goal: In the start cell the observation is the goal's coordinates: no memory of reward is needed.
    """

    size: Annotated[int, Ge(3)] = 5
    steps: Annotated[int, Ge(1)] = 15
    episodes: Annotated[int, Ge(1)] = 4
    dense: bool = False
    show_goal: bool = False
