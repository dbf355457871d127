"""The far side: an IsaacGymEnvs task as a simulator of the bridge. Runs in Isaac Gym's own interpreter.

Loaded by ``envs/bridge/worker.py``, by path; Python >= 3.7, and nothing of this project is imported. Isaac Gym demands
to be imported before torch, so nothing here imports torch at the top.

What is called of IsaacGymEnvs (Isaac Gym Preview 4; the same in the code SAPG's authors published):

* its configuration, by Hydra: ``compose("config", ["task=..", "task/env=..", "num_envs=..", ..])`` in its ``cfg``;
* ``isaacgymenvs.tasks.isaacgym_task_map[name](cfg=, rl_device=, sim_device=, graphics_device_id=, headless=,
  virtual_screen_capture=, force_render=)``, the constructor that its ``make`` calls, without what ``make`` needs of
  rl_games;
* of the task: ``step``, ``zero_actions``, ``reset_buf``, ``extras["time_outs"]``, ``successes``, ``success_tolerance``,
  ``max_episode_length``, ``max_consecutive_successes``, ``set_train_info`` and ``get_env_state``.

What a ``VecTask`` does that a caller must know:

* **Lazy resets.** Copies flagged in ``reset_buf`` are restarted inside the *next* step, before its action is applied.
  The observation returned with the flag is the one the episode ended in: it is reported as ``stale_obs``.
* ``reset()`` computes nothing: before the first step all observations are 0. Ours plays a step of zero actions.
* ``time_outs`` is a part of ``reset_buf``; what is left of it is ``terminated`` (a fall, or the last success allowed).
* ``progress_buf`` runs from 1 to ``max_episode_length - 1``, and starts at 0 again at each success where
  ``max_consecutive_successes`` > 0: an episode may last that many times longer.
* ``extras["successes"]`` of the AllegroKuka tasks is ``prev_episode_successes``: it changes with the restart, one step
  *after* the end that it belongs to. ``successes`` itself, read in the step of the end, is that episode's own number.
* Quaternions are (x, y, z, w), and stay so in the observation. MuJoCo's are (w, x, y, z).
* ``get_env_state`` is the curriculum (in SAPG's code with buffers of the physics beside it, which are of no use without
  PhysX's own state). Its plain numbers are saved and set; ``set_env_state``, which prints and overwrites buffers of
  running episodes, is not called. The last episodes' successes, which the curriculum averages, are saved, too.
* Actions are taken within [-1, 1]; the AllegroKuka tasks do not clip them, the bridge does.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# The worker put this folder on the path to find this file; nothing of Isaac Gym may find ours by accident.
sys.path[:] = [one for one in sys.path if Path(one).resolve() != Path(__file__).resolve().parent]

METRICS = ("successes", "true_objective", "success_tolerance")
_CLOCKS = ("frame_since_restart", "last_curriculum_update")
_RESTARTS = 10


def make(
    num_envs: int,
    seed: int,
    device: str,
    task: str,
    subtask: str | None = None,
    overrides: Sequence[str] = (),
    states: bool = False,
) -> VecTaskSimulator:
    """Build a task; the arguments after ``device`` are those of ``IsaacGymEnv``."""
    for name in ("isaacgym", "isaacgymenvs"):  # Isaac Gym first: it refuses to be imported after torch
        importlib.import_module(name)
    tasks = importlib.import_module("isaacgymenvs.tasks")
    to_dict = importlib.import_module("isaacgymenvs.utils.reformat").omegaconf_to_dict
    torch = importlib.import_module("torch")
    torch.manual_seed(seed)
    importlib.import_module("random").seed(seed)
    importlib.import_module("numpy").random.seed(seed)
    config = compose(
        ["task=" + task]
        + (["task/env=" + subtask] if subtask else [])
        + [f"num_envs={num_envs}", f"seed={seed}", f"sim_device={device}", f"rl_device={device}", "headless=True"]
        + ["pipeline=" + ("cpu" if device == "cpu" else "gpu")]
        + (["task.env.asymmetric_observations=True"] if states else [])
        + list(overrides)
    )
    built = tasks.isaacgym_task_map[config.task.name](
        cfg=to_dict(config.task),
        rl_device=device,
        sim_device=device,
        graphics_device_id=0,
        headless=True,
        virtual_screen_capture=False,
        force_render=False,
    )
    return VecTaskSimulator(built, seed, states)


def compose(overrides: Sequence[str]) -> Any:
    """IsaacGymEnvs' configuration under some overrides."""
    hydra = importlib.import_module("hydra")
    folder = Path(str(importlib.import_module("isaacgymenvs").__file__)).resolve().parent / "cfg"
    with hydra.initialize_config_dir(config_dir=str(folder)):
        return hydra.compose(config_name="config", overrides=list(overrides))


