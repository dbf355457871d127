"""What the tasks of an arm with a hand share: control, reset, reward, goals one after the other.

The tasks are IsaacGymEnvs' AllegroKuka as SAPG and DexPBT use them; a task adds where its goals are. A step is 1/60 s.

* Actions in [-1, 1] are position targets: of the hand over its joints' ranges, of the arm relative to its targets
  before (``arm_control``).
* An episode starts with the arm at home and the object over the table, both with noise: joints by 10% of the way to a
  uniform point of their range, 0.5 rad/s of speed, the object by 10 cm, 10 cm, 2 cm and any rotation. It ends when the
  object falls (below 0.1 m), after ``max_successes``, or when the time since the last success runs out (truncation).
* Bringing the object to its goal for ``success_steps`` steps is a success: a new goal appears, the clock starts anew.
* Random forces push the object: with a probability per step, drawn for each episode between 0.001 and 0.1 (uniform in
  the logarithm), a new force in the object's frame replaces the old one, which fades by 0.99 every 0.08 s.

Differences from the public code: MuJoCo's physics, our robots of boxes and capsules; the palm's and fingertips' points
are our model's; a goal's successor shows in the observation that follows the success, not one step later; what is
closest so far counts from the start of an episode, not from its first step; an object that would start inside the table
starts just above it; random forces scale with the copy's own object's mass, not with that of the last copy.
"""

from collections.abc import Mapping, Sequence
from math import log
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch

from envs.arm_hand.cuboids import DENSITY, EDGE
from envs.arm_hand.curriculum import ToleranceCurriculum
from envs.arm_hand.keypoints import MIDDLE, Keypoints, furthest, upward_extent
from envs.arm_hand.objects import draw_scales, resize
from envs.arm_hand.observation import LIMIT, layout, observe
from envs.arm_hand.options import ArmHandOptions
from envs.arm_hand.reading import SENSED, Reading
from envs.arm_hand.rewards import Measured, judge
from envs.arm_hand.scene import OBJECT, OBJECT_START, ONE_ARM, TABLE_TOP, GoalShape, Robot, scene_mjcf
from envs.batched import State, where
from envs.sim import quaternion
from envs.sim.env import SimEnv
from envs.sim.model import Scene

_STEP = 1 / 60
_ARM = 7
_FALLEN = 0.1
_JOINT_NOISE, _SPEED_NOISE = 0.1, 0.5
_OBJECT_NOISE = (0.1, 0.1, 0.02)
_GAP = 0.005
_FORCE_CHANCE = (log(0.001), log(0.1))
_FORCE_KEPT = 0.99 ** (_STEP / 0.08)
_CONTACTS = {1: 48, 2: 112}
"""Room for contacts by the number of robots: random play reaches 18 and 50."""
_POSE = 7
"""Numbers that make a pose of object or goal: position, rotation, and side where there are two."""


