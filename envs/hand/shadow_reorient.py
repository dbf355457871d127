"""``hand/shadow_reorient``: a Shadow hand turns a cube in its palm to one orientation after the other.

The task is IsaacGymEnvs' ShadowHand (observation ``full_state``, block), as SAPG's experiments use it; reward, goals
and ends stand in ``envs.hand.in_hand``. Actions are the 20 servos' targets, 60 times a second.

Observation (211), clipped to +-5; positions in m in the world's frame (the hand's mount is 0.5 m above its origin, the
fingers point along -y, z is up), quaternions (w, x, y, z); joints in the order of ``shadow.JOINTS`` (wrist, first,
middle, ring, little finger, thumb, each from the palm outwards), tips in the order first, middle, ring, little, thumb:

=======  =====================================================================================
0:24     joint angles, their ranges mapped to [-1, 1]
24:48    joint speeds, rad/s, times 0.2
48:72    torques on the joints from servos, contacts, limits and couplings, N m, times 10
72:79    cube: position, quaternion
79:82    cube: velocity, m/s
82:85    cube: angular velocity in the world's frame, rad/s, times 0.2
85:92    goal: position, quaternion
92:96    rotation from goal to cube: cube * conjugate(goal)
96:161   for each tip: position, quaternion, velocity (m/s), angular velocity (rad/s), world's frame
161:191  for each tip: force (N) and torque (N m) on it through its joint, in its own frame, times 10
191:211  the action before
=======  =====================================================================================

Differences from Isaac Gym's task: MuJoCo's physics (changes to the model: ``envs.hand.shadow``); quaternions w first;
Isaac Gym's joint forces become the servos' torques and the solver's, its force sensors in the tips become the wrench
that a tip's joint transmits (as in Isaac Lab's task) without the tip's weight, since gravity does not act on the hand;
both are those of the last physics step, 0 where an episode begins; the goal's successor shows in the observation that
follows the success, not one step later; an episode lasts ``time_limit`` steps, not one less.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch

from envs.batched import State, where
from envs.hand import shadow, world
from envs.hand.in_hand import InHand, cube_and_goal
from envs.hand.options import ShadowReorientOptions
from envs.sim import quaternion
from envs.sim.model import Scene

_MOUNT: world.Vector = (0.0, 0.0, 0.5)
_PLACE: world.Vector = (0.0, -0.39, 0.56)
"""Every goal's position, over the front of the palm, m."""
_STATE, _WRENCH = 13, 6
_WRENCH_SCALE = 10.0
_TIPS = len(shadow.TIPS)
_CONTACTS = 32
"""Of a world; random play came to 15."""


def scene(options: ShadowReorientOptions, *, jacobian: Literal["auto", "sparse"] = "auto") -> Scene:
    """The hand, the cube and the goal; see ``world.document`` for ``jacobian``."""
    parts = (
        world.camera("front", position=(0.3, -0.76, 0.86), target=(-0.07, -0.37, 0.56)),
        shadow.shadow(position=_MOUNT),
        *cube_and_goal(options, _PLACE),
    )
    return Scene(world.document("hand_shadow_reorient", parts, jacobian=jacobian), shadow.meshes(), contacts=_CONTACTS)


class ShadowReorient(InHand):
    """K x N Shadow hands."""

    sensed: ClassVar[tuple[str, ...]] = (*InHand.sensed, "sensordata", "qfrc_actuator", "qfrc_constraint")
    substeps = 2
    joints: ClassVar[tuple[str, ...]] = shadow.JOINTS
    driven: ClassVar[tuple[str, ...]] = shadow.DRIVEN
    observation_size = 211

    def __init__(
        self, *, num_envs: int, seeds: Sequence[int], device: torch.device | str, options: ShadowReorientOptions
    ) -> None:
        self._options = options
        super().__init__(num_envs=num_envs, seeds=seeds, device=device, options=options, place=_PLACE)
        model = self.sim.model
        tips = model.ids("body", shadow.TIPS)
        mass, self._centre = (model.constant(name, self.device)[tips] for name in ("body_mass", "body_ipos"))
        self._weight = mass.unsqueeze(-1) * mass.new_tensor(model.mj.opt.gravity)

    def _scene(self) -> Scene:
        # On a CPU the sparse one takes 0.7 of the time, though MuJoCo would choose it from 60 degrees of freedom on.
        return scene(self._options, jacobian="sparse" if self.device.type == "cpu" else "auto")

    def _torques(self, state: State) -> torch.Tensor:
        joints = len(self.joints)
        torques = state["qfrc_actuator"][..., :joints] + state["qfrc_constraint"][..., :joints]
        return where(state["age"] > 0, torques, torch.zeros_like(torques))

    def _touch(self, state: State) -> Sequence[torch.Tensor]:
        numbers = state["sensordata"]
        states, wrench = numbers[..., : _TIPS * _STATE], numbers[..., _TIPS * _STATE :]
        wrench = wrench.view(*wrench.shape[:-1], _TIPS, _WRENCH)
        turn = states.view(*states.shape[:-1], _TIPS, _STATE)[..., 3:7]
        # The sensor says what would hold the tip up, though gravity compensation already does.
        weight = quaternion.rotate(quaternion.conjugate(turn), self._weight)
        weight = torch.cat((weight, torch.linalg.cross(self._centre.expand_as(weight), weight)), -1)
        wrench = where(state["age"] > 0, wrench + weight, torch.zeros_like(wrench))
        return states, wrench.flatten(-2) * _WRENCH_SCALE