class VecTaskSimulator:
    """A ``VecTask`` as ``envs/bridge/worker.py`` wants a simulator; arrays are the task's own buffers."""

    arrays = "torch"
    exact_state = False
    lazy_reset = True
    metrics = METRICS

    def __init__(self, task: Any, seed: int, states: bool = False) -> None:
        """Take over a task.

        Args:
            task: As IsaacGymEnvs built it.
            seed: What its random numbers were seeded with.
            states: Whether the critic sees ``obs_dict["states"]``.
        """
        self._task, self._seed, self._states = task, seed, states
        self._torch = importlib.import_module("torch")
        self.num_envs = task.num_envs
        self.device = str(task.rl_device)
        self.observation_size = task.num_obs
        self.action_size = task.num_acts
        self.state_size = task.num_states if states else 0
        self.max_episode_steps = max(1, task.max_consecutive_successes) * (int(task.max_episode_length) - 1)
        if states and not task.num_states:
            raise ValueError("the task has no privileged states")
        self._frames = 0
        self._held: dict[str, float] = {}

    def reset(self) -> dict[str, Any]:
        """Restart every copy, and play a step of zero actions: a VecTask has no observation before."""
        self._task.reset_buf.fill_(1)
        for _ in range(_RESTARTS):  # a copy that ends at once starts once more
            observations, _, ended, _ = self._task.step(self._task.zero_actions())
            if not bool((ended != 0).any()):
                break
        return self._observed(observations)

    def step(self, actions: Any) -> dict[str, Any]:
        """One control step; see the module's docstring for what is read where."""
        task = self._task
        self._keep_held()
        task.set_train_info(self._frames)
        observations, reward, ended, extras = task.step(actions)
        self._frames += self.num_envs
        done = ended != 0
        timed_out = (extras["time_outs"] != 0) & done
        successes = task.successes
        return dict(
            self._observed(observations),
            reward=reward,
            terminated=done & ~timed_out,
            truncated=timed_out,
            stale_obs=done,
            successes=successes,
            true_objective=getattr(task, "true_objective", successes),
            success_tolerance=self._torch.full_like(successes, float(task.success_tolerance)),
        )

    def state_dict(self) -> dict[str, Any]:
        """Where training and the task's curriculum stand. The physics starts anew."""
        last = getattr(self._task, "prev_episode_successes", None)
        return {
            "frames": self._frames,
            "numbers": self._numbers(),
            "last_successes": None if last is None else last.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where ``state_dict`` stood."""
        task = self._task
        self._frames = state["frames"]
        for name, value in state["numbers"].items():
            setattr(task, name, value)
        if state["last_successes"] is not None:  # a restart takes the running number for the last episode's
            task.successes.copy_(self._torch.tensor(state["last_successes"]))
        # What was drawn since the start is not drawn again.
        self._torch.manual_seed((self._seed + self._frames) % 2**31)
        task.reset_buf.fill_(1)

    def curriculum(self) -> dict[str, float]:
        """How far the task's curriculum has come; empty where it has none."""
        saved = self._numbers()
        return {"success_tolerance": saved["success_tolerance"]} if "success_tolerance" in saved else {}

    def hold(self, values: dict[str, float]) -> None:
        """Stand where another task's curriculum has come, and stay there: what is evaluated must not move."""
        self._held = dict(values)
        self._keep_held()

    def _numbers(self) -> dict[str, float]:
        """The plain numbers of the task's own state, and the clocks of its curriculum."""
        saved = dict(self._task.get_env_state() or {})
        saved.update({name: getattr(self._task, name) for name in _CLOCKS if hasattr(self._task, name)})
        return {name: value for name, value in saved.items() if isinstance(value, (int, float))}

    def _keep_held(self) -> None:
        for name, value in self._held.items():
            setattr(self._task, name, value)

    def _observed(self, observations: dict[str, Any]) -> dict[str, Any]:
        found = {"obs": observations["obs"]}
        if self._states:
            found["state"] = observations["states"]
        return found
