"""The locomotion tasks once more: one MjData stepped by hand, in numpy; imported by the tests."""

from importlib import resources

import mujoco
import numpy as np


def shipped(name):
    return (resources.files("gymnasium") / "envs" / "mujoco" / "assets" / name).read_text()


class Reference:
    """One world in float64; ``start`` puts it anywhere."""

    frame_skip = 5

    def __init__(self):
        self.model = self.make_model()
        self.data = mujoco.MjData(self.model)

    def start(self, qpos, qvel, task):
        self.task = np.asarray(task, dtype=np.float64)
        self.prepare()
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        mujoco.mj_forward(self.model, self.data)

    def prepare(self):
        """Make the task's model."""

    def step(self, action):
        """Observation, reward, whether the episode is over before its horizon."""
        action = np.asarray(action, dtype=np.float64)
        before = self.data.qpos.copy()
        self.data.ctrl[:] = np.clip(action, -1, 1)
        for _ in range(self.frame_skip - 1):
            mujoco.mj_step(self.model, self.data)
        mujoco.mj_forward(self.model, self.data)
        mujoco.mj_rnePostConstraint(self.model, self.data)
        self.contacts = self.data.cfrc_ext.copy()
        mujoco.mj_step(self.model, self.data)
        mujoco.mj_kinematics(self.model, self.data)
        velocity = (self.data.qpos - before) / (self.frame_skip * self.model.opt.timestep)
        return (self.observe(), *self.judge(velocity, action))


class CheetahReference(Reference):
    def make_model(self):
        model = mujoco.MjModel.from_xml_string(shipped("half_cheetah.xml").replace('settotalmass="14"', ""))
        mujoco.mj_setTotalmass(model, 14)
        mujoco.mj_setConst(model, mujoco.MjData(model))
        return model

    def observe(self):
        return np.concatenate((self.data.qpos[1:], self.data.qvel, self.data.body("torso").xpos))


class CheetahDirReference(CheetahReference):
    def judge(self, velocity, action):
        return self.task[0] * velocity[0] - 0.05 * (action**2).sum(), False


class CheetahVelReference(CheetahReference):
    def judge(self, velocity, action):
        return -abs(velocity[0] - self.task[0]) - 0.05 * (action**2).sum(), False


class AntReference(Reference):
    def make_model(self):
        model = mujoco.MjModel.from_xml_string(shipped("ant.xml"))
        model.geom_margin[0] = 0  # of the floor: contacts as close as before MuJoCo added the margins of two geoms
        return model

    def angle(self):
        return 0.0 if self.task[0] > 0 else np.pi

    def judge(self, velocity, action):
        forward = velocity[0] * np.cos(self.angle()) + velocity[1] * np.sin(self.angle())
        self.contact_cost = 0.5e-3 * (np.clip(self.contacts, -1, 1) ** 2).sum()
        height = self.data.qpos[2]
        return forward - 0.5 * (action**2).sum() - self.contact_cost + 1, not 0.2 <= height <= 1

    def observe(self):
        return np.concatenate((self.data.qpos[2:], self.data.qvel))


class RadiansAntReference(AntReference):
    def angle(self):
        return self.task[0]


class WalkerReference(Reference):
    frame_skip = 4

    def make_model(self):
        model = mujoco.MjModel.from_xml_string(shipped("walker2d.xml"))
        model.opt.timestep = 0.004
        return model

    def prepare(self):
        self.model, first = self.make_model(), 0
        for field, base in (("body_mass", 1.5), ("body_inertia", 1.5), ("dof_damping", 1.3), ("geom_friction", 1.5)):
            values = getattr(self.model, field)
            values *= base ** self.task[first : first + values.size].reshape(values.shape)
            first += values.size
        assert first == len(self.task) == 65
        self.data = mujoco.MjData(self.model)
        mujoco.mj_setConst(self.model, self.data)

    def judge(self, velocity, action):
        _, height, angle = self.data.qpos[:3]
        over = not (0.8 < height < 2.0 and -1 < angle < 1)
        return velocity[0] + 1 - 1e-3 * (action**2).sum(), over

    def observe(self):
        return np.concatenate((self.data.qpos[1:], np.clip(self.data.qvel, -10, 10)))
