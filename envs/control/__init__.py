"""Plain control tasks with gymnasium's dynamics: quick smoke tests for continuous and discrete actions."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from envs.spec import EnvSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class PendulumOptions:
    """Options of ``control/pendulum``.

    Attributes:
        time_limit: Steps after which an episode is truncated; gymnasium's Pendulum-v1 says 200.
    """

    time_limit: Annotated[int, Ge(1)] = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CartPoleOptions:
    """Options of ``control/cartpole``.

    Attributes:
        time_limit: Steps after which an episode is truncated; gymnasium's CartPole-v1 says 500.
    """

    time_limit: Annotated[int, Ge(1)] = 500


def _time_limit(options: PendulumOptions | CartPoleOptions) -> int:
    return options.time_limit


SPECS = (
    EnvSpec(
        id="control/pendulum",
        entry="envs.control.pendulum:Pendulum",
        options=PendulumOptions,
        version=1,
        metrics=("upright",),
        score_range=(-1200.0, -150.0),
        sources=("envs.control", "envs.batched", "envs.streams"),
        summary="swing a pendulum up and hold it (dynamics of gymnasium's Pendulum-v1), continuous torque",
        episode_steps=_time_limit,
    ),
    EnvSpec(
        id="control/cartpole",
        entry="envs.control.cartpole:CartPole",
        options=CartPoleOptions,
        version=1,
        score_range=(22.0, 500.0),
        sources=("envs.control", "envs.batched", "envs.streams"),
        summary="balance a pole on a cart (dynamics of gymnasium's CartPole-v1), two discrete actions",
        episode_steps=_time_limit,
    ),
)
