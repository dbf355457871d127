"""What a study may set on a point maze. Lengths are in arena units: the arena is the square [-1, 1] x [-1, 1]."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenOptions:
    """Options every point maze has.

    Attributes:
        time_limit: Steps after which an episode is truncated.
        speed: Largest displacement per step and axis, arena units.
        response: Share of the gap between velocity and commanded velocity closed per step; 1 is no inertia.
        start_noise: Half the side of the square of start positions, arena units.
        goal_radius: The goal is reached within this distance, arena units.
        progress_weight: Reward for covering the whole straight line from start to goal, paid as it is covered.
        goal_bonus: Reward for reaching the goal, which ends the episode.
    """

    time_limit: Annotated[int, Ge(1)] = 128
    speed: Annotated[float, Gt(0), Le(1)] = 0.12
    response: Annotated[float, Gt(0), Le(1)] = 0.5
    start_noise: Annotated[float, Ge(0), Le(0.3)] = 0.05
    goal_radius: Annotated[float, Gt(0), Le(0.2)] = 0.12
    progress_weight: Annotated[float, Ge(0)] = 0.2
    goal_bonus: Annotated[float, Ge(0)] = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DeceptiveOptions(OpenOptions):
    """Options of the deceptive maze: how deep the trap is and how hard the way round.

    Attributes:
        gap: Height of the only passage to the goal's side, arena units; smaller is harder. The lip moves down with the
            barrier's top.
        lip: Length of the arm that closes the trap from above, arena units: how far back one must go before one can
            go round; longer is harder. 0 leaves a plain barrier.
        decoy_weight: What a whole episode spent inside the trap would earn in addition (paid per step).
    """

    gap: Annotated[float, Gt(0), Le(1.3)] = 0.6
    lip: Annotated[float, Ge(0), Le(1.1)] = 0.3
    decoy_weight: Annotated[float, Ge(0)] = 0.2

    def __post_init__(self) -> None:
        """Refuse what no single field can show, here, so that a study file is refused before anything runs."""
        from envs.maze.layout import blocked_start

        if (wall := blocked_start(self)) is not None:
            x0, x1, y0, y1 = wall
            raise ValueError(
                f"the start square meets a wall at x {x0:g} to {x1:g}, y {y0:g} to {y1:g}: "
                "make start_noise, lip or gap smaller"
            )
