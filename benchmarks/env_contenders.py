"""Everything that ``env_throughput.py`` compares: each steps N copies of one task under uniform random actions.

``EnvPool`` runs in an interpreter of its own, so nothing here is imported before it is needed.
"""

import time
from pathlib import Path

BATCHES = 64
"""Different actions, drawn before the clock starts."""
PLAY = 120
"""Steps before the clock starts: by then copies stand everywhere between start and end, and contacts cost what they
do in training."""


class Contender:
    """N copies of a task. ``step(i)`` advances all of them once."""

    num_envs: int
    substeps = 1
    """Time steps of the simulator per step of the task."""
    physics_cpu = 0.0
    """CPU seconds spent in the simulator so far, where they can be told apart."""

    def children_cpu(self):
        """CPU seconds that other processes spent for this one so far."""
        return 0.0


class Ours(Contender):
    """A registered task of this project, one seed."""

    def __init__(self, task, num_envs):
        import torch

        from algorithms.ppo.allocator import keep_freed_memory
        from envs import registry

        keep_freed_memory()  # as the trainers do
        self.env, self.num_envs = registry.make(task, num_envs=num_envs, seeds=[0]), num_envs
        inner = self.env
        while not hasattr(inner, "sim"):
            inner = inner._env  # of a wrapper for trials
        self.sim, self.substeps = inner.sim, inner.substeps
        generator = torch.Generator().manual_seed(0)
        shape = (1, num_envs, *self.env.action_space.shape)
        self.actions = [torch.rand(shape, generator=generator) * 2 - 1 for _ in range(BATCHES)]
        self.env.reset()
        for index in range(PLAY):
            self.step(index)
        self._plain = self.sim.step
        self.sim.step = self._timed

    def _timed(self, substeps):
        begin = time.process_time()
        self._plain(substeps)
        self.physics_cpu += time.process_time() - begin

    def step(self, index):
        self.env.step(self.actions[index % BATCHES])


class Raw(Contender):
    """``mujoco.batch`` alone: the states and controls of a task's play, without observations, rewards and resets.

    Every 8 steps the worlds return to where the play was: without resets a hand loses its cube, and physics without
    contacts is cheap.
    """

    REPEAT = 8

    def __init__(self, task, num_envs):
        ours = Ours(task, num_envs)
        self.num_envs, self.substeps = num_envs, ours.substeps
        self.batch = ours.sim._batch
        self.start = self.batch.state.copy()
        self.controls = []
        for index in range(self.REPEAT):
            ours.step(index)
            self.controls.append(self.batch.bind("ctrl").copy())
        self.control = self.batch.bind("ctrl")

    def step(self, index):
        if index % self.REPEAT == 0:
            self.batch.state[:] = self.start
        self.control[:] = self.controls[index % self.REPEAT]
        self.batch.step(nstep=self.substeps)


class Gymnasium(Contender):
    """gymnasium's vector environment: ``sync`` in one process, ``async`` with a process per copy."""

    substeps = 5  # of HalfCheetah-v5

    def __init__(self, kind, task, num_envs):
        import gymnasium
        import numpy as np
        import psutil

        mode = {"sync": gymnasium.VectorizeMode.SYNC, "async": gymnasium.VectorizeMode.ASYNC}[kind]
        self.env, self.num_envs = gymnasium.make_vec(task, num_envs=num_envs, vectorization_mode=mode), num_envs
        generator = np.random.default_rng(0)
        shape = (BATCHES, *self.env.action_space.shape)
        self.actions = generator.uniform(-1, 1, shape).astype(np.float32)
        self.env.reset(seed=0)
        self.children = psutil.Process().children(recursive=True)

    def step(self, index):
        self.env.step(self.actions[index % BATCHES])

    def children_cpu(self):
        return sum(on_cpu(child) for child in self.children)


def on_cpu(process):
    """CPU seconds of a process so far. A step of one copy is far shorter than the 10 ms that psutil counts in."""
    tasks = Path(f"/proc/{process.pid}/task")
    if not Path("/proc/self/schedstat").exists():
        return sum(process.cpu_times()[:2])
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) * 1e-9


class EnvPool(Contender):
    """envpool's C++ threads, all copies stepped at once."""

    substeps = 5

    def __init__(self, task, num_envs, threads):
        import envpool
        import numpy as np

        self.env = envpool.make(task, env_type="gymnasium", num_envs=num_envs, num_threads=threads)
        self.num_envs = num_envs
        generator = np.random.default_rng(0)
        self.actions = generator.uniform(-1, 1, (BATCHES, num_envs, *self.env.action_space.shape))
        self.env.reset()

    def step(self, index):
        self.env.step(self.actions[index % BATCHES])


def build(kind, task, num_envs, threads):
    """A contender by the name of its kind."""
    if kind == "ours":
        return Ours(task, num_envs)
    if kind == "raw":
        return Raw(task, num_envs)
    if kind == "envpool":
        return EnvPool(task, num_envs, threads)
    return Gymnasium(kind, task, num_envs)
