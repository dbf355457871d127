"""A plain loop in the style of CleanRL's ``ppo_continuous_action.py``: eager torch, separate tensors, no tricks.

Mode ``fp32`` only, as published.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.distributions import Normal
from workload import ACTION_SIZE, EPOCHS, HIDDEN, HORIZON, MINIBATCHES, OBS_SIZE, CheapTask


def mlp(num_out: int) -> nn.Sequential:
    sizes = (OBS_SIZE, *HIDDEN)
    layers = [layer for a, b in zip(sizes, HIDDEN, strict=False) for layer in (nn.Linear(a, b), nn.ELU())]
    return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], num_out))


class Agent(nn.Module):
    """Actor and critic."""

    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = mlp(ACTION_SIZE), mlp(1)
        self.log_std = nn.Parameter(torch.zeros(1, ACTION_SIZE))

    def forward(self, obs: torch.Tensor, action: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        mean = self.actor(obs)
        policy = Normal(mean, self.log_std.expand_as(mean).exp())
        action = policy.sample() if action is None else action
        return action, policy.log_prob(action).sum(1), policy.entropy().sum(1), self.critic(obs).flatten()


def build(num_envs: int, mode: str) -> Callable[[], None]:
    task, agent = CheapTask(num_envs), Agent()
    optimizer = torch.optim.Adam(agent.parameters(), lr=5e-4, eps=1e-5)
    obs = torch.zeros(HORIZON, num_envs, OBS_SIZE)
    actions = torch.zeros(HORIZON, num_envs, ACTION_SIZE)
    logprobs, rewards, dones, values = (torch.zeros(HORIZON, num_envs) for _ in range(4))
    state = {"obs": task.reset(), "done": torch.zeros(num_envs)}

    def iterate() -> None:
        for step in range(HORIZON):
            obs[step], dones[step] = state["obs"], state["done"]
            with torch.no_grad():
                action, logprob, _, value = agent(state["obs"])
            actions[step], logprobs[step], values[step] = action, logprob, value
            state["obs"], rewards[step], truncated, _ = task.step(action)
            state["done"] = truncated.float()
        advantages, returns = estimate(agent, state, rewards, dones, values)
        learn(agent, optimizer, [x.flatten(0, 1) for x in (obs, actions, logprobs, advantages, returns, values)])

    return iterate


def estimate(
    agent: Agent, state: dict[str, torch.Tensor], rewards: torch.Tensor, dones: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Generalised advantages and returns, both ``[T, N]``."""
    with torch.no_grad():
        next_value, next_done = agent.critic(state["obs"]).flatten(), state["done"]
        advantages, last = torch.zeros_like(rewards), 0.0
        for step in reversed(range(HORIZON)):
            delta = rewards[step] + 0.99 * next_value * (1 - next_done) - values[step]
            advantages[step] = last = delta + 0.99 * 0.95 * (1 - next_done) * last
            next_value, next_done = values[step], dones[step]
    return advantages, advantages + values


def learn(agent: Agent, optimizer: torch.optim.Optimizer, batch: list[torch.Tensor]) -> None:
    """Five epochs of four shuffled minibatches."""
    rows = batch[0].shape[0]
    for _ in range(EPOCHS):
        for index in torch.randperm(rows).split(rows // MINIBATCHES):
            obs, action, old_logprob, advantage, target, old_value = (x[index] for x in batch)
            _, logprob, entropy, value = agent(obs, action)
            ratio = (logprob - old_logprob).exp()
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            surrogate = torch.max(-advantage * ratio, -advantage * ratio.clamp(0.8, 1.2)).mean()
            clipped = old_value + (value - old_value).clamp(-0.2, 0.2)
            error = 0.5 * torch.max((value - target) ** 2, (clipped - target) ** 2).mean()
            loss = surrogate - 0.0 * entropy.mean() + 0.5 * error
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
