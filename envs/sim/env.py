"""Base of the tasks whose world is a physics simulator."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from envs.batched import BatchedEnv, State, where
from envs.sim.camera import Camera
from envs.sim.make import check_device, make_sim
from envs.sim.model import Scene
from envs.sim.protocol import WRITABLE
from envs.trials import TaskEnv


class SimEnv(BatchedEnv):
    """K x N copies of a task in K * N worlds of one simulator.

    The bodies live in the simulator, ``self.sim``. The ``State`` holds what the task adds and fresh float32 copies of
    the fields in ``sensed``, ``[K, N, ...]``, so a task reads physics as it reads everything else. Beside the hooks of
    ``BatchedEnv`` a task defines ``_scene``, ``_control`` and ``_judge``; what its ``_start`` returns under the name of
    a writable field (``qpos``, ``qvel``, ``ctrl``, ``mocap_quat`` ...) is written into the worlds that start, in which
    everything else begins as the scene has it.

    A world that becomes non-finite or overflows ends its episode with reward 0, in the state before that step, and is
    counted by the metric ``unhealthy``: it never reaches the learner's batch.
    """

    sensed: ClassVar[tuple[str, ...]]
    """Fields the task reads, MuJoCo's names."""
    substeps: int
    """Time steps of the simulator per step of the task."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, max_episode_steps: int
    ) -> None:
        check_device(device)
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=max_episode_steps)
        num_worlds = self.num_seeds * num_envs
        self.sim = make_sim(self._scene(), sensed=self.sensed, num_worlds=num_worlds, device=self.device)
        self._camera: Camera | None = None

    @abstractmethod
    def _scene(self) -> Scene:
        """The scene of one world; called once, by the constructor."""

    @abstractmethod
    def _control(self, state: State, actions: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """What the actions write into the simulator: writable field -> values ``[K, N, ...]``."""

    @abstractmethod
    def _judge(self, state: State, sensed: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        """What the step meant: the task's own next state, reward and terminated.

        Args:
            state: State before the step.
            sensed: The fields of ``sensed`` after it.
            actions: As given to ``step``.
        """

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"unhealthy": state["unhealthy"].clone()}

    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        for field, values in self._control(state, actions).items():
            self.sim.views[field].copy_(values.flatten(0, 1))
        self.sim.step(self.substeps)
        sensed = self._sense()
        unhealthy = self.sim.unhealthy().view(self.num_seeds, self.num_envs)
        for field in ("qpos", "qvel"):
            if field in sensed:
                unhealthy = unhealthy | ~sensed[field].isfinite().all(-1)
        own, reward, terminated = self._judge(state, sensed, actions)
        stepped = own | sensed
        if self.device.type != "cpu" or unhealthy.any():
            stepped = {name: where(unhealthy, state[name], value) for name, value in stepped.items()}
            reward, terminated = reward.masked_fill(unhealthy, 0), terminated | unhealthy
        return stepped | {"unhealthy": unhealthy.float()}, reward, terminated

    def _restart(self, start: State, stepped: State, starting: torch.Tensor) -> State:
        worlds = starting.flatten()
        self.sim.reset(worlds)
        for field in start.keys() & set(WRITABLE):
            view = self.sim.views[field]
            view.copy_(where(worlds, start[field].flatten(0, 1).to(view.dtype), view))
        self._prepare(start, starting)
        self.sim.forward(worlds)
        own = {name: value for name, value in start.items() if name not in WRITABLE}
        healthy = {"unhealthy": torch.zeros_like(starting, dtype=torch.float32)}
        return super()._restart(own | healthy, healthy | stepped, starting) | self._sense()

    def _prepare(self, start: State, starting: torch.Tensor) -> None:
        """Change the models of the worlds that start, before their first derived fields are computed."""

    def _sense(self) -> State:
        """Fresh copies of the sensed fields, ``[K, N, ...]`` float32."""
        lead = (self.num_seeds, self.num_envs)
        views = {name: self.sim.views[name] for name in self.sensed}
        return {name: view.view(*lead, *view.shape[1:]).to(torch.float32, copy=True) for name, view in views.items()}

    @property
    def step_seconds(self) -> float:
        """Simulated time of a step, seconds."""
        return self.substeps * self.sim.model.timestep

    def picture(self, *, seed: int, copy: int, width: int, height: int) -> np.ndarray:
        """One copy as it stands now; see ``envs.pictured``. All pictures have the size of the first."""
        model, data = self.sim.world(seed * self.num_envs + copy)
        if self._camera is None:
            self._camera = Camera(model, width=width, height=height)
        return self._camera.shoot(data)

    def state_dict(self) -> dict[str, Any]:
        """As ``BatchedEnv.state_dict``, and the simulator's worlds."""
        return {**super().state_dict(), "sim": self.sim.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        super().load_state_dict(state)
        self.sim.load_state_dict(state["sim"])

    def close(self) -> None:
        """Release the worlds."""
        super().close()
        self.sim.close()
        if self._camera is not None:
            self._camera.close()
            self._camera = None


class SimTaskEnv(TaskEnv, SimEnv):
    """A simulated task with parameters, for meta-RL: ``_begin`` takes the place of ``_start``.

    ``unhealthy`` counts the broken episodes of a trial.
    """

    def _play(
        self, state: State, actions: torch.Tensor, numbers: torch.Tensor
    ) -> tuple[State, torch.Tensor, torch.Tensor]:
        stepped, reward, terminated = SimEnv._advance(self, state, actions)
        return stepped | {"unhealthy": state["unhealthy"] + stepped["unhealthy"]}, reward, terminated

    def _restart(self, start: State, stepped: State, starting: torch.Tensor) -> State:
        fresh = super()._restart(start, stepped, starting)
        if "unhealthy" in stepped:  # not at a reset
            counted = torch.where(self.keep_task & starting, stepped["unhealthy"], fresh["unhealthy"])
            fresh["unhealthy"] = counted
        return fresh
