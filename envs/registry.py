"""Names of environments: what a study file may write under ``env:``.

It imports no torch, so ``validate`` and ``plan`` answer at once. Third parties add theirs through the entry-point
group ``ablate.envs`` (an entry whose object is an ``EnvSpec``).
"""

import difflib
import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from envs.entry_points import registered
from envs.spec import EnvSpec, UnknownEnvError

if TYPE_CHECKING:
    import torch

    from envs.vector import VectorEnv


def _own_specs() -> list[EnvSpec]:
    from envs.arm_hand import SPECS as ARM_HAND
    from envs.bridge import SPECS as BRIDGE
    from envs.control import SPECS as CONTROL
    from envs.gymnasium_spec import SPECS as GYMNASIUM
    from envs.hand import SPECS as HAND
    from envs.isaacgym import SPECS as ISAACGYM
    from envs.locomotion import SPECS as LOCOMOTION
    from envs.maze import SPECS as MAZE
    from envs.memory import SPECS as MEMORY

    return [*MAZE, *CONTROL, *MEMORY, *HAND, *ARM_HAND, *LOCOMOTION, *GYMNASIUM, *BRIDGE, *ISAACGYM]


@cache
def specs() -> dict[str, EnvSpec]:
    """All environments by id: our own, then those that installed packages register."""
    own = {spec.id: spec for spec in _own_specs()}
    return own | dict(registered("ablate.envs", EnvSpec, "id", own))


def find(env_id: str) -> EnvSpec:
    """Look an environment up.

    ``gymnasium:ID`` names any environment registered with gymnasium; its spec is the family's.

    Raises:
        UnknownEnvError: No such id; the message holds the nearest one.
    """
    known = specs()
    if env_id in known and not env_id.endswith(":"):
        return known[env_id]
    family, colon, member = env_id.partition(":")
    if member and family + colon in known:
        spec = known[family + colon]
        if spec.check is not None:
            _load(spec.check)(member)
        return spec
    near = difflib.get_close_matches(env_id, known, n=1, cutoff=0.4)
    hint = f" Did you mean `{_written(near[0])}`?" if near else ""
    raise UnknownEnvError(f"no environment `{env_id}`.{hint} Known: {', '.join(map(_written, sorted(known)))}.")


def _written(spec_id: str) -> str:
    """How a study writes an id: a family needs a member."""
    return spec_id + "<ID>" if spec_id.endswith(":") else spec_id


def _load(entry: str) -> Callable[..., Any]:
    """The object that ``module:name`` stands for."""
    module, _, name = entry.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def make(
    env_id: str, *, num_envs: int, seeds: Sequence[int], device: "torch.device | str" = "cpu", options: Any = None
) -> "VectorEnv":
    """Build an environment with K = ``len(seeds)`` independent blocks of ``num_envs`` copies each.

    Args:
        env_id: Registered id or ``gymnasium:ID``.
        num_envs: Copies per seed.
        seeds: One integer per block; the blocks share no random numbers.
        device: Where the tensors live.
        options: An instance of the spec's options dataclass; None for its defaults.
    """
    spec = find(env_id)
    build = _load(spec.entry)
    options = spec.options() if options is None else options
    extra = {"env_id": env_id.split(":", 1)[1]} if spec.id.endswith(":") else {}
    if not spec.fused:
        from envs.seed_stack import SeedStack

        one = partial(build, num_envs=num_envs, device=device, options=options, **extra)
        return SeedStack(_build_together(one, seeds) if spec.together else [one(seed=seed) for seed in seeds])
    env: VectorEnv = build(num_envs=num_envs, seeds=list(seeds), device=device, options=options, **extra)
    return env


def _build_together(build: Callable[..., Any], seeds: Sequence[int]) -> list[Any]:
    """One environment per seed, all at the same time; where one fails, none is left behind."""
    with ThreadPoolExecutor(max(1, len(seeds))) as pool:
        tries = [pool.submit(build, seed=seed) for seed in seeds]
    errors = [error for one in tries if (error := one.exception()) is not None]
    if errors:
        for one in tries:
            if one.exception() is None:
                one.result().close()
        raise errors[0]
    return [one.result() for one in tries]
