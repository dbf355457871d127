"""``hand/reorient``: an Allegro hand turns a cube in its palm to one orientation after the other.

The task is IsaacGymEnvs' AllegroHand (observation ``full_state``, block), as SAPG's experiments use it. Per step::

    reward = -distance_weight |p - p_goal| + rotation_weight / (angle + rotation_eps) - action_weight |a|^2
             + success_bonus [angle <= success_tolerance] - fall_penalty [|p - p_goal| >= fall_distance]

with ``angle`` the rotation from the cube to the goal. A reached goal is replaced by a random one; a cube too far from
the goal's position (it fell) terminates; the time limit truncates. Actions in [-1, 1] are the 16 servos' targets over
the joints' ranges, 30 times a second.

Observation (88), clipped to +-5; positions in m in the world's frame (the hand's frame is 0.5 m above its origin, x
along the fingers, z up), quaternions (w, x, y, z), everything per joint in the order index, middle, ring, thumb:

=======  =====================================================================================
0:16     joint angles, their ranges mapped to [-1, 1]
16:32    joint speeds, rad/s, times 0.2
32:48    torques of the servos, N m, times 10
48:55    cube: position, quaternion
55:58    cube: velocity, m/s
58:61    cube: angular velocity in the world's frame, rad/s, times 0.2
61:68    goal: position, quaternion
68:72    rotation from goal to cube: cube * conjugate(goal)
72:88    the action before
=======  =====================================================================================

Differences from Isaac Gym's task: MuJoCo's physics, a hand of boxes and capsules with the fingertips and joint ranges
of the plain Allegro, a cube of our size and mass; the palm level instead of tilted; quaternions w first; the torque is
the servo's, where PhysX has a joint force sensor; the goal's successor shows in the observation that follows the
success, not one step later; an episode lasts ``time_limit`` steps, not one less.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import gymnasium
import numpy as np
import torch

from envs.batched import State
from envs.hand import allegro, world
from envs.hand.options import ReorientOptions
from envs.sim import quaternion
from envs.sim.env import SimEnv
from envs.sim.model import Scene

_HAND_HEIGHT = 0.5
_CUBE_FORWARD = -0.01
"""Where the cube lies along the fingers: over the front of the palm, m."""
_DROP = 0.04
"""The cube starts this far above its goal's position, m."""
_DISPLAY = (-0.2, -0.06, 0.12)
"""Where the goal is drawn, from its position, m."""
_SPEED_SCALE, _TORQUE_SCALE = 0.2, 10.0
_CLIP = 5.0
_PHYSICS_STEP = 1 / 60
"""Isaac Gym's step, which scales relative control, s."""
_JOINTS = len(allegro.JOINTS)


def resting_place(options: ReorientOptions) -> world.Vector:
    """Middle of a cube that lies on the level palm, m."""
    return (_CUBE_FORWARD, 0.0, _HAND_HEIGHT + allegro.PALM_SURFACE + options.object_size / 2)


def scene(options: ReorientOptions) -> Scene:
    """The hand, the cube (joint ``cube_joint``) and the goal (mocap body ``goal``)."""
    half = (options.object_size / 2,) * 3
    place = resting_place(options)
    shown = tuple(np.add(place, _DISPLAY).tolist())
    hand = allegro.allegro(position=(0.0, 0.0, _HAND_HEIGHT), orientation=allegro.palm_up(options.palm_tilt))
    parts = (
        world.camera("front", position=(0.42, -0.38, 0.95), target=(0.0, 0.0, 0.54)),
        world.floor(),
        hand,
        world.cuboid("cube", half, options.object_mass, position=place),
        world.goal("goal", half, position=shown),
    )
    return Scene(world.document("hand_reorient", parts))


