"""A simulator for the bridge, complete: N shuttles on parallel rails, each to stop at a mark of its own.

It needs numpy alone and runs in any Python >= 3.7. Nothing of this project is imported: the docstring of
``envs/bridge/worker.py`` says what a simulator must look like, and this one says it by doing.
"""

import numpy as np


class Shuttles:
    """One step is a tenth of a second: the action pushes with up to 2 m/s^2 along a rail of 4 m."""

    # What the learner must know. `num_envs` is set below.
    device = "cpu"
    observation_size = 2
    action_size = 1
    max_episode_steps = 60
    metrics = ("parked",)

    def __init__(self, num_envs, seed, device, friction=0.5):
        # `device` is where the learner lives. This simulator has no GPU code: it says "cpu", and the bridge copies.
        self.num_envs = num_envs
        self.friction = friction
        self.random = np.random.RandomState(seed)
        self.distance = np.zeros(num_envs)
        self.speed = np.zeros(num_envs)
        self.steps = np.zeros(num_envs, dtype=np.int64)

    def reset(self):
        self._start(np.ones(self.num_envs, dtype=bool))
        return {"obs": self._observe()}

    def step(self, actions):
        force = 2.0 * actions[:, 0]
        self.speed = self.speed + 0.1 * (force - self.friction * self.speed)
        self.distance = self.distance + 0.1 * self.speed
        self.steps = self.steps + 1
        # Off the rail the task is over: nothing follows. At the time limit it is only cut short.
        terminated = np.abs(self.distance) > 2.0
        truncated = (self.steps >= self.max_episode_steps) & ~terminated
        parked = (np.abs(self.distance) < 0.1) & (np.abs(self.speed) < 0.1)
        reward = 1.0 - np.abs(self.distance) - 0.1 * force**2
        final_obs = self._observe()
        # What ended starts again in this very step, and `obs` is the next episode's first.
        self._start(terminated | truncated)
        return {
            "obs": self._observe(),
            "final_obs": final_obs,
            "reward": reward,
            "terminated": terminated,
            "truncated": truncated,
            "parked": parked,
        }

    def state_dict(self):
        """With this pair a killed run continues bit for bit."""
        arrays = {name: getattr(self, name).copy() for name in ("distance", "speed", "steps")}
        return {"arrays": arrays, "random": self.random.get_state()}

    def load_state_dict(self, state):
        self.random.set_state(state["random"])
        for name, value in state["arrays"].items():
            setattr(self, name, value.copy())

    def _start(self, mask):
        count = int(mask.sum())
        self.distance[mask] = self.random.uniform(-1.5, 1.5, count)
        self.speed[mask] = 0.0
        self.steps[mask] = 0

    def _observe(self):
        return np.stack([self.distance, self.speed], axis=1)


def make(num_envs, seed, device, **kwargs):
    """What a study names: ``bridge:docs/examples/bridge/shuttle.py:make``."""
    return Shuttles(num_envs, seed, device, **kwargs)
