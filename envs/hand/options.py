"""What a study may set on the hands' tasks. Defaults are those of IsaacGymEnvs' AllegroHand and ShadowHand."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, kw_only=True, slots=True)
class InHandOptions:
    """Options of every task in which a hand turns a cube.

    Attributes:
        time_limit: Steps after which an episode is truncated.
        distance_weight: Reward lost per metre between cube and goal, per step.
        rotation_weight: Numerator of the reward for the rotation left to do.
        rotation_eps: Its softening, rad.
        action_weight: Reward lost per unit of the squared norm of the action, per step.
        success_bonus: Reward for reaching the goal's orientation.
        success_tolerance: Rotation left at which the goal counts as reached, rad.
        fall_distance: The episode ends when the cube is this far from its goal's position, m.
        fall_penalty: Reward lost when it does; half of it for running out of time before the last of
            ``max_consecutive_successes``.
        max_consecutive_successes: Successes that end an episode, each of which starts the clock of ``time_limit`` anew;
            0 for no limit and a clock that successes do not touch.
        relative_control: Actions move the servos' targets instead of being them.
        speed_scale: How far one action of 1 moves a target with relative control, rad per second of a 1/60 s step.
        moving_average: Share of a new target in the one that is set, without relative control.
        position_noise: Of the cube's start, +- m on every axis.
        joint_noise: Of the joints' start, as a share of their ranges.
        object_size: Edge of the cube, m.
        object_mass: Of the cube, kg.
    """

    time_limit: Annotated[int, Ge(1)] = 600
    distance_weight: Annotated[float, Ge(0)] = 10.0
    rotation_weight: Annotated[float, Ge(0)] = 1.0
    rotation_eps: Annotated[float, Gt(0)] = 0.1
    action_weight: Annotated[float, Ge(0)] = 0.0002
    success_bonus: Annotated[float, Ge(0)] = 250.0
    success_tolerance: Annotated[float, Gt(0), Le(3.15)] = 0.1
    fall_distance: Annotated[float, Gt(0)] = 0.24
    fall_penalty: Annotated[float, Ge(0)] = 0.0
    max_consecutive_successes: Annotated[int, Ge(0)] = 0
    relative_control: bool = False
    speed_scale: Annotated[float, Gt(0)] = 20.0
    moving_average: Annotated[float, Gt(0), Le(1)] = 1.0
    position_noise: Annotated[float, Ge(0), Le(0.03)] = 0.01
    joint_noise: Annotated[float, Ge(0), Le(1)] = 0.2
    object_size: Annotated[float, Ge(0.03), Le(0.12)] = 0.065
    object_mass: Annotated[float, Gt(0), Le(1)] = 0.1

    @property
    def longest_episode(self) -> int:
        """Steps no episode exceeds."""
        return self.time_limit * max(1, self.max_consecutive_successes)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReorientOptions(InHandOptions):
    """Options of ``hand/reorient``; a step is 1/30 s.

    Attributes:
        palm_tilt: How far the fingers point above the horizon, rad. Level by default: 68 % of random
            poses keep the cube for five seconds there, 23 % on a palm tilted by 20 degrees.
    """

    palm_tilt: Annotated[float, Ge(0), Le(1.5)] = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowReorientOptions(InHandOptions):
    """Options of ``hand/shadow_reorient``; a step is 1/60 s.

    Attributes:
        object_size: Edge of the cube, m. OpenAI's block.
        object_mass: Of the cube, kg. OpenAI's density of 567 kg/m^3.
    """

    object_size: Annotated[float, Ge(0.03), Le(0.12)] = 0.05
    object_mass: Annotated[float, Gt(0), Le(1)] = 0.0709
