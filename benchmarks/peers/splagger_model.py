"""Encoder and policy of ``splagger_loop.py``: the official design, one time step a call, weights made per sample.

Written from a description of the official code (sizes, order of operations, initial values); nothing is copied. Sizes
are those of the T-Maze: 265,976 parameters in the encoder, 5,150,707 in policy and hypernetwork.

    tau_t = [relu(E_s s_t), relu(E_a a_t), relu(E_r r_t), relu(E_s s_t+1)]      four small products and a cat
    [k_t, z_t] = GRU(tau_t),  m_t = max(m_t-1, z_t),  m_0 = 0                   one step of nn.GRU, chunk, max
    f_t = head([k_t, m_t])                                                      24 numbers for the policy
    W_b = reshape(H tanh(C f_b)),  y_b = sum(W_b * expand(x_b))                 a weight matrix per sample b
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

STATE_EMBEDDING, ACTION_EMBEDDING, REWARD_EMBEDDING = 32, 8, 8
HIDDEN = 256
LATENT = 12
POLICY_STATE, POLICY_LATENT = 256, 25
POLICY_HIDDEN = (256, 128)


class Encoder(nn.Module):
    """GRU, split in halves, running maximum over the second half, linear head; one time step a call."""

    def __init__(self, state_size: int) -> None:
        super().__init__()
        self.state = nn.Linear(state_size, STATE_EMBEDDING)
        self.action = nn.Linear(1, ACTION_EMBEDDING)
        self.reward = nn.Linear(1, REWARD_EMBEDDING)
        self.token_size = 2 * STATE_EMBEDDING + ACTION_EMBEDDING + REWARD_EMBEDDING
        self.gru = nn.GRU(self.token_size, HIDDEN)
        for name, parameter in self.gru.named_parameters():
            nn.init.zeros_(parameter) if "bias" in name else nn.init.orthogonal_(parameter)
        self.head = nn.Linear(HIDDEN, 2 * LATENT)

    def initial(self, num_envs: int) -> Tensor:
        """Memory before anything was seen: hidden state and running maximum side by side, ``[N, 256 + 128]``."""
        return torch.zeros(num_envs, HIDDEN + HIDDEN // 2)

    def forward(
        self, state: Tensor, action: Tensor, reward: Tensor, next_state: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One transition into the memory.

        Args:
            state, next_state: ``[N, S]``.
            action, reward: ``[N, 1]``; a discrete action enters as one number.
            memory: ``[N, 384]``.

        Returns:
            The two halves of f_t, ``[N, 12]`` each, and the next memory.
        """
        token = torch.cat(
            [
                torch.relu(self.state(state)),
                torch.relu(self.action(action)),
                torch.relu(self.reward(reward)),
                torch.relu(self.state(next_state)),
            ],
            -1,
        )
        return self.encode(token, memory)

    def encode(self, token: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same from the embedded transition ``[N, 80]``."""
        hidden, running = memory.split([HIDDEN, HIDDEN // 2], -1)
        output, hidden = self.gru(token.unsqueeze(0), hidden.unsqueeze(0).contiguous())
        kept, values = output.squeeze(0).chunk(2, -1)
        running = torch.max(running, values)
        mean, log_variance = self.head(torch.cat([kept, running], -1)).chunk(2, -1)
        return mean, log_variance, torch.cat([hidden.squeeze(0), running], -1)

    def prior(self, num_envs: int) -> tuple[Tensor, Tensor]:
        """f before the first transition: of a token of zeros; the memory itself stays the initial one."""
        mean, log_variance, _ = self.encode(torch.zeros(num_envs, self.token_size), self.initial(num_envs))
        return mean, log_variance


class HyperLinear(nn.Module):
    """A linear layer whose weights are linear in c; at first they are one layer's usual values for every c."""

    def __init__(self, inputs: int, outputs: int, weight_init: Callable[[Tensor], Tensor], bias_bound: float) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        self.weight = nn.Linear(POLICY_LATENT, inputs * outputs)
        self.bias = nn.Linear(POLICY_LATENT, outputs)
        with torch.no_grad():
            self.weight.weight.zero_()
            self.weight.bias.copy_(weight_init(torch.empty(outputs, inputs)).flatten())
            self.bias.weight.zero_()
            self.bias.bias.uniform_(-bias_bound, bias_bound)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """``x [B, inputs]`` through each row's own matrix, which is made in full: ``[B, outputs, inputs]``."""
        weights = self.weight(c).view(-1, self.outputs, self.inputs)
        return (weights * x.unsqueeze(1).expand_as(weights)).sum(-1) + self.bias(c)


def unit_rows(weight: Tensor) -> Tensor:
    """Normal rows of length 5/3, tanh's gain."""
    weight.normal_()
    return weight.mul_(5 / 3 / weight.norm(dim=1, keepdim=True))


def small_orthogonal(weight: Tensor) -> Tensor:
    return nn.init.orthogonal_(weight, gain=0.01)


def kaiming(weight: Tensor) -> Tensor:
    return nn.init.uniform_(weight, -math.sqrt(6 / weight.shape[1]), math.sqrt(6 / weight.shape[1]))


class HyperNetwork(nn.Module):
    """256-128 tanh network made from c."""

    def __init__(self, outputs: int, last_init: Callable[[Tensor], Tensor], last_bias: float) -> None:
        super().__init__()
        first, second = POLICY_HIDDEN
        self.layers = nn.ModuleList(
            [
                HyperLinear(POLICY_STATE, first, unit_rows, 0.0),
                HyperLinear(first, second, unit_rows, 0.0),
                HyperLinear(second, outputs, last_init, last_bias),
            ]
        )

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x, c))
        return self.layers[-1](x, c)


class Policy(nn.Module):
    """Actor and critic on one embedding of the state, both made from one embedding of the latent."""

    def __init__(self, state_size: int, num_actions: int) -> None:
        super().__init__()
        self.state = nn.Linear(state_size, POLICY_STATE)
        self.latent = nn.Linear(2 * LATENT, POLICY_LATENT)
        self.actor = HyperNetwork(num_actions, small_orthogonal, 0.0)
        self.critic = HyperNetwork(1, kaiming, 1.0)

    def forward(self, state: Tensor, latent: Tensor) -> tuple[torch.distributions.Categorical, Tensor]:
        """Action distribution and value ``[B]`` of normalised states ``[B, S]`` and latents ``[B, 24]``."""
        u, c = torch.tanh(self.state(state)), torch.tanh(self.latent(latent))
        return torch.distributions.Categorical(logits=self.actor(u, c)), self.critic(u, c).squeeze(-1)


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
