"""From a rollout to moved parameters: every minibatch back-propagates through the memory's whole rollout.

K  seeds    T  steps    N  environments    D  latent_dim
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from algorithms.ppo.optimizer import StackedAdam
from algorithms.ppo.rows import take_chunks
from algorithms.splagger.agent import Agent
from algorithms.splagger.objective import STATISTICS, objective
from algorithms.splagger.rollout import Rollout
from envs.streams import Streams

_SEQUENCES = ("obs", "next_obs", "actions", "rewards", "dones", "logp", "advantages", "returns", "values", "noise")


class Updater:
    """Two optimisers, memory's and policy's, with one step size and separate gradient norms."""

    def __init__(self, agent: Agent, seeds: Sequence[int]) -> None:
        """Prepare to update ``agent``; permutations draw from the seeds' ``minibatch`` streams."""
        self._agent, self._config = agent, agent.config
        rate, norm = self._config.learning_rate, self._config.max_grad_norm
        self.memory = StackedAdam(agent.memory, len(seeds), rate, norm)
        self.policy = StackedAdam(agent.policy, len(seeds), rate, norm, eps=self._config.adam_eps)
        self._streams = Streams(seeds, "minibatch", self.policy.parameters.device)

    def update(self, rollout: Rollout, targets: dict[str, Tensor], learning_rate: float) -> dict[str, Tensor]:
        """Run all epochs; returns mean statistics, each ``[K]``.

        Args:
            rollout: What happened.
            targets: ``advantages``, ``returns`` and ``values``, each ``[K, T, N]``.
            learning_rate: Adam's step size now.
        """
        for optimizer in (self.memory, self.policy):
            optimizer.learning_rate.fill_(learning_rate)
        columns = {name: getattr(rollout, name) for name in _SEQUENCES if hasattr(rollout, name)} | targets
        columns = {name: value for name, value in columns.items() if value is not None}
        first = rollout.outputs[:, 0]
        seeds = first.shape[0]
        total = torch.zeros(seeds, len(STATISTICS), device=first.device)
        norms = torch.zeros(seeds, 2, device=first.device)
        steps = 0
        everything = (rollout.state, rollout.fresh, first)
        for chosen, rows in self._minibatches(rollout):
            here, start = columns, everything
            if chosen is not None:
                # Whole environments: [K, T, N, ...] -> [K, T, n, ...].
                here = {
                    name: take_chunks(value.transpose(1, 2), chosen).transpose(1, 2) for name, value in columns.items()
                }
                state, fresh, output = everything
                start = take_chunks(state, chosen), take_chunks(fresh, chosen), take_chunks(output, chosen)
            statistics, norm = self._step(here, start, rows)
            total += statistics
            norms += norm
            steps += 1
        means = dict(zip(STATISTICS, (total / steps).unbind(1), strict=True))
        memory_norm, policy_norm = (norms / steps).unbind(1)
        return {**means, "policy/grad_norm": policy_norm, "policy/memory_grad_norm": memory_norm}

    def _minibatches(self, rollout: Rollout) -> Iterator[tuple[Tensor | None, Tensor | None]]:
        """``(environments, rows)`` of every minibatch of every epoch, each ``[K, ...]``; None for all."""
        _, steps, environments = rollout.rewards.shape
        count = self._config.num_minibatches
        for _ in range(self._config.update_epochs):
            if self._config.minibatch_layout == "sequences":
                for chosen in self._streams.permutation(environments).tensor_split(count, dim=1):
                    yield chosen, None
            else:
                size = steps * environments // count
                for rows in self._streams.permutation(steps * environments)[:, : size * count].split(size, dim=1):
                    yield None, rows

    def _step(
        self, columns: dict[str, Tensor], start: tuple[Tensor, Tensor, Tensor], rows: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """One gradient step: statistics ``[K, 6]`` and gradient norms of memory and policy ``[K, 2]``.

        The policy's loss is taken part by part against the head outputs as constants; what they gather of gradient is
        then sent through the memory once.
        """
        agent = self._agent
        self.memory.zero_grad()
        self.policy.zero_grad()
        tokens = agent.tokens(columns["obs"], columns["actions"], columns["rewards"], columns["next_obs"])
        state, fresh, first = start
        outputs = agent.outputs(tokens, columns["dones"], state, fresh, first)
        flat = outputs.detach().flatten(1, 2)
        picked = {
            name: columns[name].flatten(1, 2)
            for name in ("obs", "actions", "logp", "advantages", "returns", "values", "noise")
            if name in columns
        }
        if rows is not None:
            flat = take_chunks(flat, rows)
            picked = {name: take_chunks(value, rows) for name, value in picked.items()}
        picked["obs"] = agent.normalizer.normalize(picked["obs"])
        count = flat.shape[1]
        parts = agent.policy_parts(count)
        cut = {name: value.tensor_split(parts, 1) for name, value in picked.items()}
        statistics = torch.zeros(flat.shape[0], len(STATISTICS), device=flat.device)
        arrived: list[Tensor] = []
        for index, part in enumerate(flat.tensor_split(parts, 1)):
            leaf = part.requires_grad_()
            loss, figures = objective(agent, {name: value[index] for name, value in cut.items()}, leaf, count)
            arrived += self.policy.backward(loss, (leaf,))
            statistics += figures
        gradient = torch.cat(arrived, dim=1)
        if rows is not None:
            gradient = _put(gradient, rows, outputs.shape[1] * outputs.shape[2])
        self.memory.backward((outputs.flatten(1, 2) * gradient).sum((1, 2)))
        return statistics, torch.stack([self.memory.step(), self.policy.step()], dim=1)

    def state_dict(self) -> dict:
        """Both optimisers (with the parameters) and the permutations."""
        return {
            "memory": self.memory.state_dict(),
            "policy": self.policy.state_dict(),
            "streams": self._streams.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from ``state_dict``."""
        self.memory.load_state_dict(state["memory"])
        self.policy.load_state_dict(state["policy"])
        self._streams.load_state_dict(state["streams"])


def _put(x: Tensor, index: Tensor, size: int) -> Tensor:
    """Rows ``x [K, B, F]`` at ``index [K, B]`` of ``size`` rows, 0 elsewhere."""
    return x.new_zeros(x.shape[0], size, x.shape[2]).scatter_(1, index.unsqueeze(-1).expand_as(x), x)
