"""The tasks of IsaacGymEnvs that can be named, by the names the papers use."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from envs.spec import UnknownEnvError


@dataclass(frozen=True, kw_only=True, slots=True)
class GymTask:
    """How IsaacGymEnvs calls a task.

    Attributes:
        task: Its ``task=`` override.
        subtask: Its ``task/env=`` override, where the task has several.
        asymmetric: Whether it fills privileged states for a critic when asked to.
    """

    task: str
    subtask: str | None = None
    asymmetric: bool = False


TASKS: Mapping[str, GymTask] = {
    "AllegroKukaRegrasping": GymTask(task="AllegroKuka", subtask="regrasping"),
    "AllegroKukaThrow": GymTask(task="AllegroKuka", subtask="throw"),
    "AllegroKukaReorientation": GymTask(task="AllegroKuka", subtask="reorientation"),
    "AllegroKukaTwoArmsReorientation": GymTask(task="AllegroKukaTwoArms", subtask="reorientation"),
    "ShadowHand": GymTask(task="ShadowHand", asymmetric=True),
    "AllegroHand": GymTask(task="AllegroHand", asymmetric=True),
}


def check_task(name: str) -> None:
    """Make sure that there is a task of that name.

    Raises:
        UnknownEnvError: There is none; the message names the nearest one.
    """
    if name in TASKS:
        return
    longer = [one for one in TASKS if name and one.lower().startswith(name.lower())]
    near = longer or difflib.get_close_matches(name, TASKS, n=1, cutoff=0.4)
    hint = f" Did you mean `isaacgym:{near[0]}`?" if near else ""
    raise UnknownEnvError(f"no environment `isaacgym:{name}`.{hint} Known: {', '.join(sorted(TASKS))}.")
