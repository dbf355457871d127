"""``hand/reorient``: an Allegro hand turns a cube in its palm to one orientation after the other.

The task is IsaacGymEnvs' AllegroHand (observation ``full_state``, block), as SAPG's experiments use it; reward, goals
and ends stand in ``envs.hand.in_hand``. Actions are the 16 servos' targets, 30 times a second.

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

from collections.abc import Sequence
from typing import ClassVar

import torch

from envs.batched import State
from envs.hand import allegro, world
from envs.hand.in_hand import InHand, cube_and_goal
from envs.hand.options import ReorientOptions
from envs.sim.model import Scene

_HAND_HEIGHT = 0.5
_CONTACTS = 32
"""Most of one world; random play reaches 21."""
_CUBE_FORWARD = -0.01
"""Where the cube lies along the fingers: over the front of the palm, m."""


def resting_place(options: ReorientOptions) -> world.Vector:
    """Middle of a cube that lies on the level palm, m."""
    return (_CUBE_FORWARD, 0.0, _HAND_HEIGHT + allegro.PALM_SURFACE + options.object_size / 2)


def scene(options: ReorientOptions) -> Scene:
    """The hand, the cube and the goal."""
    parts = (
        world.camera("front", position=(0.32, -0.3, 0.86), target=(-0.03, -0.01, 0.56)),
        allegro.allegro(position=(0.0, 0.0, _HAND_HEIGHT), orientation=allegro.palm_up(options.palm_tilt)),
        *cube_and_goal(options, resting_place(options)),
    )
    return Scene(world.document("hand_reorient", parts), contacts=_CONTACTS)


class Reorient(InHand):
    """K x N Allegro hands."""

    substeps = 4
    joints: ClassVar[tuple[str, ...]] = allegro.JOINTS
    driven: ClassVar[tuple[str, ...]] = allegro.JOINTS
    observation_size = 88

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: ReorientOptions
    ) -> None:
        self._options = options
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options, place=resting_place(options))

    def _scene(self) -> Scene:
        return scene(self._options)

    def _torques(self, state: State) -> torch.Tensor:
        angles, speeds = (state[name][..., : len(self.joints)] for name in ("qpos", "qvel"))
        drive = allegro.DRIVE
        torques = drive.stiffness * (state["ctrl"] - angles) - drive.damping * speeds
        return torques.clamp(-drive.torque, drive.torque)
