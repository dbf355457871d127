"""Actor and critic for K seeds, M policies and one program.

    K  seeds      M  policies      N  networks per seed (1, or M when nothing is shared)      L  lanes = K * N
    B  rows of a seed      C  sequences of S steps, B = C * S      D  features      P  distribution parameters

Which policy a row belongs to is a one-hot block of M columns. A learned latent phi_j joins the input by giving those
columns the weights ``phi @ W_phi``: the same function as appending phi_j to the input, at M instead of ``latent_dim``
extra columns and without a gather. A single policy (M = 1) has no such columns and is plain PPO.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from algorithms.ppo.config import Lstm, Mlp
from algorithms.ppo.dispatch import Dispatch
from algorithms.ppo.distributions import ActionDistribution
from algorithms.ppo.layers import StackedLayerNorm, StackedLinear, StackedLstm, draw_weight
from envs.streams import Streams

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": nn.functional.elu,
    "relu": nn.functional.relu,
    "tanh": torch.tanh,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicySet:
    """How many policies there are and what they share.

    Attributes:
        num_policies: M.
        latent_dim: Length of phi_j; 0 for none.
        num_networks: Independent networks, 1 or M.
        num_log_stds: Vectors of standard deviations, 1 or M.
        latent_after_rnn: phi_j joins the recurrent layer's output instead of the observation.
    """

    num_policies: int = 1
    latent_dim: int = 0
    num_networks: int = 1
    num_log_stds: int = 1
    latent_after_rnn: bool = False

    @property
    def columns(self) -> int:
        """Width of the one-hot block that says which policy a row belongs to; a single policy needs none."""
        return self.num_policies if self.num_policies > 1 else 0


class _MlpLayers(nn.Module):
    """Linear layers with an activation after each."""

    def __init__(self, seeds: int, networks: int, num_in: int, config: Mlp | Lstm) -> None:
        super().__init__()
        sizes = (num_in, *config.hidden)
        self._stack = [StackedLinear(seeds, networks, a, b) for a, b in itertools.pairwise(sizes)]
        self.layers = nn.ModuleList(self._stack)
        self._activation: Callable[[Tensor], Tensor] = _ACTIVATIONS[config.activation]
        self.num_out = sizes[-1]

    def initialize(self, seeds: Sequence[int], name: str, fan_in: int) -> None:
        for index, layer in enumerate(self._stack):
            layer.initialize(seeds, f"{name}.{index}", fan_in=fan_in if index == 0 else None)

    def forward(self, x: Tensor, latent_weight: Tensor | None) -> Tensor:
        for index, layer in enumerate(self._stack):
            x = self._activation(layer(x, latent_weight if index == 0 else None))
        return x


class Trunk(nn.Module):
    """From observations (and one-hot policies) to features; recurrent when the config says so."""

    def __init__(self, seeds: int, num_in: int, policies: PolicySet, config: Mlp | Lstm) -> None:
        super().__init__()
        networks = policies.num_networks
        self._policies = policies
        self._recurrent_first = isinstance(config, Lstm) and config.position == "before_mlp"
        # An LSTM after the MLP reads the MLP's features; the latent always joins the first layer it can reach.
        self.lstm: StackedLstm | None = None
        self.norm: StackedLayerNorm | None = None
        if isinstance(config, Lstm):
            self.mlp = _MlpLayers(seeds, networks, config.hidden_size if self._recurrent_first else num_in, config)
            self.lstm = StackedLstm(
                seeds, networks, num_in if self._recurrent_first else self.mlp.num_out, config.hidden_size
            )
            self.norm = StackedLayerNorm(seeds, networks, config.hidden_size) if config.layer_norm else None
            self.num_out = self.mlp.num_out if self._recurrent_first else config.hidden_size
            self.state_size = 2 * config.hidden_size
            latent_out = self._latent_width(config)
        else:
            self.mlp = _MlpLayers(seeds, networks, num_in, config)
            self.num_out = self.mlp.num_out
            self.state_size = 0
            latent_out = config.hidden[0]
        self.latent = nn.Parameter(torch.empty(seeds, policies.latent_dim, latent_out)) if policies.latent_dim else None
        self._num_in = num_in

    def _latent_width(self, config: Lstm) -> int:
        """Outputs of the layer the latent joins."""
        if self._policies.latent_after_rnn:
            return config.hidden[0] if self._recurrent_first else self.num_out
        return 4 * config.hidden_size if self._recurrent_first else config.hidden[0]

    def initialize(self, seeds: Sequence[int], name: str) -> None:
        """Draw all weights from each seed's named streams."""
        fan_in = self._num_in + self._policies.latent_dim
        if self.lstm is not None:
            self.lstm.initialize(seeds, f"{name}.lstm")
            after = self.lstm.hidden_size + (self._policies.latent_dim if self._policies.latent_after_rnn else 0)
            self.mlp.initialize(seeds, f"{name}.mlp", fan_in=after if self._recurrent_first else fan_in)
        else:
            self.mlp.initialize(seeds, f"{name}.mlp", fan_in=fan_in)
        if self.latent is not None:
            draw_weight(self.latent, seeds, f"{name}.latent", fan_in)

    def forward(
        self, x: Tensor, policy: Tensor | None, phi: Tensor | None, state: Tensor, resets: Tensor
    ) -> tuple[Tensor, Tensor]:
        """``[L, B, D]`` and one-hot ``[L, B, M]`` to features ``[L, B, H]`` and states ``[L, B, state_size]``."""
        weight = None
        if self.latent is not None and phi is not None and policy is not None:
            weight = torch.bmm(phi, self.latent)
        if self.lstm is None:
            return self.mlp(self._join(x, policy, weight), weight), x.new_zeros(*x.shape[:2], 0)
        late = self._policies.latent_after_rnn
        early = None if late else weight
        if self._recurrent_first:
            x, states = self.lstm(self._join(x, policy, early), state, resets, early)
            x = x if self.norm is None else self.norm(x)
            late_weight = weight if late else None
            return self.mlp(self._join(x, policy, late_weight), late_weight), states
        x, states = self.lstm(self.mlp(self._join(x, policy, early), early), state, resets)
        x = x if self.norm is None else self.norm(x)
        if late and weight is not None and policy is not None:
            x = x + torch.bmm(policy, weight)
        return x, states

    @staticmethod
    def _join(x: Tensor, policy: Tensor | None, weight: Tensor | None) -> Tensor:
        return x if weight is None or policy is None else torch.cat([x, policy], dim=-1)


