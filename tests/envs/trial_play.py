"""Plays trials with scripted policies; imported by the tests of the memory worlds."""

import torch

from envs import registry


def build(env_id, num_envs, options=None, seeds=(0,)):
    return registry.make(env_id, num_envs=num_envs, seeds=list(seeds), options=options)


def play_trial(env, policy, options=None):
    """One trial of every copy.

    ``policy(observation, reward)`` is called with the last step's reward, zeros at first, and returns the actions.
    The result holds the tasks, ``return`` [K, N], ``episodes`` (return of each inner episode, one tensor per number),
    ``length`` and the trial's metrics. Copies that are through early play on and are ignored.
    """
    observation, _ = env.reset(options)
    task, flagged = env.task, env.episodes_per_trial > 1
    lead = (env.num_seeds, env.num_envs)
    reward, total, length = torch.zeros(lead), torch.zeros(lead), torch.zeros(lead, dtype=torch.int64)
    open_, episode = torch.ones(lead, dtype=torch.bool), torch.zeros(lead, dtype=torch.int64)
    episodes = torch.zeros(env.episodes_per_trial, *lead)
    metrics = {}
    for _ in range(env.max_episode_steps):
        observation, reward, terminated, truncated, info = env.step(policy(observation, reward))
        assert not truncated.any()
        total += reward * open_
        length += open_
        episodes.scatter_add_(0, episode.unsqueeze(0), (reward * open_).unsqueeze(0))
        ending = terminated & open_
        for name, value in info["final_info"].items():
            metrics[name] = torch.where(ending, value, metrics.get(name, torch.zeros(lead)))
        open_ &= ~ending
        if flagged:
            episode = (episode + (info["final_obs"][..., -1] > 0)).clamp_max(env.episodes_per_trial - 1)
        if not open_.any():
            break
    assert not open_.any()
    return {"task": task, "return": total, "episodes": episodes, "length": length, "metrics": metrics}


def script(env, task, actions):
    """What a world of one copy returns for a list of actions: lists of observations, rewards, final observations."""
    first = env.reset({"task": torch.tensor(task)})[0]
    observations, rewards, finals, ends = [first[0, 0].tolist()], [], [], []
    for action in actions:
        observation, reward, terminated, _, info = env.step(torch.tensor([[action]]))
        observations.append(observation[0, 0].tolist())
        rewards.append(reward.item())
        finals.append(info["final_obs"][0, 0].tolist())
        ends.append(terminated.item())
    return observations, rewards, finals, ends