class ArmHand(SimEnv):
    """K x N scenes with a robot (or two), a cuboid and a goal."""

    sensed: ClassVar[tuple[str, ...]] = SENSED
    substeps = 2
    own_clock = True
    robots: ClassVar[tuple[Robot, ...]] = ONE_ARM
    goal_shape: ClassVar[GoalShape]
    corners: ClassVar[tuple[tuple[int, int, int], ...]] = MIDDLE
    """Keypoints on the object, in units of half edges."""
    replaces_object: ClassVar[bool] = False
    """Whether the object goes back to the table at each success."""
    goal_volume: ClassVar[tuple[tuple[float, float], tuple[float, float], tuple[float, float]]]
    """Where goals are, besides their side: from and to along x, y, z, m."""
    goal_above: ClassVar[float] = 0.0
    """How far above the goal's body the object should be, m."""

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: ArmHandOptions
    ) -> None:
        self.options = options
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, max_episode_steps=options.longest_episode)
        model, device = self.sim.model, self.device
        self._reading = Reading(model, self.robots, device)
        num_joints, num_arms = len(self._reading.qpos), len(self.robots)
        size = sum(count for _, count in layout(num_arms, len(self.corners)))
        self.observation_space = gymnasium.spaces.Box(-LIMIT, LIMIT, (size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (num_joints,), np.float32)
        self.scale = draw_scales(options, num_envs=num_envs, seeds=seeds, device=device)
        """Edges of every copy's cuboid in units of 5 cm, ``[K, N, 3]``."""
        resize(self.sim, self.scale.flatten(0, 1), goal=self.goal_shape == "object")
        self._mass = DENSITY * EDGE**3 * self.scale.prod(-1, keepdim=True)
        self._keypoints = Keypoints(self.corners, self.scale, options.keypoint_scale)
        self._curriculum = ToleranceCurriculum(options, num_seeds=self.num_seeds, num_envs=num_envs, device=device)
        self._is_arm = (torch.arange(num_joints, device=device) % (num_joints // num_arms)) < _ARM
        hand = [0.0] * (num_joints // num_arms - _ARM)
        self._home = torch.tensor([angle for robot in self.robots for angle in (*robot.home, *hand)], device=device)
        self._qpos = model.constant("qpos0", device)
        self._object_start = torch.tensor(OBJECT_START, device=device)
        self._object_noise = torch.tensor(_OBJECT_NOISE, device=device)
        self._volume_low, self._volume_high = torch.tensor(self.goal_volume, device=device).unbind(-1)
        self._above = torch.tensor((0.0, 0.0, self.goal_above), device=device)
        self._upright = torch.tensor((1.0, 0.0, 0.0, 0.0), device=device)
        (self._object_body,) = model.ids("body", [OBJECT])

    def _sided_goal(self, place: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
        """Position of the goal's body, from one in ``goal_volume`` and a side (-1 or 1, ``[K, N]``)."""
        return place

    def _sided_object(self, place: torch.Tensor, side: torch.Tensor) -> torch.Tensor:
        """Where an object starts, from a place over the middle of the table and a side."""
        return place

    def _ended(self, tips: torch.Tensor) -> torch.Tensor:
        """Further reasons to end an episode; from the fingertips' distances ``[K, N, F]``."""
        return torch.zeros(tips.shape[:-1], dtype=torch.bool, device=tips.device)

    def _scene(self) -> Scene:
        return Scene(scene_mjcf(self.robots, self.goal_shape), contacts=_CONTACTS[len(self.robots)])

    def _draw(self) -> torch.Tensor:
        return self._streams.uniform(self.num_envs, 2 * _POSE + 2 * len(self._home) + 1)

    def _start(self, numbers: torch.Tensor) -> State:
        num_joints = len(self._home)
        goal, placed, angles, speeds, chance = numbers.split_with_sizes((_POSE, _POSE, num_joints, num_joints, 1), -1)
        low, high = self._reading.low, self._reading.high
        joints = self._home + _JOINT_NOISE * (low + (high - low) * angles - self._home)
        # The thumb's first joint cannot be at home (0).
        joints = joints.clamp(low, high)
        pose = self._placed(placed)
        lead = numbers.shape[:2]
        qpos = self._qpos.repeat(*lead, 1)
        qpos[..., self._reading.qpos], qpos[..., self._reading.object_qpos] = joints, pose
        qvel = numbers.new_zeros(*lead, self.sim.model.mj.nv)
        qvel[..., self._reading.qvel] = _SPEED_NOISE * (2 * speeds - 1)
        ctrl = numbers.new_zeros(*lead, num_joints)
        ctrl[..., self._reading.ctrl] = joints
        new_goal = self._new_goal(goal)
        zero, count = numbers.new_zeros(lead), torch.zeros(lead, dtype=torch.int64, device=numbers.device)
        low_chance, high_chance = _FORCE_CHANCE
        return {
            "qpos": qpos,
            "qvel": qvel,
            "ctrl": ctrl,
            **self._mocap(new_goal),
            "goal": new_goal,
            # Of the state the simulator then computes; see `_restart`.
            "closest_tips": numbers.new_zeros(*lead, len(self.robots) * 4),
            "closest_keypoint": zero,
            "lifted": count.bool(),
            "near_steps": count,
            "reached": count.bool(),
            "successes": zero,
            "clock": zero,
            "ever_lifted": zero,
            "last_reward": zero,
            "force": numbers.new_zeros(*lead, 3),
            "force_chance": (low_chance + (high_chance - low_chance) * chance.squeeze(-1)).exp(),
        }

    def _placed(self, numbers: torch.Tensor) -> torch.Tensor:
        """Pose of an object put over the table, ``[K, N, 7]``."""
        noise, turn, side = numbers.split_with_sizes((3, 3, 1), -1)
        position = self._sided_object(self._object_start + (2 * noise - 1) * self._object_noise, _side(side))
        rotation = quaternion.uniform(turn)
        clear = TABLE_TOP + _GAP + upward_extent(rotation, self.scale * (EDGE / 2))
        position = torch.cat((position[..., :2], torch.maximum(position[..., 2], clear).unsqueeze(-1)), -1)
        return torch.cat((position, rotation), -1)

    def _new_goal(self, numbers: torch.Tensor) -> torch.Tensor:
        """Pose of the goal's body, ``[K, N, 7]``."""
        place, turn, side = numbers.split_with_sizes((3, 3, 1), -1)
        place = self._volume_low + (self._volume_high - self._volume_low) * place
        rotation = (
            quaternion.uniform(turn) if self.goal_shape == "object" else self._upright.expand_as(numbers[..., :4])
        )
        return torch.cat((self._sided_goal(place, _side(side)), rotation), -1)

    def _mocap(self, goal: torch.Tensor) -> State:
        position, rotation = goal.unsqueeze(-2).split_with_sizes((3, 4), -1)
        return {"mocap_pos": position, "mocap_quat": rotation}

    def _control(self, state: State, actions: torch.Tensor) -> Mapping[str, torch.Tensor]:
        low, high = self._reading.low, self._reading.high
        actions = actions.clamp(-1, 1)
        targets = low + (high - low) * (actions + 1) / 2
        if self.options.arm_control == "relative":
            before = state["ctrl"][..., self._reading.ctrl]
            targets = torch.where(self._is_arm, before + self.options.arm_speed * _STEP * actions, targets)
        ctrl = torch.empty_like(targets)
        ctrl[..., self._reading.ctrl] = targets.clamp(low, high)
        if not self.options.force_scale:
            return {"ctrl": ctrl}
        _, rotation = self._reading.object_pose(state)
        wrench = ctrl.new_zeros(self.num_seeds, self.num_envs, self.sim.model.mj.nbody, 6)
        wrench[..., self._object_body, :3] = quaternion.rotate(rotation, state["force"])
        return {"ctrl": ctrl, "xfrc_applied": wrench}

    def _advance(self, state: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        self._curriculum.advance()
        numbers = self._streams.uniform(self.num_envs, 2 * _POSE)
        stepped, reward, terminated = super()._advance(state, actions)
        moving = stepped["reached"] & ~terminated
        if self.device.type != "cpu" or moving.any():
            stepped = self._move_goal(stepped, moving, numbers)
        return stepped, reward, terminated

    def _judge(self, state: State, sensed: State, actions: torch.Tensor) -> tuple[State, torch.Tensor, torch.Tensor]:
        position, _ = self._reading.object_pose(sensed)
        speeds = self._reading.speeds(sensed).abs()
        arm_speed = (speeds * self._is_arm).sum(-1)
        measured = Measured(
            tips=self._reading.tip_distances(sensed),
            keypoint=self._keypoint_distance(sensed, state["goal"]),
            height=position[..., 2] - self._object_start[2],
            arm_speed=arm_speed,
            hand_speed=speeds.sum(-1) - arm_speed,
        )
        progress, reward, reached = judge(state, measured, self._curriculum.tolerance, self.options)
        successes = state["successes"] + reached
        fallen = position[..., 2] < _FALLEN
        terminated = fallen | (successes >= self.options.max_successes) | self._ended(measured.tips)
        own = {
            "goal": state["goal"],
            **progress,
            "reached": reached,
            "successes": successes,
            "clock": (state["clock"] + 1).masked_fill(reached, 0),
            "ever_lifted": torch.maximum(state["ever_lifted"], progress["lifted"].float()),
            "last_reward": reward.clone(),
            "force": self._next_force(state),
            "force_chance": state["force_chance"],
        }
        return own, reward, terminated

    def _next_force(self, state: State) -> torch.Tensor:
        """Force on the object during the next step in its own frame, N, ``[K, N, 3]``."""
        if not self.options.force_scale:
            return state["force"]
        new = self._streams.uniform(self.num_envs) < state["force_chance"]
        force = self._streams.normal(self.num_envs, 3) * self._mass * self.options.force_scale
        return where(new, force, state["force"] * _FORCE_KEPT)

    def _move_goal(self, state: State, moving: torch.Tensor, numbers: torch.Tensor) -> State:
        """Set the next goal of the copies of ``moving``; put their object back where the task says so."""
        goal_numbers, placed = numbers.split_with_sizes((_POSE, _POSE), -1)
        goal = where(moving, self._new_goal(goal_numbers), state["goal"])
        self._write(self._mocap(goal))
        state = state | {"goal": goal, "near_steps": state["near_steps"].masked_fill(moving, 0)}
        if self.replaces_object:
            qpos, qvel = state["qpos"].clone(), state["qvel"].clone()
            pose, motion = self._reading.object_qpos, self._reading.object_qvel
            qpos[..., pose] = where(moving, self._placed(placed), qpos[..., pose])
            qvel[..., motion] = qvel[..., motion].masked_fill(moving.unsqueeze(-1), 0)
            # No derived field that is sensed depends on the object, so none needs to be computed again.
            self._write({"qpos": qpos[..., pose]}, pose, moving)
            self._write({"qvel": qvel[..., motion]}, motion, moving)
            state = state | {"qpos": qpos, "qvel": qvel, "lifted": state["lifted"] & ~moving}
            state["closest_tips"] = where(moving, self._reading.tip_distances(state), state["closest_tips"])
        distance = self._keypoint_distance(state, goal)
        return state | {"closest_keypoint": torch.where(moving, distance, state["closest_keypoint"])}

    def _write(self, fields: State, columns: slice = slice(None), worlds: torch.Tensor | None = None) -> None:
        """Write to the simulator, to the chosen columns of the chosen copies."""
        for name, values in fields.items():
            view = self.sim.views[name][:, columns]
            values = values.flatten(0, 1).to(view.dtype)
            view.copy_(values if worlds is None else where(worlds.flatten(), values, view))

    def _restart(self, start: State, stepped: State, starting: torch.Tensor) -> State:
        if start is not stepped:  # a reset ends no episode
            self._curriculum.record(starting, stepped["successes"])
        state = super()._restart(start, stepped, starting)
        tips, keypoint = self._reading.tip_distances(state), self._keypoint_distance(state, state["goal"])
        state["closest_tips"] = where(starting, tips, state["closest_tips"])
        state["closest_keypoint"] = torch.where(starting, keypoint, state["closest_keypoint"])
        return state

    def _keypoint_distance(self, sensed: State, goal: torch.Tensor) -> torch.Tensor:
        """Of the furthest keypoint from its goal, ``[K, N]``."""
        return furthest(self._keypoints.at(*self._reading.object_pose(sensed)), self._goal_keypoints(goal))

    def _goal_keypoints(self, goal: torch.Tensor) -> torch.Tensor:
        body, rotation = goal.split_with_sizes((3, 4), -1)
        return self._keypoints.at(body + self._above, rotation)

    def _observe(self, state: State) -> torch.Tensor:
        keypoints = self._keypoints.at(*self._reading.object_pose(state))
        return observe(self._reading, state, keypoints, self._goal_keypoints(state["goal"]), self.scale)

    def _timed_out(self, stepped: State, elapsed: torch.Tensor) -> torch.Tensor:
        return stepped["clock"] >= self.options.time_limit

    def _metrics(self, state: State, terminated: torch.Tensor) -> dict[str, torch.Tensor]:
        return {
            **super()._metrics(state, terminated),
            "successes": state["successes"].clone(),
            "lifted": state["ever_lifted"].clone(),
            "tolerance": self._curriculum.tolerance.unsqueeze(-1).expand_as(state["successes"]).clone(),
        }

    def curriculum(self) -> dict[str, torch.Tensor]:
        """See ``envs.curriculum.Curriculum``: ``tolerance``, m."""
        return {"tolerance": self._curriculum.tolerance.clone()}

    def set_curriculum(self, values: dict[str, torch.Tensor]) -> None:
        """Take over another instance's tolerance; this one's then stays until the next call."""
        self._curriculum.follow(values["tolerance"])

    def state_dict(self) -> dict[str, Any]:
        """As ``SimEnv.state_dict``, and the curriculum."""
        return {**super().state_dict(), "curriculum": self._curriculum.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        super().load_state_dict(state)
        self._curriculum.load_state_dict(state["curriculum"])


def _side(numbers: torch.Tensor) -> torch.Tensor:
    """-1 or 1 for uniform numbers ``[..., 1]``, ``[...]``."""
    return torch.where(numbers.squeeze(-1) < 0.5, -1.0, 1.0)
