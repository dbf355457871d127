"""A third party's algorithm and environment, registered through entry points: small, deterministic, and able to fail.

The "policy" is a drifting weight per seed, driven by the environment's own random walk and by the trainer's random
streams, so that a resumed run equals an uninterrupted one only if all of them were restored.
"""

import os
import random
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Discriminator

from algorithms.algorithm import Algorithm
from algorithms.component import Component
from envs.spec import EnvSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Momentum:
    kind: Literal["momentum"] = "momentum"
    beta: float = 0.9

    def violation(self, config, measured):
        return None if measured["check/momentum"] > 0 else "drift `momentum`: nothing was carried over"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plain:
    kind: Literal["plain"] = "plain"
    beta: float = 0.0

    def violation(self, config, measured):
        return None if measured["check/momentum"] == 0 else "drift `plain`: momentum was carried over"


@dataclass(frozen=True, kw_only=True, slots=True)
class ToyConfig:
    """What goes wrong is configured: ``fault`` happens to ``fault_seed`` at env step ``fault_at``.

    ``once`` names a file: the fault happens while it does not exist, and creates it. ``bonus`` is added to every score.
    """

    drift: Annotated[
        Momentum | Plain,
        Discriminator("kind"),
        Component(neutral="plain", about="momentum of the drift", aliases=("momentum",)),
    ] = field(default_factory=Momentum)
    rate: float = 0.1
    iteration_s: float = 0.0
    bonus: float = 0.0
    fault: Literal["none", "nan", "raise", "oom", "kill", "hang", "no_op", "early_end"] = "none"
    fault_at: int = 0
    fault_seed: int = -1
    once: str = ""

    def problems(self, task):
        return []


@dataclass(frozen=True, kw_only=True, slots=True)
class WalkOptions:
    length: int = 8
    scale: float = 1.0
    continuable: bool = True


ALGORITHM = Algorithm(
    name="toy",
    config=ToyConfig,
    trainer="toy_plugin:ToyTrainer",
    sources=("toy_plugin",),
    summary="a drifting weight",
)
ENV = EnvSpec(
    id="toy/walk",
    entry="toy_plugin:make_walk",
    options=WalkOptions,
    version=1,
    sources=("toy_plugin",),
    summary="a random walk",
    episode_steps=lambda options: options.length,
)


class Walk:
    """Positions ``[K, N]`` that move by the action and by noise."""

    def __init__(self, num_envs, seeds, device, options):
        import torch

        from envs.streams import Streams

        self.num_envs, self.num_seeds, self.device, self.options = num_envs, len(seeds), device, options
        self.noise = Streams(seeds, "walk", device)
        self.position = torch.zeros(len(seeds), num_envs, device=device)
        self.step_count = 0

    def reset(self):
        return self.position.unsqueeze(-1).clone(), {}

    def step(self, actions):
        self.position = self.position + actions + self.options.scale * self.noise.normal(self.num_envs)
        self.step_count += 1
        reward = -self.position.abs()
        if self.step_count % self.options.length == 0:
            self.position = self.position * 0
        return self.position.unsqueeze(-1).clone(), reward

    def state_dict(self):
        if not self.options.continuable:
            from envs.gymnasium_snapshot import CheckpointUnsupportedError

            raise CheckpointUnsupportedError("this walk cannot be stored")
        return {"noise": self.noise.state_dict(), "position": self.position, "step_count": self.step_count}

    def load_state_dict(self, state):
        self.noise.load_state_dict(state["noise"])
        self.position, self.step_count = state["position"], state["step_count"]

    def close(self):
        pass


def make_walk(*, num_envs, seeds, device, options):
    return Walk(num_envs, seeds, device, options)


class ToyTrainer:
    STEPS = 4

    def __init__(self, config, make_env, *, num_envs, seeds, device="cpu"):
        import torch

        from envs.streams import Streams, stream_seed

        self.config, self.seeds, self.num_envs, self.env_steps = config, tuple(seeds), num_envs, 0
        self.make_env = make_env
        self.env = make_env(num_envs, [stream_seed(seed, "env") for seed in seeds])
        self.weight = Streams(seeds, "init", device).normal(3)
        self.velocity = torch.zeros_like(self.weight)
        self.noise = Streams(seeds, "update", device)

    def iterations(self, env_steps):
        import torch

        while self.env_steps < env_steps:
            self._fail("before")
            rewards = []
            for _ in range(self.STEPS):
                _, reward = self.env.step(torch.tanh(self.weight[:, :1]).expand(-1, self.num_envs))
                rewards.append(reward.mean(1))
            reward = torch.stack(rewards).mean(0)
            self.velocity = self.config.drift.beta * self.velocity + self.noise.normal(3) * reward[:, None]
            # Global generators too: a third party may use them, so a checkpoint must hold them.
            shake = torch.rand(1).item() + np.random.rand() + random.random()
            self.weight = self.weight * 0.99 + self.config.rate * self.velocity + 1e-3 * shake
            self.env_steps += self.STEPS * self.num_envs
            self._fail("nan")
            time.sleep(self.config.iteration_s)
            momentum = self.config.drift.beta * self.velocity.abs().sum(1)
            if self.config.fault == "no_op" and self.env_steps >= self.config.fault_at:
                momentum = momentum * 0
            yield {
                "env_steps": np.full(len(self.seeds), float(self.env_steps)),
                "episode/return": np.where(self.env.step_count % 8 == 0, reward.double().numpy(), np.nan),
                "loss/weight": self.weight.square().sum(1).double().numpy(),
                "check/momentum": momentum.double().numpy(),
                "health/finite": self.weight.isfinite().all(1).double().numpy(),
            }
            if self.config.fault == "early_end" and self.env_steps >= self.config.fault_at:
                return

    def _fail(self, where):
        config = self.config
        if config.fault == "none" or self.env_steps < config.fault_at or (config.once and Path(config.once).exists()):
            return
        if config.fault == "nan" and where == "nan":
            self.weight[self.seeds.index(config.fault_seed)] = float("nan")
        if where == "nan" or config.fault in ("nan", "no_op", "early_end"):
            return
        if config.once:
            Path(config.once).touch()
        if config.fault == "raise":
            sys.stdout.write("about to divide by zero\n")
            raise ZeroDivisionError("the toy was told to")
        if config.fault == "oom":
            raise MemoryError("the toy was told to")
        if config.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if config.fault == "hang":
            time.sleep(3600)

    def evaluate(self, episodes):
        env = self.make_env(episodes, [seed + 10**6 for seed in self.seeds])
        rewards = sum(env.step(self.weight[:, :1].expand(-1, episodes))[1] for _ in range(4))
        score = rewards.mean(1).double().numpy() + self.config.bonus
        weights = {f"profile/weight@{x}": self.weight[:, x].double().numpy() for x in range(3)}
        return {"eval/return": score, "eval/length": np.full(len(score), 4.0), **weights}

    def state_dict(self):
        return {
            "env": self.env.state_dict(),
            "weight": self.weight,
            "velocity": self.velocity,
            "noise": self.noise.state_dict(),
            "env_steps": self.env_steps,
        }

    def load_state_dict(self, state):
        self.env.load_state_dict(state["env"])
        self.weight, self.velocity = state["weight"], state["velocity"]
        self.noise.load_state_dict(state["noise"])
        self.env_steps = state["env_steps"]

    def describe(self):
        return {"parameters": 3.0, "env_steps_per_iteration": float(self.STEPS * self.num_envs)}

    def close(self):
        self.env.close()
