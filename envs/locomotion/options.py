"""What a study may set on a locomotion task.

Lengths and distributions default to the published ones. Where the public code does something it says nowhere, that is
an option whose default is the plain reading.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

Actions = Literal["bounded", "unbounded"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CheetahDirOptions:
    """Options of Cheetah-Dir.

    Attributes:
        steps: Steps of an episode; the published horizon is 200.
        episodes: Episodes per trial; 1 as published.
        actions: ``bounded``: the actions are torques in [-1, 1]. ``unbounded`` (public code): any number is an action;
            torques saturate at 1, and the control cost is that of the number itself.
    """

    steps: Annotated[int, Ge(2)] = 200
    episodes: Annotated[int, Ge(1)] = 1
    actions: Actions = "bounded"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheetahVelOptions:
    """Options of Cheetah-Vel.

    Attributes:
        steps: Steps of an episode; the published horizon is 200.
        episodes: Episodes per trial; 1 as published.
        actions: See ``CheetahDirOptions``.
        max_speed: Target speeds are uniform on [0, max_speed] m/s: 3 in the public code, whose docstring says 2.
    """

    steps: Annotated[int, Ge(2)] = 200
    episodes: Annotated[int, Ge(1)] = 1
    actions: Actions = "bounded"
    max_speed: Annotated[float, Gt(0)] = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class AntDirOptions:
    """Options of Ant-Dir.

    Attributes:
        steps: Steps of an episode; the published horizon is 200.
        episodes: Episodes per trial; 1 as published.
        actions: See ``CheetahDirOptions``.
        angle: How the task, +1 or -1, is a direction. ``direction``: forward or backward, as the task is described.
            ``radians`` (public code): the task *is* the angle to the x axis, so the two directions are 57 degrees to
            the left and to the right of it, and going forward earns half a reward in both.
    """

    steps: Annotated[int, Ge(2)] = 200
    episodes: Annotated[int, Ge(1)] = 1
    actions: Actions = "bounded"
    angle: Literal["direction", "radians"] = "direction"


@dataclass(frozen=True, kw_only=True, slots=True)
class WalkerParamsOptions:
    """Options of the Walker with random parameters.

    Attributes:
        steps: Steps of an episode; the published horizon is 200.
        episodes: Episodes per trial; 2 as published.
        actions: See ``CheetahDirOptions``.
        frame_skip: Time steps of 4 ms per step: 4 in the public code, which asks for 5 and does not pass it on.
        spread: Parameters are scaled by 1.5^u (damping by 1.3^u), u uniform on [-spread, spread].
    """

    steps: Annotated[int, Ge(2)] = 200
    episodes: Annotated[int, Ge(1)] = 2
    actions: Actions = "bounded"
    frame_skip: Annotated[int, Ge(1)] = 4
    spread: Annotated[float, Ge(0)] = 3.0
