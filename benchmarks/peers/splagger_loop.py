"""Recurrent PPO of SplAgger as the official code runs it: one encoder call per time step, everywhere.

Written from a description of the official code; nothing is copied. One update on the T-Maze (T = 700, N = 16):

    604 calls    encode a running trajectory that is empty (its result is the prior)
    700 calls    rollout, with the policy's weights made per copy and step
    9 x 700      encode the rollout again, with its graph: before the first and after each of the 8 minibatch steps;
                 the last of them is never used (``recompute_after_last``)
    8 x          2,800 random (t, env) pairs through hypernetworks that make each pair's weights (2.2 GB), and back
                 through the graph of all 700 steps; two Adams, two gradient norms
    604 calls    evaluation, in the official code after every update (``evaluation_steps``; off here: no training)

Kept are the choices that matter to learning: memory emptied at the start of a rollout, the terminal transition encoded
after the reset, statistics of states moved once per update, old values and log-probabilities from the rollout. Left out
are processes and pipes (``splagger_worlds.py`` steps the copies in this process), logging and saving, which are to the
loop's advantage.
"""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from peers.splagger_model import Encoder, Policy
from peers.splagger_worlds import NUM_ACTIONS, STATE_SIZE, BatchedWorld, PythonWorld, World


@dataclasses.dataclass(frozen=True)
class Options:
    """The official values for the T-Maze; the learning rate is one of the five of its grid."""

    num_steps: int = 700
    epochs: int = 2
    minibatches: int = 4
    learning_rate: float = 3e-4
    clip: float = 0.05
    entropy: float = 0.1
    gamma: float = 0.95
    gae_lambda: float = 0.95
    empty_trajectory_steps: int = 604
    recompute_after_last: bool = True
    evaluation_steps: int = 0


class RunningMoments:
    """Mean and variance over batches, by Chan's update; starts from almost no count."""

    def __init__(self, size: tuple[int, ...]) -> None:
        self.mean, self.var, self.count = torch.zeros(size), torch.ones(size), 1e-4

    def update(self, x: Tensor) -> None:
        total, delta = self.count + len(x), x.mean(0) - self.mean
        squares = self.var * self.count + x.var(0, unbiased=False) * len(x) + delta**2 * self.count * len(x) / total
        self.mean, self.var, self.count = self.mean + delta * len(x) / total, squares / total, total


