"""What the platform knows of an environment before it is built; imports no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
