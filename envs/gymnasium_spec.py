"""The family ``gymnasium:ID``: every environment registered with gymnasium, described without importing it."""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge

from envs.spec import EnvSpec, UnknownEnvError


@dataclass(frozen=True, kw_only=True, slots=True)
class GymnasiumOptions:
    """How a gymnasium environment is made.

    Attributes:
        vectorization: ``auto`` takes the environment's own vector version when it has one that restarts copies in the
            same step, else ``sync``; ``sync`` steps the copies one after the other in this process; ``async`` gives
            each copy a process, worth it from about a millisecond per step on.
        max_episode_steps: Time limit in steps instead of the registered one; needed where none is registered.
        kwargs: Arguments of the environment, e.g. ``{ctrl_cost_weight: 0.05}``.
    """

    vectorization: Literal["auto", "sync", "async"] = "auto"
    max_episode_steps: Annotated[int, Ge(1)] | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)


SPECS = (
    EnvSpec(
        id="gymnasium:",
        entry="envs.gymnasium_adapter:GymnasiumEnv",
        options=GymnasiumOptions,
        version=1,
        sources=("envs.gymnasium_adapter", "envs.gymnasium_copies", "envs.gymnasium_snapshot", "envs.streams"),
        summary="any environment registered with gymnasium, e.g. gymnasium:HalfCheetah-v5",
        check="envs.gymnasium_spec:check_id",
        episode_steps=lambda options: options.max_episode_steps,
    ),
)


def check_id(gymnasium_id: str) -> None:
    """Make sure that gymnasium has an environment of exactly that name and version, without building it.

    ``module:ID`` imports ``module`` first, which is how packages register theirs.

    Raises:
        UnknownEnvError: It does not; the message names the nearest id.
    """
    import gymnasium

    module, _, name = gymnasium_id.rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UnknownEnvError(f"no environment `gymnasium:{gymnasium_id}`: {error}.") from error
    if name in gymnasium.registry:
        return
    near = difflib.get_close_matches(name, gymnasium.registry, n=1)
    hint = f" Did you mean `gymnasium:{near[0]}`?" if near else ""
    raise UnknownEnvError(
        f"no environment `gymnasium:{gymnasium_id}`.{hint} One of another package is written `gymnasium:MODULE:ID`; "
        "importing MODULE registers it."
    )
