"""Simulators for the tests of the bridge: numpy only, Python >= 3.7, nothing of this project.

``make`` is a truthful one; ``lazy``, ``discrete``, ``asymmetric`` and ``forgetful`` are variants of it, and the rest
each break one rule. One step of ``trap`` ends or stops the process, or takes long.
"""

import os
import pathlib
import signal
import time

import numpy as np


class Rail:
    """N carts on rails, pushed towards the middle; an episode ends when a cart leaves its rail, or after 12 steps."""

    device = "cpu"
    observation_size = 3
    action_size = 1
    max_episode_steps = 12
    metrics = ("travel",)

    def __init__(self, num_envs, seed, device, edge=1.5):
        self.num_envs = num_envs
        self.edge = edge
        self.asked = {"seed": seed, "device": device}
        self.random = np.random.RandomState(seed)
        self.position = np.zeros(num_envs)
        self.speed = np.zeros(num_envs)
        self.time = np.zeros(num_envs, dtype=np.int64)
        self.travel = np.zeros(num_envs)

    def reset(self):
        self._start(np.ones(self.num_envs, dtype=bool))
        return {"obs": self._observe()}

    def step(self, actions):
        assert actions.shape == (self.num_envs, 1) and actions.dtype == np.float32
        self.speed = 0.9 * self.speed + 0.3 * actions[:, 0]
        actions[:] = 7.0  # ours to overwrite
        self.position = self.position + self.speed
        self.travel = self.travel + np.abs(self.speed)
        self.time = self.time + 1
        terminated = np.abs(self.position) > self.edge
        truncated = self.time >= self.max_episode_steps
        final, travel = self._observe(), self.travel.copy()
        reward = 1.0 - self.position**2
        self._start(terminated | truncated)
        return {
            "obs": self._observe(),
            "final_obs": final,
            "reward": reward,
            "terminated": terminated,
            "truncated": truncated,
            "travel": travel,
            "unknown": "ignored",
        }

    def state_dict(self):
        names = ("position", "speed", "time", "travel")
        return dict({name: getattr(self, name).copy() for name in names}, random=self.random.get_state())

    def load_state_dict(self, state):
        state = dict(state)
        self.random.set_state(state.pop("random"))
        for name, value in state.items():
            setattr(self, name, value)

    def add(self, one, other):
        return {"sum": one + other}

    def _start(self, mask):
        count = int(mask.sum())
        self.position[mask] = self.random.uniform(-0.5, 0.5, count)
        self.speed[mask] = 0.0
        self.time[mask] = 0
        self.travel[mask] = 0.0

    def _observe(self):
        return np.stack([self.position, self.speed, self.time / self.max_episode_steps], axis=1)


class Forgetful(Rail):
    """Cannot save its state."""

    state_dict = None
    load_state_dict = None


class Curriculum(Rail):
    """Saves how far it has come, not its episodes."""

    exact_state = False
    level = 0

    def step(self, actions):
        self.level += 1
        return dict(super().step(actions), travel=np.full(self.num_envs, self.level))

    def state_dict(self):
        return {"level": self.level}

    def load_state_dict(self, state):
        self.level = state["level"]


class Lazy(Rail):
    """Resets in the next step, as Isaac Gym's tasks do; integer flags and reused buffers, as theirs."""

    lazy_reset = True
    state_dict = None
    load_state_dict = None

    def __init__(self, num_envs, seed, device):
        super().__init__(num_envs, seed, device)
        self.pending = np.zeros(num_envs, dtype=np.int64)
        self.buffer = np.zeros((num_envs, 3), dtype=np.float32)

    def step(self, actions):
        super()._start(self.pending != 0)
        returned = super().step(actions)
        self.pending[:] = returned["terminated"] | returned["truncated"]
        self.buffer[:] = returned.pop("final_obs")
        return dict(returned, obs=self.buffer, terminated=returned["terminated"].astype(np.int64))

    def _start(self, mask):
        if mask.all() and not self.time.any():
            super()._start(mask)