class Loop:
    """One seed: rollout and update of T x N transitions."""

    def __init__(self, world: World, num_envs: int, options: Options) -> None:
        self.world, self.num_envs, self.options = world, num_envs, options
        self.encoder, self.policy = Encoder(STATE_SIZE), Policy(STATE_SIZE, NUM_ACTIONS)
        self.encoder_adam = torch.optim.Adam(self.encoder.parameters(), options.learning_rate, eps=1e-8)
        self.policy_adam = torch.optim.Adam(self.policy.parameters(), options.learning_rate, eps=1e-5)
        self.states, self.returns = RunningMoments((STATE_SIZE,)), RunningMoments(())
        self.discounted, self.trial_return = torch.zeros(num_envs), torch.zeros(num_envs)
        self.obs = world.reset()
        self.timed: Callable[[str], AbstractContextManager] = lambda part: nullcontext()
        """Replace to measure the parts of an update."""
        self.encoder_calls = 0

    def iterate(self) -> dict[str, float]:
        """One rollout and update; losses and the mean return of the trials that ended."""
        self.encoder_calls = 0
        with self.timed("empty trajectory"):
            self._encode_empty_trajectory()
        with self.timed("rollout"):
            rollout = self._collect()
        metrics = self._update(rollout)
        if self.options.evaluation_steps:
            with self.timed("evaluation"):
                self._evaluate()
        return metrics

    @torch.no_grad()
    def _encode_empty_trajectory(self) -> None:
        blank = torch.zeros(self.num_envs, STATE_SIZE), torch.zeros(self.num_envs, 1), torch.zeros(self.num_envs, 1)
        memory = self.encoder.initial(self.num_envs)
        for _ in range(self.options.empty_trajectory_steps):
            memory = self._encode(*blank, blank[0], memory)[2]

    def _encode(self, *transition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.encoder_calls += 1
        return self.encoder(*transition)

    def _act(self, obs: Tensor, latent: Tensor) -> tuple[torch.distributions.Categorical, Tensor]:
        return self.policy((obs - self.states.mean) / (self.states.var + 1e-8).sqrt(), latent)

    @torch.no_grad()
    def _collect(self) -> dict[str, Tensor]:
        """T steps; every value ``[T, N, ...]`` except ``last_value [N]``."""
        rows: dict[str, list[Tensor]] = {name: [] for name in _COLUMNS}
        memory, latent = self.encoder.initial(self.num_envs), torch.cat(self.encoder.prior(self.num_envs), -1)
        for _ in range(self.options.num_steps):
            state = self.obs
            distribution, value = self._act(state, latent)
            action = distribution.sample()
            next_state, reward, done = self.world.step(action)
            memory = memory * (~done).float().unsqueeze(1)
            entered = action.float().unsqueeze(1), reward.unsqueeze(1)
            mean, log_variance, memory = self._encode(state, *entered, next_state, memory)
            latent = torch.cat([mean, log_variance], -1)
            scaled = self._scale(reward, done)
            stored = (state, next_state, action, reward, scaled, done, distribution.log_prob(action), value)
            for name, column in zip(_COLUMNS, stored, strict=True):
                rows[name].append(column)
            self.obs = self.world.restart(done) if done.any() else next_state
        rollout = {name: torch.stack(column) for name, column in rows.items()}
        return rollout | {"last_value": self._act(self.obs, latent)[1]}

    def _scale(self, reward: Tensor, done: Tensor) -> Tensor:
        """Rewards over the deviation of the discounted return, whose sums all restart when any copy does."""
        self.discounted = self.discounted * self.options.gamma + reward
        self.returns.update(self.discounted)
        if done.any():
            self.discounted.zero_()
        return (reward / (self.returns.var + 1e-8).sqrt()).clamp(-10, 10)

    def _update(self, rollout: dict[str, Tensor]) -> dict[str, float]:
        options, metrics = self.options, {"return": self._finished_trials(rollout)}
        self.states.update(rollout["state"].flatten(0, 1))
        advantages, targets = self._estimate(rollout)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-5)
        flat = {name: rollout[name].flatten(0, 1) for name in ("state", "action", "logp", "value")}
        rows, steps = options.num_steps * self.num_envs, options.epochs * options.minibatches
        size, losses = rows // options.minibatches, []
        latents = self._recompute(rollout)
        for step in range(steps):
            if step % options.minibatches == 0:
                order = torch.randperm(rows)
            at = order[size * (step % options.minibatches) :][:size]
            with self.timed("policy forward"):
                latent = [torch.cat(half[:-1]).index_select(0, at) for half in latents]
                batch = {name: column.index_select(0, at) for name, column in flat.items()}
                loss = self._loss(batch, torch.cat(latent, -1), advantages.flatten()[at], targets.flatten()[at])
            self._step(loss)
            losses.append(float(loss.detach()))
            if step + 1 < steps or options.recompute_after_last:
                latents = self._recompute(rollout)
        return metrics | {"loss": sum(losses) / steps}

    def _finished_trials(self, rollout: dict[str, Tensor]) -> float:
        finished = []
        for reward, done in zip(rollout["reward"], rollout["done"], strict=True):
            self.trial_return += reward
            finished += self.trial_return[done].tolist()
            self.trial_return.masked_fill_(done, 0.0)
        return sum(finished) / len(finished) if finished else float("nan")

    def _estimate(self, rollout: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Generalised advantages over trials and the critic's targets, ``[T, N]``."""
        gamma, rewards, values = self.options.gamma, rollout["scaled"], rollout["value"]
        goes_on = (~rollout["done"]).float()
        advantages, last, next_value = torch.zeros_like(rewards), torch.zeros(self.num_envs), rollout["last_value"]
        for t in reversed(range(len(rewards))):
            delta = rewards[t] + gamma * next_value * goes_on[t] - values[t]
            advantages[t] = last = delta + gamma * self.options.gae_lambda * goes_on[t] * last
            next_value = values[t]
        return advantages, advantages + values

    def _recompute(self, rollout: dict[str, Tensor]) -> list[list[Tensor]]:
        """The two halves of f_0 ... f_T, with their graph, one call per step."""
        with self.timed("encoder forward"):
            memory = self.encoder.initial(self.num_envs)
            means, log_variances = ([half] for half in self.encoder.prior(self.num_envs))
            for t in range(self.options.num_steps):
                memory = memory * (~rollout["done"][t]).float().unsqueeze(1)
                entered = rollout["action"][t].float().unsqueeze(1), rollout["reward"][t].unsqueeze(1)
                mean, log_variance, memory = self._encode(rollout["state"][t], *entered, rollout["next"][t], memory)
                means.append(mean)
                log_variances.append(log_variance)
        return [means, log_variances]

    def _loss(self, batch: dict[str, Tensor], latent: Tensor, advantage: Tensor, target: Tensor) -> Tensor:
        distribution, value = self._act(batch["state"], latent)
        clip, ratio = self.options.clip, (distribution.log_prob(batch["action"]) - batch["logp"]).exp()
        surrogate = torch.min(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
        clipped = batch["value"] + (value - batch["value"]).clamp(-clip, clip)
        errors = [F.smooth_l1_loss(guess, target, reduction="none") for guess in (value, clipped)]
        critic = 0.5 * torch.max(*errors).mean()
        return 0.5 * critic - surrogate - self.options.entropy * distribution.entropy().mean()

    def _step(self, loss: Tensor) -> None:
        self.encoder_adam.zero_grad()
        self.policy_adam.zero_grad()
        with self.timed("backward"):
            loss.backward()
        with self.timed("optimiser"):
            nn.utils.clip_grad_norm_(self.encoder.parameters(), 0.5)
            nn.utils.clip_grad_norm_(self.policy.parameters(), 0.5)
            self.encoder_adam.step()
            self.policy_adam.step()

    @torch.no_grad()
    def _evaluate(self) -> None:
        """Most likely actions from the prior on, on fresh copies, memory never emptied."""
        world = PythonWorld(self.num_envs, seed=int(torch.randint(2**31, ())))
        obs, memory = world.reset(), self.encoder.initial(self.num_envs)
        latent = torch.cat(self.encoder.prior(self.num_envs), -1)
        for _ in range(self.options.evaluation_steps):
            action = self._act(obs, latent)[0].probs.argmax(-1)
            next_obs, reward, done = world.step(action)
            mean, log_variance, memory = self._encode(
                obs, action.float().unsqueeze(1), reward.unsqueeze(1), next_obs, memory
            )
            latent = torch.cat([mean, log_variance], -1)
            obs = world.restart(done)


_COLUMNS = ("state", "next", "action", "reward", "scaled", "done", "logp", "value")


def build(num_envs: int, mode: str) -> Callable[[], None]:
    """Mode ``batched`` steps our batched T-Maze, ``python`` one Python object per copy."""
    world = {"batched": BatchedWorld, "python": PythonWorld}[mode](num_envs)
    return Loop(world, num_envs, Options()).iterate
