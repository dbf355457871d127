"""An IsaacGymEnvs task as an environment: the bridge, with what Isaac Gym needs and does differently."""

import os

import torch

from envs.bridge.env import BridgeEnv
from envs.bridge.errors import BridgeError, InterpreterError, WorkerDiedError
from envs.bridge.options import BridgeOptions
from envs.isaacgym import simulator
from envs.isaacgym.interpreter import CRASH, HOPPER, worker_environment
from envs.isaacgym.options import PYTHON_VARIABLE, IsaacGymOptions
from envs.isaacgym.tasks import TASKS, check_task


class IsaacGymCrashError(BridgeError):
    """Isaac Gym crashed where it is known to; another try would crash as well."""


class IsaacGymEnv(BridgeEnv):
    """A task of ``TASKS`` in a worker; see ``envs/isaacgym/simulator.py`` for what is made of a ``VecTask``."""

    def __init__(
        self, *, env_id: str, num_envs: int, seed: int, device: torch.device | str, options: IsaacGymOptions
    ) -> None:
        """Start a worker and build the task in it.

        Args:
            env_id: What follows the colon of ``isaacgym:..``.
            num_envs: Copies N.
            seed: Of the run.
            device: Where the learner's tensors live; on a GPU the physics run there, too, and no array is copied.
            options: See ``IsaacGymOptions``.

        Raises:
            BridgeError: There is no such interpreter, it has no Isaac Gym, or that does not run here.
            ValueError: The options do not fit the task.
        """
        check_task(env_id)
        task = TASKS[env_id]
        if options.states and not task.asymmetric:
            raise ValueError(f"`states`: isaacgym:{env_id} has no privileged states.")
        python = options.python or os.environ.get(PYTHON_VARIABLE)
        if not python:
            raise InterpreterError(
                f"isaacgym:{env_id} runs in an interpreter with Isaac Gym (Python 3.7 or 3.8): set ${PYTHON_VARIABLE}, "
                "or the option `python`, to its path; docs/isaacgym.md says how to install it."
            )
        super().__init__(
            env_id=f"{simulator.__file__}:make",
            num_envs=num_envs,
            seed=seed,
            device=device,
            options=BridgeOptions(
                python=python,
                kwargs={
                    "task": task.task,
                    "subtask": task.subtask,
                    "overrides": list(options.overrides),
                    "states": options.states,
                },
                metrics=simulator.METRICS,
                environment={**worker_environment(python), **options.environment},
                stale=options.stale,
                start_seconds=options.start_seconds,
                step_seconds=options.step_seconds,
            ),
            name=f"isaacgym:{env_id}",
        )

    def curriculum(self) -> dict[str, torch.Tensor]:
        """How far the task's curriculum has come, each a scalar; empty where it has none."""
        found = self.call("curriculum")
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}

    def set_curriculum(self, values: dict[str, torch.Tensor]) -> None:
        """Stand where another instance's curriculum has come, and stay there."""
        self.call("hold", {name: value.item() for name, value in values.items()})

    def _request(self, kind: bytes, payload: bytes, doing: str, seconds: float | None = None) -> bytes:
        try:
            return super()._request(kind, payload, doing, seconds)
        except WorkerDiedError as error:
            if "SIGSEGV" in str(error) and _is_hopper(self.device):
                raise IsaacGymCrashError(f"{error} {CRASH}.") from None
            raise


def _is_hopper(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) == HOPPER
