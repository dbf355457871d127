"""Whole episodes without learning."""

from collections.abc import Callable

import torch
from torch import Tensor

from envs.vector import VectorEnv, critic_observation, policy_observation

Act = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""``(obs [K, N, D], critic_obs, state [K, N, Z], resets [K, N]) -> (actions for the environment, next state)``."""


Remember = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""``(obs [K, N, D], rewards [K, N], final_obs, dones [K, N], state as act returned it) -> next state``."""


@torch.no_grad()
def play_episodes(env: VectorEnv, act: Act, state: Tensor, remember: Remember | None = None) -> dict[str, Tensor]:
    """Play the first episode of every copy to its end.

    Args:
        env: Environment to play in; reset here.
        act: Policy.
        state: Recurrent state to start from, ``[K, N, Z]``.
        remember: What a policy that reads whole transitions makes of each; None for one that reads observations.

    Returns:
        ``return``, ``length`` and the task's own metrics of each copy's episode, ``[K, N]``.
    """
    observation, _ = env.reset()
    playing = torch.ones(env.num_seeds, env.num_envs, dtype=torch.bool, device=env.device)
    resets = playing
    figures = {name: torch.zeros(playing.shape, device=env.device) for name in ("return", "length")}
    for _ in range(env.max_episode_steps):
        obs = policy_observation(observation)
        actions, state = act(obs, critic_observation(observation), state, resets)
        observation, rewards, terminated, truncated, info = env.step(actions)
        resets = terminated | truncated
        if remember is not None:
            state = remember(obs, rewards, policy_observation(info["final_obs"]), resets, state)
        figures["return"] += torch.where(playing, rewards, 0.0)
        figures["length"] += playing
        for name, value in info["final_info"].items():
            figures[name] = torch.where(playing & resets, value.float(), figures.get(name, torch.zeros_like(rewards)))
        playing = playing & ~resets
        if not bool(playing.any()):
            break
    return figures
