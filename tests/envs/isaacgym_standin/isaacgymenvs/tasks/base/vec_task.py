"""A stand-in for IsaacGymEnvs' ``VecTask``, written from its contract; Isaac Gym itself cannot be had here.

Copied of the real class: the constructor's arguments; buffers that are allocated once and written in place, with their
types (``reset_buf`` long, all ones at first); ``step`` = clip, ``pre_physics_step``, physics, ``post_physics_step``,
``time_outs = (progress_buf >= max_episode_length - 1) & (reset_buf != 0)``, and the return of ``(obs_dict, rew_buf,
reset_buf, extras)``, the same dicts at every call; ``states`` only where the task has some; ``reset`` that computes
nothing; restarts inside the next ``pre_physics_step``; ``zero_actions``, ``set_train_info``, ``get_env_state``;
random numbers from torch's global generator. Not copied: physics, sizes, rendering, randomisation.
"""

import os
import signal
import sys

import torch
from isaacgym import __name__ as _imported_first  # noqa: F401 (as the real one: isaacgym before torch is its rule)


class VecTask:
    def __init__(
        self,
        config,
        rl_device,
        sim_device,
        graphics_device_id,
        headless,
        virtual_screen_capture=False,
        force_render=False,
    ):
        if os.environ.get("ISAACGYM_STANDIN_CRASHES"):  # as the real one does on some GPUs
            sys.stdout.write("+++ Using GPU PhysX\n")
            os.kill(os.getpid(), signal.SIGSEGV)
        self.cfg = config
        self.rl_device = rl_device
        self.device = sim_device if config["sim"]["use_gpu_pipeline"] else "cpu"
        self.headless = headless
        self.num_envs = config["env"]["numEnvs"]
        self.num_obs = config["env"]["numObservations"]
        self.num_states = config["env"].get("numStates", 0)
        self.num_acts = config["env"]["numActions"]
        self.clip_obs = config["env"].get("clipObservations", float("inf"))
        self.clip_actions = config["env"].get("clipActions", float("inf"))
        self.total_train_env_frames = 0
        n, device = self.num_envs, self.device
        self.obs_buf = torch.zeros(n, self.num_obs, device=device)
        self.states_buf = torch.zeros(n, self.num_states, device=device)
        self.rew_buf = torch.zeros(n, device=device)
        self.reset_buf = torch.ones(n, device=device, dtype=torch.long)
        self.progress_buf = torch.zeros(n, device=device, dtype=torch.long)
        self.timeout_buf = torch.zeros(n, device=device, dtype=torch.long)
        self.extras = {}
        self.obs_dict = {}

    def step(self, actions):
        self.pre_physics_step(torch.clamp(actions, -self.clip_actions, self.clip_actions))
        self.simulate()
        self.post_physics_step()
        self.timeout_buf = (self.progress_buf >= self.max_episode_length - 1) & (self.reset_buf != 0)
        self.extras["time_outs"] = self.timeout_buf.to(self.rl_device)
        self._fill_obs_dict()
        return self.obs_dict, self.rew_buf.to(self.rl_device), self.reset_buf.to(self.rl_device), self.extras

    def reset(self):
        self._fill_obs_dict()
        return self.obs_dict

    def _fill_obs_dict(self):
        self.obs_dict["obs"] = torch.clamp(self.obs_buf, -self.clip_obs, self.clip_obs).to(self.rl_device)
        if self.num_states > 0:
            self.obs_dict["states"] = torch.clamp(self.states_buf, -self.clip_obs, self.clip_obs).to(self.rl_device)

    def zero_actions(self):
        return torch.zeros(self.num_envs, self.num_acts, device=self.rl_device)

    def set_train_info(self, env_frames, *args, **kwargs):
        self.total_train_env_frames = env_frames

    def get_env_state(self):
        return None
