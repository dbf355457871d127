"""Memory, policy and observation statistics as one agent.

K  seeds    N  environments    S  observation    A  action row    D  latent_dim    Z  memory state
"""

import torch
from torch import Tensor, nn

from algorithms.ppo.normalizer import RunningNormalizer
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.memory import Memory
from algorithms.splagger.policy import ActorCritic

CPU_PART_NUMBERS = 1 << 23
"""On a CPU, products of the hypernetwork are cut into parts of about so many numbers (32 MiB).

Larger parts leave the cache; smaller ones add up the gradients of all weights more often.
"""


class Agent:
    """What acts in an environment and remembers what came of it."""

    def __init__(
        self,
        config: SplAggerConfig,
        memory: Memory,
        policy: ActorCritic,
        normalizer: RunningNormalizer,
        num_actions: int,
    ) -> None:
        """Bring the parts together.

        Args:
            config: Hyper-parameters.
            memory: Of K seeds.
            policy: Of K seeds.
            normalizer: Observation statistics for the policy.
            num_actions: Of a Discrete space whose actions the memory reads one-hot; 0 to read action rows as they are.
        """
        self.config, self.memory, self.policy, self.normalizer = config, memory, policy, normalizer
        self._num_actions = num_actions

    def tokens(self, obs: Tensor, actions: Tensor, rewards: Tensor, next_obs: Tensor) -> Tensor:
        """Embedded transitions; see ``Memory.tokens``, with actions as the distribution keeps them."""
        if self._num_actions:
            actions = nn.functional.one_hot(actions.squeeze(-1).long(), self._num_actions).to(obs.dtype)
        return self.memory.tokens(obs, actions, rewards, next_obs)

    def begin(self, rows: int) -> tuple[Tensor, Tensor]:
        """Head output ``[K, rows, 2 D]`` and state ``[K, rows, Z]`` of an empty memory."""
        return self.memory.prior().expand(-1, rows, -1), self.memory.initial_state(rows)

    def remember(
        self, tokens: Tensor, dones: Tensor, state: Tensor, empty: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Take one transition in.

        Args:
            tokens: ``[K, N, I]``.
            dones: It ended a trial, ``[K, N]`` bool.
            state: Memory before it, ``[K, N, Z]``.
            empty: What ``begin`` says of an empty memory.

        Returns:
            Head output for the next step ``[K, N, 2 D]``; state for the next step; and the head output that belongs to
            ``next_obs``, which differ where the trial ended.
        """
        ended = dones.unsqueeze(-1)
        empty_output, empty_state = empty
        if self.config.terminal_transition == "leaked":
            output, state = self.memory.step(tokens, torch.where(ended, empty_state, state))
            return output, state, output
        output, state = self.memory.step(tokens, state)
        return torch.where(ended, empty_output, output), torch.where(ended, empty_state, state), output

    def resets(self, dones: Tensor) -> Tensor:
        """Before which steps of a rollout the memory is emptied; both ``[K, T, N]`` bool."""
        if self.config.terminal_transition == "leaked":
            return dones
        return torch.cat([torch.zeros_like(dones[:, :1]), dones[:, :-1]], dim=1)

    def outputs(self, tokens: Tensor, dones: Tensor, state: Tensor, fresh: Tensor, first: Tensor) -> Tensor:
        """Head outputs that the policy sees at every step of a rollout: what ``remember`` said, as one scan.

        Args:
            tokens: ``[K, T, N, I]``.
            dones: ``[K, T, N]`` bool.
            state: Memory before the first step, ``[K, N, Z]``.
            fresh: Whether it is empty, ``[K, N]`` bool.
            first: Head output of that memory, used where it is not empty, ``[K, N, 2 D]``.

        Returns:
            ``[K, T, N, 2 D]``; what follows the last step is not among them.
        """
        empty = self.memory.prior()
        said = self.memory.scan(tokens[:, :-1], state, self.resets(dones)[:, :-1])
        if self.config.terminal_transition == "dropped":
            said = torch.where(dones[:, :-1].unsqueeze(-1), empty.unsqueeze(1), said)
        return torch.cat([torch.where(fresh.unsqueeze(-1), empty, first).unsqueeze(1), said], dim=1)

    def policy_parts(self, rows: int) -> int:
        """Into how many parts to cut ``rows`` rows of every seed for the policy."""
        device = self.normalizer.mean.device
        if device.type != "cpu":
            return 1
        widest = max(self.config.policy_hidden) * (self.config.latent_embedding + 1)
        return min(rows, -(-rows * widest * len(self.normalizer.mean) // CPU_PART_NUMBERS))

    @torch.no_grad()
    def values(self, obs: Tensor, outputs: Tensor, noise: Tensor | None) -> Tensor:
        """V of observations ``[K, ..., S]`` under head outputs ``[K, ..., 2 D]``, ``[K, ...]``."""
        shape = obs.shape[:-1]
        latents = self.config.latent.read(outputs, noise).flatten(1, -2)
        normal = self.normalizer.normalize(obs.flatten(1, -2))
        parts = self.policy_parts(normal.shape[1])
        found = [
            self.policy.value(*self.policy.embed(part, latent))
            for part, latent in zip(normal.tensor_split(parts, 1), latents.tensor_split(parts, 1), strict=True)
        ]
        return torch.cat(found, dim=1).view(shape)

    @torch.no_grad()
    def act(self, obs: Tensor, outputs: Tensor, noise: Tensor | None) -> Tensor:
        """Distribution parameters ``[K, N, P]``."""
        u, c = self.policy.embed(self.normalizer.normalize(obs), self.config.latent.read(outputs, noise))
        return self.policy.act(u, c)
