"""Two of IsaacGymEnvs' tasks with toy physics: a ball that follows the actions to a goal, and may be dropped.

Of the real tasks: which counters there are, when each is written and cleared, and in which order.
"""

import torch

from isaacgymenvs.tasks.base.vec_task import VecTask


class Ball(VecTask):
    """What both tasks share: state, restarts, goals. Observation: place, quaternion (x, y, z, w), goal, progress."""

    def __init__(self, cfg, rl_device, sim_device, graphics_device_id, headless, virtual_screen_capture, force_render):
        cfg["env"].update(numObservations=11, numActions=3)
        super().__init__(cfg, rl_device, sim_device, graphics_device_id, headless, virtual_screen_capture, force_render)
        self.max_episode_length = cfg["env"]["episodeLength"]
        self.max_consecutive_successes = cfg["env"]["maxConsecutiveSuccesses"]
        self.success_tolerance = cfg["env"]["successTolerance"]
        self.place = torch.zeros(self.num_envs, 3, device=self.device)
        self.goal = torch.zeros(self.num_envs, 3, device=self.device)
        self.successes = torch.zeros(self.num_envs, device=self.device)
        self.reset_goal_buf = self.reset_buf.clone()

    def reset_target_pose(self, env_ids):
        self.goal[env_ids] = torch.rand(len(env_ids), 3, device=self.device) - 0.5
        self.reset_goal_buf[env_ids] = 0

    def reset_idx(self, env_ids):
        self.reset_target_pose(env_ids)
        self.place[env_ids] = torch.rand(len(env_ids), 3, device=self.device) - 0.5
        self.progress_buf[env_ids] = 0
        self.reset_buf[env_ids] = 0
        self.successes[env_ids] = 0

    def pre_physics_step(self, actions):
        goal_ids = self.reset_goal_buf.nonzero(as_tuple=False).squeeze(-1)
        self.reset_target_pose(goal_ids)
        env_ids = self.reset_buf.nonzero(as_tuple=False).squeeze(-1)
        if len(env_ids) > 0:
            self.reset_idx(env_ids)
        self.actions = actions.clone().to(self.device)

    def simulate(self):
        self.place += 0.1 * self.actions

    def post_physics_step(self):
        self.progress_buf += 1
        self.compute_observations()
        self.compute_reward()

    def compute_observations(self):
        self.obs_buf[:, 0:3] = self.place
        half = self.place[:, :1] / 2
        self.obs_buf[:, 3:7] = torch.cat([torch.sin(half), torch.zeros_like(self.place[:, :2]), torch.cos(half)], -1)
        self.obs_buf[:, 7:10] = self.goal
        self.obs_buf[:, 10] = torch.log(self.progress_buf / 10 + 1)

    def distance(self):
        return (self.place - self.goal).abs().amax(-1)

    def resets(self, success):
        """Falls, the last success allowed, time: in the order of the real tasks."""
        resets = torch.where(self.place[:, 2] < -1.0, torch.ones_like(self.reset_buf), self.reset_buf)
        if self.max_consecutive_successes > 0:
            self.progress_buf = torch.where(success, torch.zeros_like(self.progress_buf), self.progress_buf)
            resets = torch.where(self.successes >= self.max_consecutive_successes, torch.ones_like(resets), resets)
        return torch.where(self.progress_buf >= self.max_episode_length - 1, torch.ones_like(resets), resets)


class AllegroKuka(Ball):
    """Consecutive goals, ``successes`` that lag in ``extras``, a tolerance curriculum that is saved and restored."""

    def __init__(self, cfg, *args, **kwargs):
        env = cfg["env"]
        self.initial_tolerance, self.target_tolerance = env["successTolerance"], env["targetSuccessTolerance"]
        self.increment, self.interval = env["toleranceCurriculumIncrement"], env["toleranceCurriculumInterval"]
        self.success_steps = env["successSteps"]
        self.frame_since_restart = self.last_curriculum_update = 0
        super().__init__(cfg, *args, **kwargs)
        self.near_goal_steps = torch.zeros(self.num_envs, dtype=torch.long, device=self.device)
        self.prev_episode_successes = torch.zeros_like(self.successes)
        self.true_objective = torch.zeros_like(self.successes)

    def reset_target_pose(self, env_ids):
        super().reset_target_pose(env_ids)
        self.near_goal_steps[env_ids] = 0

    def reset_idx(self, env_ids):
        self.prev_episode_successes[env_ids] = self.successes[env_ids]
        super().reset_idx(env_ids)
        self.true_objective[env_ids] = 0
        self.extras["scalars"] = {"success_tolerance": self.success_tolerance}

    def post_physics_step(self):
        self.frame_since_restart += 1
        due = self.frame_since_restart - self.last_curriculum_update >= self.interval
        if due and self.prev_episode_successes.mean() >= 3.0:
            smaller = min(self.success_tolerance * self.increment, self.initial_tolerance)
            self.success_tolerance = max(smaller, self.target_tolerance)
            self.last_curriculum_update = self.frame_since_restart
        super().post_physics_step()

    def compute_reward(self):
        near = self.distance() <= 1.5 * self.success_tolerance
        self.near_goal_steps += near
        success = self.near_goal_steps >= self.success_steps
        self.successes += success
        self.reset_goal_buf[:] = success
        self.rew_buf[:] = -self.distance() + 10.0 * near
        self.reset_buf[:] = self.resets(success)
        self.extras["successes"] = self.prev_episode_successes
        self.true_objective = self.successes + (self.initial_tolerance - self.success_tolerance)
        self.extras["true_objective"] = self.true_objective

    def get_env_state(self):
        """As in SAPG's code: live buffers of the physics beside the curriculum."""
        return {
            "success_tolerance": self.success_tolerance,
            "last_curriculum_update": self.last_curriculum_update,
            "frame_since_restart": self.frame_since_restart,
            "prev_episode_successes": self.prev_episode_successes,
            "root_state_tensor": self.place,
            "rewards_episode": {"keypoint_rew": self.rew_buf},
        }


class ShadowHand(Ball):
    """Time runs on after a success; privileged states where asked for."""

    def __init__(self, cfg, *args, **kwargs):
        self.asymmetric_obs = cfg["env"]["asymmetric_observations"]
        cfg["env"]["numStates"] = 13 if self.asymmetric_obs else 0
        super().__init__(cfg, *args, **kwargs)
        self.finished_successes = torch.zeros_like(self.successes)

    def compute_observations(self):
        super().compute_observations()
        if self.asymmetric_obs:
            self.states_buf[:, :11] = self.obs_buf
            self.states_buf[:, 11] = self.successes
            self.states_buf[:, 12] = self.distance()

    def compute_reward(self):
        success = self.distance() <= self.success_tolerance
        self.successes += success
        self.reset_goal_buf[:] = success
        self.rew_buf[:] = -self.distance() + 250.0 * success
        self.reset_buf[:] = self.resets(success)
        self.finished_successes[:] = torch.where(self.reset_buf != 0, self.successes, self.finished_successes)
        self.extras["successes"] = self.finished_successes
        self.extras["consecutive_successes"] = self.finished_successes.mean()


def resolve_allegro_kuka(cfg, *args, **kwargs):
    if cfg["env"]["subtask"] not in ("reorientation", "throw", "regrasping"):
        raise ValueError("Unknown subtask=" + cfg["env"]["subtask"])
    return AllegroKuka(cfg, *args, **kwargs)


isaacgym_task_map = {"AllegroKuka": resolve_allegro_kuka, "ShadowHand": ShadowHand}