class ActorCritic(nn.Module):
    """pi_j(a | s) and V_j(s) of all policies of all seeds.

    The recurrent state of a row packs the actor's and the critic's: ``[..., state_size]``, 0 wide without recurrence.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        obs_size: int,
        critic_size: int,
        distribution: ActionDistribution,
        policies: PolicySet,
        network: Mlp | Lstm,
        *,
        shared: bool,
        bf16: bool,
    ) -> None:
        super().__init__()
        num_seeds = len(seeds)
        networks = policies.num_networks
        self.policies = policies
        self.distribution = distribution
        self._num_seeds = num_seeds
        self._bf16 = bf16
        self.actor = Trunk(num_seeds, obs_size, policies, network)
        self.critic = None if shared else Trunk(num_seeds, critic_size, policies, network)
        self.action_head = StackedLinear(num_seeds, networks, self.actor.num_out, distribution.head_size)
        self.value_head = StackedLinear(num_seeds, networks, self.actor.num_out, 1)
        self.phi = (
            nn.Parameter(torch.empty(num_seeds, policies.num_policies, policies.latent_dim))
            if policies.latent_dim
            else None
        )
        self.log_std = (
            nn.Parameter(torch.zeros(num_seeds, policies.num_log_stds, distribution.action_size))
            if distribution.state_independent_std
            else None
        )
        self.state_size = self.actor.state_size * (1 if self.critic is None else 2)
        self._initialize(seeds)

    def _initialize(self, seeds: Sequence[int]) -> None:
        self.actor.initialize(seeds, "actor")
        if self.critic is not None:
            self.critic.initialize(seeds, "critic")
        self.action_head.initialize(seeds, "action_head")
        self.value_head.initialize(seeds, "value_head")
        if self.phi is not None:
            with torch.no_grad():
                self.phi.copy_(Streams(seeds, "init/phi").normal(*self.phi.shape[1:]))

    def initial_state(self, rows: int) -> Tensor:
        """Zero recurrent states ``[K, rows, state_size]``."""
        return self.action_head.weight.new_zeros(self._num_seeds, rows, self.state_size)

    def forward(
        self,
        obs: Tensor,
        critic_obs: Tensor,
        policy: Tensor | None,
        state: Tensor,
        resets: Tensor,
        dispatch: Dispatch | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Evaluate every row under its policy.

        Args:
            obs: Normalised observations ``[K, B, D]``, sequence-major.
            critic_obs: Normalised privileged observations ``[K, B, D']``; ``obs`` itself without privilege.
            policy: One-hot policy of every row ``[K, B, M]``; None when M = 1.
            state: State each sequence starts from, ``[K, C, state_size]``.
            resets: Steps before which an episode began, ``[K, C, S]`` bool.
            dispatch: Where rows go when every policy has its own network; None otherwise.

        Returns:
            Distribution parameters ``[K, B, P]``, values ``[K, B]`` (in the critic's units), states after every step
            ``[K, B, state_size]``.
        """
        with torch.autocast(obs.device.type, torch.bfloat16, enabled=self._bf16):
            head, values, states = self._networks(obs, critic_obs, policy, state, resets, dispatch)
        return self.distribution.pack(head.float(), self._log_std_rows(policy)), values.squeeze(-1).float(), states

    def _networks(
        self,
        obs: Tensor,
        critic_obs: Tensor,
        policy: Tensor | None,
        state: Tensor,
        resets: Tensor,
        dispatch: Dispatch | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Head ``[K, B, head_size]``, value ``[K, B, 1]`` and states of every row."""
        size = self.actor.state_size
        if dispatch is not None:
            obs, critic_obs = dispatch.scatter(obs), dispatch.scatter(critic_obs)
            state, resets = dispatch.scatter_sequences(state), dispatch.scatter_sequences(resets)
            policy = None
        features, states = self.actor(obs, policy, self.phi, state[..., :size], resets)
        head = self.action_head(features)
        if self.critic is not None:
            features, critic_states = self.critic(critic_obs, policy, self.phi, state[..., size:], resets)
            states = torch.cat([states, critic_states], dim=-1) if size else states
        values = self.value_head(features)
        if dispatch is not None:
            head, values, states = dispatch.gather(head), dispatch.gather(values), dispatch.gather(states)
        return head, values, states

    def _log_std_rows(self, policy: Tensor | None) -> Tensor | None:
        """``[K, B, A]``, or ``[K, 1, A]`` when all policies share one vector."""
        if self.log_std is None or policy is None or self.log_std.shape[1] == 1:
            return self.log_std
        return torch.bmm(policy, self.log_std)