class Asymmetric(Rail):
    """The critic sees the position alone."""

    state_size = 1

    def reset(self):
        return self._with_state(super().reset())

    def step(self, actions):
        return self._with_state(super().step(actions))

    def _with_state(self, returned):
        states = {"state": returned["obs"][:, :1]}
        if "final_obs" in returned:
            states["final_state"] = returned["final_obs"][:, :1]
        return dict(returned, **states)


class Discrete(Rail):
    """Pushes to the left, not at all, or to the right."""

    action_size = None
    num_actions = 3

    def step(self, actions):
        assert actions.shape == (self.num_envs,) and actions.dtype == np.int64
        return super().step((actions[:, None] - 1).astype(np.float32))


class Torch(Rail):
    """The same with tensors of torch both ways."""

    arrays = "torch"

    def __init__(self, num_envs, seed, device):
        import torch

        self.torch = torch
        self.device = device
        super().__init__(num_envs, seed, device)

    def step(self, actions):
        assert actions.dtype == self.torch.float32
        returned = super().step(actions.cpu().numpy())
        returned.pop("unknown")
        return {name: self.torch.from_numpy(value).to(self.device) for name, value in returned.items()}


class Trap(Rail):
    """Does something terrible in its third step: once only where ``mark`` names a file to remember it by."""

    def __init__(self, num_envs, seed, device, what, mark=None):
        super().__init__(num_envs, seed, device)
        self.what = what
        self.mark = mark and pathlib.Path(mark)
        self.steps = 0

    def step(self, actions):
        self.steps += 1
        if self.steps == 3 and not (self.mark and self.mark.exists()):
            if self.mark:
                self.mark.touch()
            self.spring()
        return super().step(actions)

    def spring(self):
        if self.what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.what == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.what == "leaves":
            os._exit(3)
        elif self.what == "slow":
            time.sleep(60)
        elif self.what == "native":
            import ctypes

            ctypes.PyDLL(None).sleep(60)
        elif self.what == "raises":
            raise ValueError("the cart\nfell off")
        elif self.what == "exits":
            raise SystemExit(2)
        elif self.what == "memory":
            raise MemoryError("no room")
        elif self.what == "nan":
            self.position[1] = np.nan


class Wrong(Rail):
    """Changes what it returns, or what it says about itself."""

    def __init__(self, num_envs, seed, device, returns=None, says=None, what=None):
        super().__init__(num_envs, seed, device)
        self.returns = returns
        self.what = what
        for name, value in (says or {}).items():
            setattr(self, name, value)

    def step(self, actions):
        returned = super().step(actions)
        changed = {
            "narrow": np.zeros((self.num_envs, 2)),
            "flat": np.zeros(self.num_envs),
            "list": [0.0] * self.num_envs,
            "floats": np.zeros(self.num_envs),
            "objects": np.full((self.num_envs, 3), None),
            "complex": np.zeros(self.num_envs, dtype=complex),
        }
        if self.what == "missing":
            del returned[self.returns]
        elif self.what == "everything":
            return list(returned)
        else:
            returned[self.returns] = changed[self.what]
        return returned


def raises(num_envs, seed, device):
    raise KeyError("assets")


def once(num_envs, seed, device, mark):
    """Only the first of all simulators can be built."""
    pathlib.Path(mark).open("x").close()
    return Rail(num_envs, seed, device)


def nothing(num_envs, seed, device):
    return object()


def stuck(num_envs, seed, device, pids):
    """Hangs in native code that keeps the interpreter's lock: no thread of Python runs any more."""
    import ctypes

    pathlib.Path(pids).write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(600)


class Sleepy(Rail):
    """Waits in every step, as a simulator on another device does."""

    def step(self, actions):
        time.sleep(0.25)
        return super().step(actions)


def family(num_envs, seed, device, pids):
    """A simulator with a process of its own; writes both processes' numbers to a file."""
    import subprocess
    import sys

    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path(pids).write_text(f"{os.getpid()} {child.pid}")
    return Rail(num_envs, seed, device)


make = Rail
sleepy = Sleepy
forgetful = Forgetful
curriculum = Curriculum
lazy = Lazy
asymmetric = Asymmetric
discrete = Discrete
torch = Torch
trap = Trap
wrong = Wrong
