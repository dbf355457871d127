"""Many copies of one gymnasium environment, restarting in the step in which they end (autoreset mode SAME_STEP)."""

import inspect
import logging
import multiprocessing
import sys
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from envs import gymnasium_snapshot
from envs.gymnasium_snapshot import Checkpointed, CheckpointUnsupportedError
from envs.gymnasium_spec import GymnasiumOptions
from envs.streams import stream_seed

Vectors = gymnasium.vector.VectorEnv[Any, Any, Any]


class Copies:
    """K x N copies, seed-major, as one or several vector environments of gymnasium.

    Attributes:
        vectors: The vector environments; their copies in this order are those of seed 0, then of seed 1, ...
        seeds: What each vector environment's first ``reset`` is to be seeded with.
    """

    def __init__(self, vectors: Sequence[Vectors], seeds: Sequence[list[int] | int], native: bool) -> None:
        self.vectors = list(vectors)
        self.seeds = list(seeds)
        self._native = native

    def snapshots(self) -> list[bytes]:
        """The state of every copy (of every vector environment where the copies have no state of their own).

        Raises:
            CheckpointUnsupportedError: The environment's state cannot be saved.
        """
        if self._native:
            return [gymnasium_snapshot.take(vector) for vector in self.vectors]
        copies: Any = self.vectors[0]
        found: list[bytes] = []
        for one in copies.get_attr("snapshot"):
            if isinstance(one, CheckpointUnsupportedError):
                raise one
            found.append(one)
        return found

    def restore(self, snapshots: Sequence[bytes]) -> None:
        """Put every copy into the state of ``snapshots``."""
        if self._native:
            for vector, snapshot in zip(self.vectors, snapshots, strict=True):
                gymnasium_snapshot.restore(vector, snapshot)
        else:
            copies: Any = self.vectors[0]
            copies.set_attr("restored", list(snapshots))

    def close(self) -> None:
        """End worker processes and simulators; idempotent."""
        for vector in self.vectors:
            vector.close()


def make_copies(spec: EnvSpec, *, num_envs: int, seeds: Sequence[int], options: GymnasiumOptions) -> Copies:
    """Build K x N copies; copy n of seed s is seeded with the stream ``(s, "env", n)``."""
    if options.vectorization == "auto":
        native = _native_creator(spec)
        if native is not None:
            return Copies([native(num_envs, options) for _ in seeds], [stream_seed(s, "env") for s in seeds], True)
    one = partial(_make_one, spec, options)
    copy_seeds = [stream_seed(seed, "env", str(copy)) for seed in seeds for copy in range(num_envs)]
    if options.vectorization == "async":
        # Not by fork: this process has threads (torch, Ray), and a fork that copies a held lock waits forever.
        multiprocessing.get_context("forkserver").set_forkserver_preload(["gymnasium", "envs.gymnasium_snapshot"])
        workers: Vectors = AsyncVectorEnv(
            [one] * len(copy_seeds), context="forkserver", autoreset_mode=AutoresetMode.SAME_STEP
        )
        return Copies([workers], [copy_seeds], False)
    return Copies(
        [SyncVectorEnv([one] * len(copy_seeds), copy=False, autoreset_mode=AutoresetMode.SAME_STEP)],
        [copy_seeds],
        False,
    )


def _make_one(spec: EnvSpec, options: GymnasiumOptions) -> gymnasium.Env[Any, Any]:
    """One copy with a flat Box observation."""
    if isinstance(spec.entry_point, str):
        load_env_creator(spec.entry_point)
    if "mujoco" in sys.modules:
        _log_mujoco_warnings()
    env: gymnasium.Env[Any, Any] = gymnasium.make(
        spec, max_episode_steps=options.max_episode_steps, disable_env_checker=True, **options.kwargs
    )
    space = env.observation_space
    if not (isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1):
        env = gymnasium.wrappers.FlattenObservation(env)
    return Checkpointed(env)


@cache
def _log_mujoco_warnings() -> None:
    """Send MuJoCo's warnings to ``logging``: its own handler writes a file into the current directory."""
    import mujoco

    # Thousands of copies load the same model: once per text is enough.
    mujoco.set_mju_user_warning(lru_cache(maxsize=1024)(logging.getLogger(__name__).warning))


def _native_creator(spec: EnvSpec) -> Callable[[int, GymnasiumOptions], Vectors] | None:
    """How to make the environment's own vector version, if it has one that restarts copies in the same step."""
    if spec.vector_entry_point is None or spec.additional_wrappers:
        return None
    entry = spec.vector_entry_point
    creator: Any = load_env_creator(entry) if isinstance(entry, str) else entry
    selectable = "autoreset_mode" in inspect.signature(creator).parameters
    if not selectable and getattr(creator, "metadata", {}).get("autoreset_mode") is not AutoresetMode.SAME_STEP:
        return None
    mode = {"autoreset_mode": AutoresetMode.SAME_STEP} if selectable else {}

    def create(num_envs: int, options: GymnasiumOptions) -> Vectors:
        limit = {} if options.max_episode_steps is None else {"max_episode_steps": options.max_episode_steps}
        arguments: dict[str, Any] = {**mode, **limit, **options.kwargs}
        return gymnasium.make_vec(spec, num_envs=num_envs, vectorization_mode="vector_entry_point", **arguments)

    return create
