"""From a batch to moved parameters: epochs, minibatches, gradient steps, step-size adaptation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from algorithms.ppo import minibatches
from algorithms.ppo.collector import Actor
from algorithms.ppo.config import PPOConfig
from algorithms.ppo.dispatch import Dispatch
from algorithms.ppo.objective import STATISTICS, minibatch_denominators, objective
from algorithms.ppo.optimizer import StackedAdam, adapt_learning_rate
from algorithms.ppo.rows import Batch, RowLayout
from envs.streams import Streams

# On a CPU, rows beyond this make activations leave the cache; gradients of the parts add up to the whole's.
CPU_PART_ROWS = 4096


class Updater:
    """Owns the optimiser of K seeds and runs one PPO update after another."""

    def __init__(self, actor: Actor, config: PPOConfig, layout: RowLayout, seeds: Sequence[int], num_envs: int) -> None:
        """Prepare to update ``actor``'s network.

        Args:
            actor: Network and normalisers.
            config: Hyper-parameters.
            layout: Columns of a batch row.
            seeds: The runs' seeds; permutations draw from their ``minibatch`` streams.
            num_envs: Environments per seed.
        """
        self._actor, self._config, self._layout = actor, config, layout
        self._minibatch_rows = config.minibatch_rows(num_envs)
        self.optimizer = StackedAdam(actor.network, len(seeds), config.learning_rate, config.max_grad_norm)
        self._streams = Streams(seeds, "minibatch", self.optimizer.parameters.device)
        self._objective = torch.compile(objective, dynamic=False) if config.compile else objective

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Run all epochs over ``batch``; returns mean statistics, each ``[K]``."""
        config = self._config
        plan = minibatches.epochs(
            self._streams,
            layout=config.minibatch_layout,
            num_epochs=config.update_epochs,
            groups=batch.groups,
            chunks_per_group=batch.chunks_per_group,
            chunk_rows=batch.rows.shape[2],
            minibatch_rows=self._minibatch_rows,
        )
        total = torch.zeros(batch.rows.shape[0], len(STATISTICS), device=batch.rows.device)
        norms = torch.zeros(batch.rows.shape[0], device=batch.rows.device)
        steps = 0
        for epoch, indices in enumerate(plan):
            kl = torch.zeros_like(norms)
            for index in indices:
                rows, state = batch.take(index)
                if epoch == 0 and config.normalizer_update == "first_epoch":
                    observe(self._actor, self._layout, rows)
                statistics, norm = self._step(rows, state)
                total += statistics
                norms += norm
                kl += statistics[:, STATISTICS.index("policy/approx_kl")]
            steps += len(indices)
            if config.target_kl is not None:
                self.optimizer.learning_rate = adapt_learning_rate(
                    self.optimizer.learning_rate, kl / len(indices), config.target_kl, config.learning_rate_range
                )
        means = dict(zip(STATISTICS, (total / steps).unbind(1), strict=True))
        return {**means, "policy/grad_norm": norms / steps, "policy/learning_rate": self.optimizer.learning_rate[:, 0]}

    def _step(self, rows: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One gradient step on a minibatch ``[K, c, S, F]``: its statistics ``[K, 7]`` and gradient norms ``[K]``."""
        denominators = minibatch_denominators(self._layout, rows)
        self.optimizer.zero_grad()
        statistics = torch.zeros(rows.shape[0], len(STATISTICS), device=rows.device)
        for part, part_state in self._parts(rows, state):
            loss, figures = self._objective(
                self._actor.network,
                self._config,
                self._layout,
                part,
                *self._normalized(part),
                part_state,
                denominators,
                self._dispatch(part),
            )
            self.optimizer.backward(loss)
            statistics += figures
        return statistics, self.optimizer.step()

    def _parts(self, rows: Tensor, state: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Cut a minibatch evenly, so that one part's activations fit a CPU's cache; a GPU takes it whole."""
        if rows.device.type != "cpu":
            return [(rows, state)]
        parts = min(-(-rows.shape[:3].numel() // CPU_PART_ROWS), rows.shape[1])
        return list(zip(rows.tensor_split(parts, dim=1), state.tensor_split(parts, dim=1), strict=True))

    def _normalized(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        flat = rows.flatten(1, 2)
        obs = self._actor.obs_normalizer.normalize(self._layout(flat, "obs"))
        if not self._layout.privileged:
            return obs, obs
        return obs, self._actor.critic_normalizer.normalize(self._layout.critic_obs(flat))

    def _dispatch(self, rows: Tensor) -> Dispatch | None:
        networks = self._actor.network.policies.num_networks
        policy = self._layout.policy(rows)
        if networks == 1 or policy is None:
            return None
        # A shuffled minibatch holds as many rows of a policy as chance has it, another number for every seed.
        group = rows.shape[1] if self._config.minibatch_layout == "shuffled" else None
        return Dispatch(policy[:, :, 0].argmax(-1), networks, rows.shape[2], group)

    def state_dict(self) -> dict:
        """Optimiser (with the parameters) and permutation streams."""
        return {"optimizer": self.optimizer.state_dict(), "streams": self._streams.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state_dict``."""
        self.optimizer.load_state_dict(state["optimizer"])
        self._streams.load_state_dict(state["streams"])


def observe(actor: Actor, layout: RowLayout, rows: Tensor) -> None:
    """Take the observations of ``rows [K, c, S, F]`` into the running statistics, without the one-hot policies."""
    flat = rows.flatten(1, 2)
    counted = layout.counted(flat)
    actor.obs_normalizer.update(layout(flat, "obs"), counted)
    if layout.privileged:
        actor.critic_normalizer.update(layout.critic_obs(flat), counted)
