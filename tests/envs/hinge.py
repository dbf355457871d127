"""A small simulated task that several tests share: a driven hinge and a falling ball."""

from collections.abc import Mapping, Sequence

import gymnasium
import numpy as np
import torch

from envs.batched import State
from envs.sim.env import SimEnv
from envs.sim.model import Scene

HINGE = Scene("""
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <camera name="overview" pos="0 -4 1" xyaxes="1 0 0 0 0 1"/>
    <body name="arm"><joint name="hinge" axis="0 1 0"/><geom name="rod" type="capsule" size=".05" fromto="0 0 0 0 0 1"/>
      <site name="tip" pos="0 0 1"/></body>
    <body name="ball" pos="3 0 2"><freejoint name="free"/><geom size=".1"/></body>
  </worldbody>
  <actuator><motor name="torque" joint="hinge" ctrlrange="-1 1"/></actuator>
  <sensor><jointpos name="angle" joint="hinge"/><framelinvel name="speed" objtype="body" objname="ball"/></sensor>
</mujoco>
""")


class Hinge(SimEnv):
    """Starts at a random angle; a huge action breaks the physics of its copy."""

    sensed = ("qpos", "qvel", "site_xpos")
    substeps = 4
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, num_envs: int, seeds: Sequence[int]) -> None:
        super().__init__(num_envs=num_envs, seeds=seeds, device="cpu", max_episode_steps=7)
        self._limit = 2.0

    def _scene(self) -> Scene:
        return HINGE

    def _draw(self) -> torch.Tensor:
        return self._streams.uniform(self.num_envs)

    def _start(self, numbers: torch.Tensor) -> State:
        rest = torch.tensor([3.0, 0, 2, 1, 0, 0, 0]).expand(*numbers.shape, 7)
        return {"qpos": torch.cat((numbers.unsqueeze(-1), rest), -1), "turns": torch.zeros_like(numbers)}

    def _control(self, state: State, actions: torch.Tensor) -> Mapping[str, torch.Tensor]:
        return {"ctrl": actions.clamp(-1, 1), "qvel": torch.where(actions > 5, torch.nan, state["qvel"])}

    def _judge(self, state: State, sensed: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        angle = sensed["qpos"][..., 0]
        return {"turns": state["turns"] + 1}, angle, angle.abs() > self._limit

    def _observe(self, state: State) -> torch.Tensor:
        return torch.cat((state["qpos"][..., :1], state["qvel"][..., :1], state["site_xpos"][..., 0, :1]), -1)
