"""What the published in-hand tasks share: a hand turns a cube in its palm to one orientation after the other.

Per step::

    reward = -distance_weight |p - p_goal| + rotation_weight / (angle + rotation_eps) - action_weight |a|^2
             + success_bonus [angle <= success_tolerance] - fall_penalty [|p - p_goal| >= fall_distance]

with ``angle`` the rotation from the cube to the goal. A reached goal is replaced by a random one; a cube too far from
the goal's position (it fell) terminates; the time limit truncates. Actions in [-1, 1] are the servos' targets over the
joints' ranges.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import gymnasium
import numpy as np
import torch

from envs.batched import State
from envs.hand import world
from envs.hand.options import InHandOptions
from envs.sim import quaternion
from envs.sim.env import SimEnv

CLIP = 5.0
"""Observations are clipped to +- this."""

_DROP = 0.04
"""The cube starts this far above its goal's position, m."""
_DISPLAY = (-0.2, -0.06, 0.12)
"""Where the goal is drawn, from its position, m."""
_SPEED_SCALE, _TORQUE_SCALE = 0.2, 10.0
_PHYSICS_STEP = 1 / 60
"""Isaac Gym's step, which scales relative control, s."""


class InHand(SimEnv):
    """K x N hands, each with a cube to turn.

    The scene holds the hand, whose joints come first in ``qpos``, and the parts of ``cube_and_goal``.
    """

    sensed: ClassVar[tuple[str, ...]] = ("qpos", "qvel", "ctrl")
    joints: ClassVar[tuple[str, ...]]
    """The hand's joints, in the order of ``qpos``."""
    driven: ClassVar[tuple[str, ...]]
    """Those with a servo, in the order of ``ctrl``."""
    observation_size: ClassVar[int]

    def __init__(
        self,
        *,
        num_envs: int,
        seeds: Sequence[int],
        device: torch.device | str,
        options: InHandOptions,
        place: world.Vector,
    ) -> None:
        """Build the worlds.

        Args:
            num_envs: N.
            seeds: K seeds.
            device: Of the tensors and the simulator.
            options: Of the task.
            place: Position of every goal, m.
        """
        self._rules = options
        self.own_clock = options.max_consecutive_successes > 0
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.longest_episode)
        self.observation_space = gymnasium.spaces.Box(-CLIP, CLIP, (self.observation_size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (len(self.driven),), np.float32)
        model = self.sim.model
        rows = model.ids("joint", self.joints)
        self._low, self._high = model.constant("jnt_range", self.device)[rows].unbind(-1)
        self._driven = torch.tensor([self.joints.index(joint) for joint in self.driven], device=self.device)
        self._lowest, self._highest = self._low[self._driven], self._high[self._driven]
        self._place = torch.tensor(place, device=self.device)

    @abstractmethod
    def _torques(self, state: State) -> torch.Tensor:
        """What acts on the joints, N m, ``[K, N, joints]``."""

    def _touch(self, state: State) -> Sequence[torch.Tensor]:
        """What else is observed of the hand, ``[K, N, ...]`` each, before the last action."""
        return ()

    def _draw(self) -> torch.Tensor:
        return self._streams.uniform(self.num_envs, 3 + 2 + 2 + len(self.joints))

    def _start(self, numbers: torch.Tensor) -> State:
        place, turn, joints = numbers[..., :3], numbers[..., 3:5], numbers[..., 7:]
        position = self._place + self._place.new_tensor((0.0, 0.0, _DROP))
        position = position + (2 * place - 1) * self._rules.position_noise
        # Around the open hand (all angles 0), which is outside the range of some thumbs' first joint.
        angles = self._rules.joint_noise * (self._low + (self._high - self._low) * joints)
        angles = angles.clamp(self._low, self._high)
        qpos = torch.cat((angles, position, _random_rotation(turn)), -1)
        goal, zero = _random_rotation(numbers[..., 5:7]), torch.zeros_like(numbers[..., 0])
        targets = angles[..., self._driven]
        return {
            "qpos": qpos,
            "ctrl": targets,
            "mocap_quat": goal.unsqueeze(-2),
            "goal": goal,
            "actions": torch.zeros_like(targets),
            "successes": zero,
            "clock": zero,
            "age": zero,
        }

    def _control(self, state: State, actions: torch.Tensor) -> Mapping[str, torch.Tensor]:
        rules, actions, before = self._rules, actions.clamp(-1, 1), state["ctrl"]
        low, high = self._lowest, self._highest
        if rules.relative_control:
            targets = before + rules.speed_scale * _PHYSICS_STEP * actions
        else:
            targets = low + (high - low) * (actions + 1) / 2
            targets = before + rules.moving_average * (targets - before)
        return {"ctrl": targets.clamp(low, high), "mocap_quat": state["goal"].unsqueeze(-2)}

    def _judge(self, state: State, sensed: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        rules, actions, goal = self._rules, actions.clamp(-1, 1), state["goal"]
        cube = sensed["qpos"][..., len(self.joints) :]
        distance = torch.linalg.vector_norm(cube[..., :3] - self._place, dim=-1)
        angle = quaternion.angle(quaternion.multiply(cube[..., 3:], quaternion.conjugate(goal)))
        reached, fallen = angle <= rules.success_tolerance, distance >= rules.fall_distance
        successes = state["successes"] + reached
        reward = (
            rules.rotation_weight / (angle + rules.rotation_eps)
            - rules.distance_weight * distance
            - rules.action_weight * actions.square().sum(-1)
            + rules.success_bonus * reached
            - rules.fall_penalty * fallen
        )
        clock, terminated = state["clock"] + 1, fallen
        if self.own_clock:
            clock = clock.masked_fill(reached, 0)
            terminated = fallen | (successes >= rules.max_consecutive_successes)
            reward = reward - 0.5 * rules.fall_penalty * (clock >= rules.time_limit)
        fresh = _random_rotation(self._streams.uniform(self.num_envs, 2))
        own = {
            "goal": torch.where(reached.unsqueeze(-1), fresh, goal),
            "actions": actions,
            "successes": successes,
            "clock": clock,
            "age": state["age"] + 1,
        }
        return own, reward, terminated

    def _timed_out(self, stepped: State, elapsed: torch.Tensor) -> torch.Tensor:
        return stepped["clock"] >= self._rules.time_limit

    def _observe(self, state: State) -> torch.Tensor:
        qpos, qvel, goal, joints = state["qpos"], state["qvel"], state["goal"], len(self.joints)
        angles, cube, turn = qpos[..., :joints], qpos[..., joints:-4], qpos[..., -4:]
        speeds, velocity, spin = qvel[..., :joints], qvel[..., joints:-3], qvel[..., -3:]
        parts = (
            (2 * angles - self._high - self._low) / (self._high - self._low),
            speeds * _SPEED_SCALE,
            self._torques(state) * _TORQUE_SCALE,
            cube,
            turn,
            velocity,
            quaternion.rotate(turn, spin) * _SPEED_SCALE,  # MuJoCo has it in the cube's frame
            self._place.expand_as(cube),
            goal,
            quaternion.multiply(turn, quaternion.conjugate(goal)),
            *self._touch(state),
            state["actions"],
        )
        return torch.cat(parts, -1).clamp(-CLIP, CLIP)

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        figures = {"successes": state["successes"].clone(), "hold_time": state["age"].clone()}
        return super()._metrics(state, terminated) | figures


def cube_and_goal(options: InHandOptions, place: world.Vector) -> tuple[world.Part, ...]:
    """The cube (joint ``cube_joint``) at ``place`` (m) and its goal (mocap body ``goal``), drawn beside it."""
    half = (options.object_size / 2,) * 3
    shown = tuple(np.add(place, _DISPLAY).tolist())
    return (
        world.floor(),
        world.cuboid("cube", half, options.object_mass, position=place, inside=world.faces(half)),
        world.goal("goal", half, position=shown, inside=world.faces(half)),
    )


def _random_rotation(numbers: torch.Tensor) -> torch.Tensor:
    """A turn about y and then one about x, each by up to half a turn either way; not uniform, as published."""
    turns = (2 * numbers - 1) * torch.pi
    return quaternion.multiply(quaternion.about(0, turns[..., 0]), quaternion.about(1, turns[..., 1]))
