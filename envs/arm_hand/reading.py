"""Where the robots' and the object's quantities stand among the simulator's fields."""

import torch

from envs.arm_hand.scene import OBJECT, Robot
from envs.batched import State
from envs.sim.model import Model
from envs.sim.quaternion import rotate

SENSED = ("qpos", "qvel", "ctrl", "site_xpos", "sensordata")
"""The fields read here."""
_JOINT = f"{OBJECT}_joint"


class Reading:
    """Reads the fields of ``SENSED``; arms come left before right, joints arm before hand."""

    def __init__(self, model: Model, robots: tuple[Robot, ...], device: torch.device) -> None:
        joints = [name for robot in robots for name in robot.joints]
        self.qpos = torch.tensor([model.qpos(name).start for name in joints], device=device)
        """Columns of the joints in ``qpos``, ``[A]``."""
        self.qvel = torch.tensor([model.qvel(name).start for name in joints], device=device)
        self.ctrl = torch.tensor(model.ids("actuator", joints), device=device)
        self.low, self.high = model.constant("jnt_range", device)[model.ids("joint", joints)].unbind(-1)
        """Ranges of the joints, rad, ``[A]`` each."""
        self.object_qpos, self.object_qvel = model.qpos(_JOINT), model.qvel(_JOINT)
        self._tips = torch.tensor(model.ids("site", [tip for robot in robots for tip in robot.tips]), device=device)
        self._palms = torch.tensor(model.ids("site", [robot.palm for robot in robots]), device=device)
        sensors = [f"{robot.palm}_{kind}" for robot in robots for kind in ("quat", "linvel", "angvel")]
        columns = [column for name in sensors for column in _columns(model.sensor(name))]
        self._palm_motion = torch.tensor(columns, device=device)

    def angles(self, sensed: State) -> torch.Tensor:
        """Joint angles in their ranges, from -1 to 1, ``[K, N, A]``."""
        return (2 * sensed["qpos"][..., self.qpos] - self.high - self.low) / (self.high - self.low)

    def speeds(self, sensed: State) -> torch.Tensor:
        """Joint speeds, rad/s, ``[K, N, A]``."""
        return sensed["qvel"][..., self.qvel]

    def tips(self, sensed: State) -> torch.Tensor:
        """Positions of the fingertips, ``[K, N, F, 3]``."""
        return sensed["site_xpos"][..., self._tips, :]

    def palms(self, sensed: State) -> torch.Tensor:
        """Positions of the palms' middles, ``[K, N, R, 3]``."""
        return sensed["site_xpos"][..., self._palms, :]

    def palm_motion(self, sensed: State) -> torch.Tensor:
        """Quaternion, velocity and angular velocity of every palm, ``[K, N, R * 10]``."""
        return sensed["sensordata"][..., self._palm_motion]

    def object_pose(self, sensed: State) -> tuple[torch.Tensor, torch.Tensor]:
        """Position ``[K, N, 3]`` and quaternion ``[K, N, 4]`` of the object."""
        position, quaternion = sensed["qpos"][..., self.object_qpos].split_with_sizes((3, 4), -1)
        return position, quaternion

    def object_motion(self, sensed: State) -> torch.Tensor:
        """Quaternion, velocity and angular velocity of the object, ``[K, N, 10]``."""
        _, quaternion = self.object_pose(sensed)
        linear, local = sensed["qvel"][..., self.object_qvel].split_with_sizes((3, 3), -1)
        # A free joint's angular velocity is in the body's frame, its linear one in the world's.
        return torch.cat((quaternion, linear, rotate(quaternion, local)), -1)

    def tip_distances(self, sensed: State) -> torch.Tensor:
        """Distance of every fingertip from the object's middle, ``[K, N, F]``."""
        position, _ = self.object_pose(sensed)
        distances: torch.Tensor = torch.linalg.vector_norm(self.tips(sensed) - position.unsqueeze(-2), dim=-1)
        return distances


def _columns(part: slice) -> range:
    return range(part.start, part.stop)
