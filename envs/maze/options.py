"""What a study may set on a point maze. Lengths are in arena units: the arena is the square [-1, 1] x [-1, 1]."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, kw_only=True, slots=True)
class PointOptions:
    """How every point moves.

    Attributes:
        time_limit: Steps after which an episode is truncated.
        speed: Largest displacement per step and axis, arena units.
        response: Share of the gap between velocity and commanded velocity closed per step; 1 is no inertia.
        start_noise: Half the side of the square of start positions, arena units.
    """

    time_limit: Annotated[int, Ge(1)] = 128
    speed: Annotated[float, Gt(0), Le(1)] = 0.12
    response: Annotated[float, Gt(0), Le(1)] = 0.5
    start_noise: Annotated[float, Ge(0), Le(0.3)] = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenOptions(PointOptions):
    """Options of a maze with a goal.

    Attributes:
        goal_radius: The goal is reached within this distance, arena units.
        progress_weight: Reward for covering the whole straight line from start to goal, paid as it is covered.
        goal_bonus: Reward for reaching the goal, which ends the episode.
    """

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


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossroadsOptions(PointOptions):
    """Options of the crossroads: what its arms are worth and how well the best one hides.

    Attributes:
        half_width: Of every arm, arena units.
        best_worth: Return of reaching the end of the best arm (to the right).
        decoy_worth: Return of reaching the end of any other arm.
        steepness: Exponent of the best arm's worth, ``best_worth * depth**steepness``: the larger, the more of the arm
            must be walked before it beats a decoy, whose worth is linear.
    """

    time_limit: Annotated[int, Ge(1)] = 64
    speed: Annotated[float, Gt(0), Le(1)] = 0.08
    response: Annotated[float, Gt(0), Le(1)] = 0.3
    start_noise: Annotated[float, Ge(0), Le(0.05)] = 0.05
    half_width: Annotated[float, Ge(0.1), Le(0.5)] = 0.2
    best_worth: Annotated[float, Gt(0)] = 2.0
    decoy_worth: Annotated[float, Ge(0)] = 0.5
    steepness: Annotated[float, Ge(1)] = 8.0
