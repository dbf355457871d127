"""What a study may set on a task of an arm with a hand. Defaults are those of SAPG's AllegroKuka tasks."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmHandOptions:
    """Options of every task of the family.

    Attributes:
        time_limit: Steps (1/60 s) without success after which an episode is truncated; each success starts the time
            anew. The public code ends an episode one step earlier than its configuration says.
        success_steps: Steps near the goal that make a success.
        near_goal: How they are counted: ``cumulative``, all since the last goal (the public code), or ``consecutive``,
            starting over when the object leaves the goal.
        max_successes: Successes that end an episode.
        tolerance: Near the goal is whoever's furthest keypoint is within ``keypoint_scale * tolerance``; where the
            curriculum starts, m.
        final_tolerance: Where the curriculum ends, m.
        tolerance_factor: What a step of the curriculum makes of the tolerance.
        tolerance_interval: Steps of all copies between two steps of the curriculum, at least.
        tolerance_successes: Mean successes of the copies' last episodes that take a step of the curriculum.
        keypoint_scale: Where the keypoints are, in units of the object's half edges; also widens the tolerance.
        small_cuboids: Whether objects of 1 to 2.5 cubes of 5 cm occur; ``envs.arm_hand.cuboids`` lists them.
        big_cuboids: Whether those of 2.5 to 15 cubes occur.
        sticks: Whether elongated ones occur.
        force_scale: Deviation of the random forces on the object in units of m/s^2 times its mass; 0 for none.
        arm_control: ``relative`` moves the arm's targets by the action, ``absolute`` spreads the joints' ranges over
            [-1, 1]; the hand's control is absolute.
        arm_speed: How fast the largest action moves a relative target, rad/s.
        approach_reward: Per metre that a fingertip comes closer to the object than ever since the object was placed.
        approach_when_lifted: Whether it is also paid once the object is lifted.
        lift_reward: Per metre of the object's height above its start and per step, until it is lifted.
        lift_bonus: Once, when the object is lifted.
        lift_height: Height that counts as lifted, m. The public code adds 5 cm to the height above the start.
        keypoint_reward: Per metre that the furthest keypoint comes closer to the goal than ever, once it is lifted.
        goal_bonus: Of a success, paid in ``success_steps`` equal parts, one per step near the goal.
        arm_penalty: Per rad/s of each of the arm's joints and per step.
        hand_penalty: Per rad/s of each of the hand's joints and per step.
    """

    time_limit: Annotated[int, Ge(1)] = 600
    success_steps: Annotated[int, Ge(1)] = 1
    near_goal: Literal["cumulative", "consecutive"] = "cumulative"
    max_successes: Annotated[int, Ge(1)] = 50
    tolerance: Annotated[float, Gt(0), Le(1)] = 0.075
    final_tolerance: Annotated[float, Gt(0), Le(1)] = 0.01
    tolerance_factor: Annotated[float, Gt(0), Le(1)] = 0.9
    tolerance_interval: Annotated[int, Ge(1)] = 3000
    tolerance_successes: Annotated[float, Ge(0)] = 3.0
    keypoint_scale: Annotated[float, Gt(0)] = 1.5
    small_cuboids: bool = True
    big_cuboids: bool = True
    sticks: bool = True
    force_scale: Annotated[float, Ge(0)] = 2.0
    arm_control: Literal["relative", "absolute"] = "relative"
    arm_speed: Annotated[float, Gt(0)] = 10.0
    approach_reward: Annotated[float, Ge(0)] = 50.0
    approach_when_lifted: bool = False
    lift_reward: Annotated[float, Ge(0)] = 20.0
    lift_bonus: Annotated[float, Ge(0)] = 300.0
    lift_height: Annotated[float, Gt(0)] = 0.15
    keypoint_reward: Annotated[float, Ge(0)] = 200.0
    goal_bonus: Annotated[float, Ge(0)] = 1000.0
    arm_penalty: Annotated[float, Ge(0)] = 0.003
    hand_penalty: Annotated[float, Ge(0)] = 0.0003

    def __post_init__(self) -> None:
        """Refuse what no single field can show, so that a study file is refused before anything runs."""
        if self.final_tolerance > self.tolerance:
            raise ValueError("final_tolerance must not be larger than tolerance: the curriculum only narrows it")

    @property
    def longest_episode(self) -> int:
        """Steps of an episode that succeeds at the last moment each time; the last success ends it."""
        return self.max_successes * self.time_limit


@dataclass(frozen=True, kw_only=True, slots=True)
class RegraspOptions(ArmHandOptions):
    """Half a second at the goal is a success; IsaacGymEnvs' own configuration has 300 steps for SAPG's 400."""

    time_limit: Annotated[int, Ge(1)] = 400
    success_steps: Annotated[int, Ge(1)] = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class ThrowOptions(ArmHandOptions):
    """Small objects, no forces, no curriculum: whatever is in the bin is near the goal."""

    time_limit: Annotated[int, Ge(1)] = 300
    success_steps: Annotated[int, Ge(1)] = 5
    final_tolerance: Annotated[float, Gt(0), Le(1)] = 0.075
    big_cuboids: bool = False
    sticks: bool = False
    force_scale: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ReorientOptions(ArmHandOptions):
    """Options of reorientation.

    Attributes:
        reach: An episode ends when a fingertip is further than this from the object, m.
    """

    reach: Annotated[float, Gt(0)] = 1.5


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoArmsOptions(ArmHandOptions):
    """Two arms: the public code controls every joint absolutely, has no penalties and keeps paying the approach."""

    arm_control: Literal["relative", "absolute"] = "absolute"
    approach_when_lifted: bool = True
    arm_penalty: Annotated[float, Ge(0)] = 0.0
    hand_penalty: Annotated[float, Ge(0)] = 0.0