class Reorient(SimEnv):
    """K x N hands."""

    sensed: ClassVar[tuple[str, ...]] = ("qpos", "qvel", "ctrl")
    substeps = 4

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: ReorientOptions
    ) -> None:
        self._options = options
        self.own_clock = options.max_consecutive_successes > 0
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.longest_episode)
        self.observation_space = gymnasium.spaces.Box(-_CLIP, _CLIP, (88,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (_JOINTS,), np.float32)
        self._low, self._high = self.sim.model.constant("actuator_ctrlrange", self.device).unbind(-1)
        self._place = torch.tensor(resting_place(options), device=self.device)

    def _scene(self) -> Scene:
        return scene(self._options)

    def _draw(self) -> torch.Tensor:
        return self._streams.uniform(self.num_envs, 3 + 2 + 2 + _JOINTS)

    def _start(self, numbers: torch.Tensor) -> State:
        place, turn, joints = numbers[..., :3], numbers[..., 3:5], numbers[..., 7:]
        position = self._place + self._place.new_tensor((0.0, 0.0, _DROP))
        position = position + (2 * place - 1) * self._options.position_noise
        # Around the open hand (all angles 0), which is outside the range of the thumb's first joint.
        angles = self._options.joint_noise * (self._low + (self._high - self._low) * joints)
        angles = angles.clamp(self._low, self._high)
        qpos = torch.cat((angles, position, _random_rotation(turn)), -1)
        goal, zero = _random_rotation(numbers[..., 5:7]), torch.zeros_like(numbers[..., 0])
        return {
            "qpos": qpos,
            "ctrl": angles,
            "mocap_quat": goal.unsqueeze(-2),
            "goal": goal,
            "actions": torch.zeros_like(angles),
            "successes": zero,
            "clock": zero,
            "age": zero,
        }

    def _control(self, state: State, actions: torch.Tensor) -> Mapping[str, torch.Tensor]:
        options, actions, before = self._options, actions.clamp(-1, 1), state["ctrl"]
        if options.relative_control:
            targets = before + options.speed_scale * _PHYSICS_STEP * actions
        else:
            targets = self._low + (self._high - self._low) * (actions + 1) / 2
            targets = before + options.moving_average * (targets - before)
        return {"ctrl": targets.clamp(self._low, self._high), "mocap_quat": state["goal"].unsqueeze(-2)}

    def _judge(self, state: State, sensed: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        options, actions, goal = self._options, actions.clamp(-1, 1), state["goal"]
        cube = sensed["qpos"][..., _JOINTS:]
        distance = torch.linalg.vector_norm(cube[..., :3] - self._place, dim=-1)
        angle = quaternion.angle(quaternion.multiply(cube[..., 3:], quaternion.conjugate(goal)))
        reached, fallen = angle <= options.success_tolerance, distance >= options.fall_distance
        successes = state["successes"] + reached
        reward = (
            options.rotation_weight / (angle + options.rotation_eps)
            - options.distance_weight * distance
            - options.action_weight * actions.square().sum(-1)
            + options.success_bonus * reached
            - options.fall_penalty * fallen
        )
        clock, terminated = state["clock"] + 1, fallen
        if self.own_clock:
            clock = clock.masked_fill(reached, 0)
            terminated = fallen | (successes >= options.max_consecutive_successes)
            reward = reward - 0.5 * options.fall_penalty * (clock >= options.time_limit)
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
        return stepped["clock"] >= self._options.time_limit

    def _observe(self, state: State) -> torch.Tensor:
        qpos, qvel, drive, goal = state["qpos"], state["qvel"], allegro.DRIVE, state["goal"]
        angles, cube, turn = qpos[..., :_JOINTS], qpos[..., _JOINTS:-4], qpos[..., -4:]
        speeds, velocity, spin = qvel[..., :_JOINTS], qvel[..., _JOINTS:-3], qvel[..., -3:]
        torques = drive.stiffness * (state["ctrl"] - angles) - drive.damping * speeds
        parts = (
            (2 * angles - self._high - self._low) / (self._high - self._low),
            speeds * _SPEED_SCALE,
            torques.clamp(-drive.torque, drive.torque) * _TORQUE_SCALE,
            cube,
            turn,
            velocity,
            quaternion.rotate(turn, spin) * _SPEED_SCALE,  # MuJoCo has it in the cube's frame
            self._place.expand_as(cube),
            goal,
            quaternion.multiply(turn, quaternion.conjugate(goal)),
            state["actions"],
        )
        return torch.cat(parts, -1).clamp(-_CLIP, _CLIP)

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        figures = {"successes": state["successes"].clone(), "hold_time": state["age"].clone()}
        return super()._metrics(state, terminated) | figures


def _random_rotation(numbers: torch.Tensor) -> torch.Tensor:
    """A turn about y and then one about x, each by up to half a turn either way; not uniform, as published."""
    turns = (2 * numbers - 1) * torch.pi
    return quaternion.multiply(quaternion.about(0, turns[..., 0]), quaternion.about(1, turns[..., 1]))
