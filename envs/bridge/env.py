"""A simulator in another interpreter as an environment: one worker process per seed, no copy of an array on the way."""

import json
import logging
import mmap
from typing import Any

import gymnasium
import numpy as np
import torch

from envs.bridge import worker
from envs.bridge.cuda import CudaSlab
from envs.bridge.facts import facts_from_hello
from envs.bridge.interpreter import VARIABLE, interpreter
from envs.bridge.options import BridgeOptions
from envs.bridge.process import WorkerProcess
from envs.streams import stream_seed
from envs.vector import LazyReset, Observation

_log = logging.getLogger(__name__)
_FEW = 1 << 15
"""Below this many numbers, choosing among all of them is faster than copying and overwriting rows."""
_DTYPES = {"<f4": torch.float32, "<i8": torch.int64, "|u1": torch.uint8}

Step = tuple[Observation, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]


class BridgeEnv:
    """An ``envs.seed_stack.SingleSeedEnv`` whose simulator lives behind ``envs/bridge/worker.py``.

    What ``reset`` and ``step`` return are views of the slab where learner and simulator share a device: valid until the
    next ``step``.

    Attributes:
        name: How errors and the log call the simulator.
        facts: What the simulator says about itself.
        metrics: Names in ``final_info``.
    """

    def __init__(
        self,
        *,
        env_id: str,
        num_envs: int,
        seed: int,
        device: torch.device | str,
        options: BridgeOptions,
        name: str | None = None,
        variable: str = VARIABLE,
    ) -> None:
        """Start a worker and build the simulator in it.

        Args:
            env_id: ``path/file.py:factory`` or ``module:factory``.
            num_envs: Copies N.
            seed: Of the run; the simulator gets a stream of it.
            device: Where the learner's tensors live.
            options: See ``BridgeOptions``.
            name: How errors call the simulator; ``bridge:ID`` by default.
            variable: Environment variable that names the interpreter where ``options.python`` does not.

        Raises:
            BridgeError: There is no such interpreter or simulator, or it is not what it must be.
        """
        self.name = name or f"bridge:{env_id}"
        self.num_envs = num_envs
        self.device = _indexed(torch.device(device))
        self._options = options
        self._count = 0
        self._cut: dict[str, torch.Tensor] | None = None
        self._slab: CudaSlab | None = None
        self._worker = WorkerProcess(self.name, interpreter(options.python, variable), options.environment)
        try:
            job = {
                "target": env_id,
                "kwargs": dict(options.kwargs),
                "num_envs": num_envs,
                "seed": stream_seed(seed, "env") % 2**31,
                "device": str(self.device),
            }
            said = self._request(worker.JOB, json.dumps(job).encode(), "its start", options.start_seconds)
            hello = json.loads(said)
            self.facts = facts_from_hello(self.name, hello, num_envs=num_envs, metrics=options.metrics)
            self._views = self._map(hello)
        except BaseException:
            self.close()
            raise
        self.metrics = self.facts.metrics
        self.max_episode_steps = self.facts.max_episode_steps
        self.lazy_reset: LazyReset | None = options.stale if self.facts.lazy_reset else None
        self.observation_space = _unbounded(self.facts.observation_size)
        self.critic_observation_space = _unbounded(self.facts.state_size) if self.facts.state_size else None
        self.action_space: gymnasium.spaces.Box | gymnasium.spaces.Discrete = (
            gymnasium.spaces.Box(-1.0, 1.0, (self.facts.action_size,), np.float32)
            if self.facts.action_size is not None
            else gymnasium.spaces.Discrete(self.facts.num_actions or 0)
        )

    def reset(self) -> tuple[Observation, dict[str, Any]]:
        """Start every copy from a fresh episode."""
        self._request(worker.RESET, b"", "reset")
        self._cut = None
        return self._observation("obs", "state"), {}

    def step(self, actions: torch.Tensor) -> Step:
        """Advance by actions ``[N, A]`` float32 (clipped to [-1, 1]) or ``[N]`` int64; see ``VectorEnv.step``."""
        self.begin_step(actions)
        return self.finish_step()

    def begin_step(self, actions: torch.Tensor) -> None:
        """Let the worker start on a step; several workers then work at the same time."""
        if self._cut is not None:
            return
        self._count += 1
        view = self._views["actions"]
        if self.facts.num_actions is not None:
            view.copy_(actions)
        elif actions.device == view.device:
            torch.clamp(actions, -1.0, 1.0, out=view)
        else:
            view.copy_(actions.clamp(-1.0, 1.0))
        self._synchronize()
        self._worker.begin(worker.STEP, b"", self._options.step_seconds, f"step {self._count}")

    def finish_step(self) -> Step:
        """What the step that ``begin_step`` started led to."""
        if self._cut is not None:
            return self._cut_episodes(self._cut)
        self._worker.finish(self._options.step_seconds)
        observation = self._observation("obs", "state")
        terminated = self._here("terminated")
        truncated = self._here("truncated") & ~terminated
        done = terminated | truncated
        info: dict[str, Any] = {"final_info": {one: self._here(f"metric {one}") for one in self.metrics}}
        if self.facts.lazy_reset:
            info |= {"final_obs": observation, "stale_obs": done}
        else:
            info["final_obs"] = self._final(done)
        return observation, self._here("reward"), terminated, truncated, info

    def state_dict(self) -> dict[str, Any]:
        """The simulator's state as bytes, or, where it cannot save all of it, what resuming with fresh episodes needs.

        A simulator that saves nothing, or a part only, is reset by ``load_state_dict``. The first step after that does
        not reach it: every copy is reported truncated, with reward 0, at the observation it was last seen in, so that
        no episode is pieced together from two.
        """
        state: dict[str, Any] = {}
        if self.facts.checkpoints:
            saved = self._request(worker.SAVE, b"", "state_dict")
            state["simulator"] = torch.frombuffer(bytearray(saved), dtype=torch.uint8)
        if not self._exact:
            last = [name for name in self._views if name in ("obs", "state") or name.startswith("metric ")]
            state["last"] = self._cut or {name: self._views[name].to("cpu", copy=True) for name in last}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``; bit for bit where the simulator saves its whole state."""
        if self.facts.checkpoints:
            self._request(worker.LOAD, state["simulator"].cpu().numpy().tobytes(), "load_state_dict")
        if not self._exact:
            self.reset()
            self._cut = dict(state["last"])
            _log.warning("%s cannot save its episodes: every copy starts a fresh one", self.name)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the simulator with arguments and a result that JSON can carry; not while it steps."""
        order = json.dumps({"method": method, "arguments": arguments}).encode()
        return json.loads(self._request(worker.CALL, order, method))

    def close(self) -> None:
        """End the worker and give the memory back; idempotent."""
        self._worker.close()
        self._views = {}
        if self._slab is not None:
            self._slab.close()

    @property
    def _exact(self) -> bool:
        return self.facts.checkpoints and self.facts.exact_state

    def _request(self, kind: bytes, payload: bytes, doing: str, seconds: float | None = None) -> bytes:
        return self._worker.request(kind, payload, seconds or self._options.step_seconds, doing)

    def _map(self, hello: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Lay the slab out, on the GPU where both sides live on the same one, and let both sides map it."""
        places, size = worker.layout(hello)
        if self.device.type == "cuda" and str(self.device) == self.facts.device:
            self._slab = CudaSlab(size, self.device)
            views = worker.cuda_views(torch, self._slab.pointer, self.facts.device, places)
            handle = self._slab.handle.hex()
        else:
            with open(self._worker.slab, "r+b", closefd=False) as file:
                file.truncate(size)
                memory = mmap.mmap(file.fileno(), size)
            views = {name: _host_view(memory, *place) for name, place in places.items()}
            handle = None
        order = json.dumps({"cuda_handle": handle}).encode()
        self._request(worker.MAP, order, "mapping the shared memory", self._options.start_seconds)
        flags = {name: views[name].view(torch.bool) for name in ("terminated", "truncated")}
        return {**views, **flags}

    def _here(self, name: str) -> torch.Tensor:
        """An array of the slab on the learner's device."""
        view = self._views[name]
        return view if view.device == self.device else view.to(self.device)

    def _observation(self, policy: str, critic: str) -> Observation:
        if not self.facts.state_size:
            return self._here(policy)
        return {"policy": self._here(policy), "critic": self._here(critic)}

    def _final(self, done: torch.Tensor) -> Observation:
        """What each copy stepped into: ``final_obs`` where an episode ended, else the observation."""
        if self.device.type == "cpu" and not done.any():
            return self._observation("obs", "state")
        policy = self._mixed(done, "final_obs", "obs")
        if not self.facts.state_size:
            return policy
        return {"policy": policy, "critic": self._mixed(done, "final_state", "state")}

    def _mixed(self, done: torch.Tensor, final: str, other: str) -> torch.Tensor:
        """Rows of ``final`` where an episode ended, of ``other`` elsewhere."""
        source, target = self._here(final), self._here(other)
        if self.device.type != "cpu" or target.numel() < _FEW:
            return torch.where(done[:, None], source, target)  # one call, and on a GPU it waits for nothing
        # In place: fresh memory would cost more than the copy, and the worker fills these rows anew where they count.
        rows = done.nonzero()[:, 0]
        ended = source[rows]
        source.copy_(target)
        source[rows] = ended
        return source

    def _synchronize(self) -> None:
        """The actions are written before the worker is told so."""
        if self._slab is not None:
            torch.cuda.current_stream(self.device).synchronize()

    def _cut_episodes(self, last: dict[str, torch.Tensor]) -> Step:
        """The step after resuming with fresh episodes: those of the last life are cut where they were last seen."""
        self._cut = None
        there = {name: value.to(self.device) for name, value in last.items()}
        final: Observation = there["obs"]
        if self.facts.state_size:
            final = {"policy": there["obs"], "critic": there["state"]}
        everywhere = torch.ones(self.num_envs, dtype=torch.bool, device=self.device)
        info: dict[str, Any] = {"final_obs": final}
        info["final_info"] = {one: there[f"metric {one}"] for one in self.metrics}
        if self.facts.lazy_reset:
            info["stale_obs"] = everywhere
        observation = final if self.facts.lazy_reset else self._observation("obs", "state")
        return observation, torch.zeros(self.num_envs, device=self.device), ~everywhere, everywhere, info


def _host_view(memory: mmap.mmap, offset: int, dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    kind = _DTYPES[dtype]
    return torch.frombuffer(memory, dtype=kind, count=int(np.prod(shape)), offset=offset).view(shape)


def _indexed(device: torch.device) -> torch.device:
    """``cuda`` as ``cuda:0``, or whichever is the current one."""
    return torch.empty(0, device=device).device


def _unbounded(size: int) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
