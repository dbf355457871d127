"""The memory: transitions in, one latent per step out.

x_t = [e_s(s_t), e_a(a_t), e_r(r_{t+1}), e_s(s_{t+1})]        e_s shared, ReLU
h_t = encode(x_t, h_{t-1}),   [k_t, z_t] = h_t,   m_t = aggregate(z_1 .. z_t),   f_t = head([k_t, m_t])

K  seeds    T  steps    N  environments    I  token    D  latent_dim    Z  state (encoder's, operator's)
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from algorithms.ppo.layers import StackedLinear
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.initialization import draw_linear
from algorithms.splagger.segments import Segments

_CHECK_STEPS = 32


class Memory(nn.Module):
    """Embeddings, encoder, split aggregation and head of K seeds; ``scan`` equals ``step`` after ``step``."""

    def __init__(self, config: SplAggerConfig, seeds: Sequence[int], obs_size: int, action_size: int) -> None:
        """Build.

        Args:
            config: Components and sizes.
            seeds: The runs' seeds.
            obs_size: Features of an observation.
            action_size: Columns of an action as the memory reads it.
        """
        super().__init__()
        self.widths = config.widths
        self.gradient = config.gradient
        self.embed_state = self._linear(seeds, obs_size, config.embed_state, "state")
        self.embed_action = self._linear(seeds, action_size, config.embed_action, "action")
        self.embed_reward = self._linear(seeds, 1, config.embed_reward, "reward")
        self.encoder = config.encoder.build(seeds, config.token_size, self.widths.encoder)
        self.operator = config.aggregator.build(seeds)
        self.gate = nn.Parameter(torch.zeros(len(seeds), 1, self.widths.encoder)) if config.split.learned else None
        self.head = self._linear(seeds, self.widths.head, 2 * config.latent_dim, "head")
        self._initial: Tensor
        empty = self.operator.initial(self.widths.aggregated, self.head.weight.detach())
        self.register_buffer("_initial", torch.cat([empty.new_zeros(self.encoder.state_size), empty]), persistent=False)

    @staticmethod
    def _linear(seeds: Sequence[int], num_in: int, num_out: int, name: str) -> StackedLinear:
        linear = StackedLinear(len(seeds), 1, num_in, num_out)
        draw_linear(linear, seeds, f"memory.{name}")
        return linear

    @property
    def state_size(self) -> int:
        """Z."""
        return self._initial.shape[0]

    def initial_state(self, rows: int) -> Tensor:
        """The memory of no transition, ``[K, rows, Z]``."""
        return self._initial.expand(self.head.weight.shape[0], rows, -1)

    def tokens(self, obs: Tensor, actions: Tensor, rewards: Tensor, next_obs: Tensor) -> Tensor:
        """Embed transitions.

        Args:
            obs: s_t, not normalised, ``[K, ..., S]``.
            actions: As the memory reads them, ``[K, ..., A]``.
            rewards: Raw, ``[K, ...]``.
            next_obs: s_{t+1}, before any reset, ``[K, ..., S]``.

        Returns:
            ``[K, ..., I]``.
        """
        pieces = (
            (self.embed_state, obs),
            (self.embed_action, actions),
            (self.embed_reward, rewards.unsqueeze(-1)),
            (self.embed_state, next_obs),
        )
        embedded = [embed(x.flatten(1, -2)).relu() for embed, x in pieces]
        return torch.cat(embedded, dim=-1).unflatten(1, obs.shape[1:-1])

    def step(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One transition: ``[K, N, I]``, ``[K, N, Z]`` -> output ``[K, N, 2 D]``, next state."""
        encoder_state, operator_state = self._split_state(state)
        hidden, encoder_state = self.encoder.step(tokens, encoder_state)
        summary, operator_state = self.operator.step(self._aggregated(hidden), operator_state)
        return self.head(self._mixed(hidden, summary)), torch.cat([encoder_state, operator_state], dim=-1)

    def scan(self, tokens: Tensor, state: Tensor, resets: Tensor) -> Tensor:
        """A rollout: ``[K, T, N, I]``, ``[K, N, Z]``, resets before a step ``[K, T, N]`` -> ``[K, T, N, 2 D]``."""
        hidden, summary = self.trace(tokens, state, resets)
        mixed = self._mixed(hidden, summary)
        return self.head(mixed.flatten(1, 2)).unflatten(1, mixed.shape[1:3])

    def trace(self, tokens: Tensor, state: Tensor, resets: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder outputs ``[K, T, N, H]`` and aggregates ``[K, T, N, W]`` of a rollout; see ``scan``."""
        encoder_state, operator_state = self._split_state(state)
        hidden = self.encoder.scan(tokens, encoder_state, resets)
        return hidden, self.aggregate(self._aggregated(hidden), operator_state, resets)

    def aggregate(self, z: Tensor, state: Tensor, resets: Tensor) -> Tensor:
        """Running aggregates of ``z [K, T, N, V]`` with the configured gradient, ``[K, T, N, W]``."""
        pieces = Segments(resets)
        initial = self._split_state(self._initial)[1]
        summary, summands = self.operator.scan(pieces.pack(z), pieces.begin(state, initial))
        return pieces.unpack(self.gradient.through(summary, summands))

    def prior(self) -> Tensor:
        """Output before any transition: that of an all-zero token, which the state does not keep; ``[K, 1, 2 D]``."""
        seeds, size = self.head.weight.shape[0], self.embed_action.weight.shape[-1] + self.embed_reward.weight.shape[-1]
        zeros = self.head.weight.new_zeros(seeds, 1, 2 * self.embed_state.weight.shape[-1] + size)
        return self.step(zeros, self.initial_state(1))[0]

    def aggregated_channels(self) -> Tensor:
        """How many channels of the head's input differ from what an encoder just said, had it said noise; ``[K]``.

        Noise, because a trained channel may rise during a whole trial, and its maximum is then what it says.
        """
        seeds, device = self.head.weight.shape[0], self.head.weight.device
        noise = torch.rand(1, _CHECK_STEPS, 1, self.widths.encoder, generator=torch.Generator().manual_seed(0))
        hidden = (2 * noise - 1).to(device).expand(seeds, -1, -1, -1)
        resets = torch.zeros(hidden.shape[:3], dtype=torch.bool, device=device)
        summary = self.aggregate(self._aggregated(hidden), self._split_state(self.initial_state(1))[1], resets)
        mixed = self._mixed(hidden, summary)
        if mixed.shape[-1] != hidden.shape[-1]:  # the operator changed the width: all of its outputs are aggregates
            return torch.full((seeds,), summary.shape[-1], device=device)
        return (mixed != hidden).flatten(1, 2).any(1).sum(1)

    def _split_state(self, state: Tensor) -> tuple[Tensor, Tensor]:
        size = self.encoder.state_size
        return state[..., :size], state[..., size:]

    def _aggregated(self, hidden: Tensor) -> Tensor:
        return hidden[..., hidden.shape[-1] - self.widths.aggregated :]

    def _mixed(self, hidden: Tensor, summary: Tensor) -> Tensor:
        """What the head reads: skipped channels beside aggregates, or the gate's mixture of both."""
        if self.gate is None:
            return torch.cat([hidden[..., : hidden.shape[-1] - self.widths.aggregated], summary], dim=-1)
        gate = self.gate.sigmoid() if hidden.dim() == 3 else self.gate.sigmoid().unsqueeze(1)
        return torch.lerp(hidden, summary, gate)
