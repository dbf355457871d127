"""Names of environments: what a study file may write under ``env:``.

An ``EnvSpec`` is cheap: it imports no torch, so ``validate`` and ``plan`` answer at once. Third parties add theirs
through the entry-point group ``ablate.envs`` (an entry whose object is an ``EnvSpec``).
"""

import difflib
import importlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from envs.entry_points import registered

if TYPE_CHECKING:
    import torch

    from envs.vector import VectorEnv


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFacts:
    """What a config may be checked against before anything is built.

    Attributes:
        num_envs: Copies per seed.
        max_episode_steps: No episode (for meta-RL tasks: no trial) is longer; None when it is not known yet.
        task_parameters: Whether its copies tell the parameters of their current task (``envs.trials.MetaEnv``).
    """

    num_envs: int
    max_episode_steps: int | None
    task_parameters: bool

    @classmethod
    def of(cls, env: "VectorEnv") -> "TaskFacts":
        """The facts of an environment that is built."""
        return cls(num_envs=env.num_envs, max_episode_steps=env.max_episode_steps, task_parameters=hasattr(env, "task"))


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvSpec:
    """One registered environment.

    Attributes:
        id: Name in study files, e.g. ``maze/deceptive``.
        entry: ``module:callable``; called as ``callable(num_envs=, seeds=, device=, options=)`` and returning a
            ``VectorEnv`` whose tensors carry the seeds' axis. See ``fused``.
        options: Frozen dataclass of the task's options, importable without torch.
        version: Raise it when the task changes meaning; part of every cell's hash.
        metrics: Names the task reports per episode beside ``return`` and ``length``.
        score_range: (floor, ceiling) of the episode return with default options: random policy and perfect play; None
            when unknown.
        sources: Packages or modules whose code defines the task; digested into the cell's hash.
        summary: One line for ``ablate list envs``.
        fused: False when the task knows nothing of seeds: ``entry`` is then called once per seed, as
            ``callable(num_envs=, seed=, device=, options=)``, and returns an ``envs.seed_stack.SingleSeedEnv`` whose
            tensors are ``[N, ...]``; ``envs.seed_stack.SeedStack`` adds the axis.
        check: For a family of tasks (``id`` ends in a colon): ``module:callable`` that is given what follows the colon
            and raises ``UnknownEnvError`` when there is no such task. Must not import torch.
        score_range_of: ``score_range`` under given options, where these change it; None then means unknown.
        episode_steps: Longest episode under given options (for meta-RL tasks: longest trial), so that a study whose
            algorithm cannot cope is refused before anything is built; None when it is not known.
        task_parameters: True for a meta-RL task: the environment has ``task``, the parameters of each copy's trial.
        together: True where building one environment mostly waits for another process, so that those of several seeds
            are built at the same time; for ``fused=False``.
        metrics_of: For a family whose members report different things: ``metrics`` of a member under given options.
        files_of: Further ``.py`` files whose code defines a member of a family under given options.
    """

    id: str
    entry: str
    options: type
    version: int
    metrics: tuple[str, ...] = ()
    score_range: tuple[float, float] | None = None
    sources: tuple[str, ...]
    summary: str
    fused: bool = True
    check: str | None = None
    score_range_of: Callable[[Any], tuple[float, float] | None] | None = None
    episode_steps: Callable[[Any], int | None] | None = None
    task_parameters: bool = False
    together: bool = False
    metrics_of: Callable[[str, Any], tuple[str, ...]] | None = None
    files_of: Callable[[str, Any], tuple[str, ...]] | None = None

    def returns(self, options: Any) -> tuple[float, float] | None:
        """Floor and ceiling of the episode return under the given options."""
        return self.score_range if self.score_range_of is None else self.score_range_of(options)

    def reports(self, env_id: str, options: Any) -> tuple[str, ...]:
        """Names that ``env_id``, of this spec, reports per episode beside ``return`` and ``length``."""
        return self.metrics if self.metrics_of is None else self.metrics_of(self._member(env_id), options)

    def code(self, env_id: str, options: Any) -> tuple[str, ...]:
        """What defines the task ``env_id``, of this spec: dotted names, and paths that end in ``.py``."""
        return self.sources if self.files_of is None else self.sources + self.files_of(self._member(env_id), options)

    def _member(self, env_id: str) -> str:
        return env_id.removeprefix(self.id)

    def facts(self, num_envs: int, options: Any) -> TaskFacts:
        """What a config may be checked against; ``options`` is an instance of the options dataclass."""
        longest = None if self.episode_steps is None else self.episode_steps(options)
        return TaskFacts(num_envs=num_envs, max_episode_steps=longest, task_parameters=self.task_parameters)


class UnknownEnvError(ValueError):
    """No environment of that name; the message names the nearest ones."""


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
