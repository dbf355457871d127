"""Hyper-parameters of PPO. Defaults are what SAPG's paper prints for its PPO baseline on AllegroHand (Table 4)."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import Discriminator

from envs.spec import TaskFacts

PositiveInt = Annotated[int, Ge(1)]
Hidden = Annotated[tuple[PositiveInt, ...], MinLen(1)]
Activation = Literal["elu", "relu", "tanh"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mlp:
    """Feed-forward trunk."""

    kind: Literal["mlp"] = "mlp"
    hidden: Hidden = (512, 256, 128)
    activation: Activation = "elu"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lstm:
    """Recurrent trunk: one LSTM layer and an MLP.

    Attributes:
        hidden_size: Units of the LSTM.
        position: ``after_mlp`` as the paper says (App. B.1), ``before_mlp`` as the public code does.
        layer_norm: Normalise the LSTM's output, as the public code does.
        hidden: Widths of the MLP.
        activation: Of the MLP.
    """

    kind: Literal["lstm"] = "lstm"
    hidden_size: PositiveInt = 768
    position: Literal["after_mlp", "before_mlp"] = "after_mlp"
    layer_norm: bool = True
    hidden: Hidden = (768, 512, 256)
    activation: Activation = "elu"


Network = Annotated[Mlp | Lstm, Discriminator("kind")]


@dataclass(frozen=True, kw_only=True, slots=True)
class PPOConfig:
    """PPO (Schulman et al. 2017) as used for thousands of parallel environments.

    Attributes:
        num_steps: Rollout length T, in steps of every environment.
        gamma: Discount.
        gae_lambda: lambda of generalised advantage estimation.
        learning_rate: Adam's step size at the start.
        target_kl: The step size adapts to keep KL(old || new) near this: above 2x it is divided by 1.5, below 0.5x
            multiplied by 1.5, after every epoch. None keeps ``learning_rate`` fixed.
        learning_rate_range: Bounds of the adaptive step size.
        clip_coef: epsilon of the clipped surrogate and of the clipped value loss.
        vf_coef: Weight of the critic; the loss is ``0.5 * vf_coef * squared error``.
        clip_vloss: Clip the value loss around the old value.
        bounds_coef: Weight of the penalty on action means beyond +-1.1 (Box actions only).
        ent_coef: Entropy bonus of every row (SAPG adds its ladder to followers).
        max_grad_norm: Clip of the global gradient norm, per seed.
        update_epochs: Passes over each batch.
        minibatch_rows_per_env: Rows of a minibatch = this times ``num_envs``, so it grows with the batch.
        minibatch_layout: ``stratified`` gives every minibatch the same share of every policy's rows (SAPG Sec. 4.3 asks
            this of the leader's rows); ``shuffled`` permutes all chunks once and lets the last minibatch take the
            remainder, as the public code does.
        chunk_steps: Consecutive steps of one environment that stay together when rows are shuffled; a recurrent trunk
            uses it as its truncated back-propagation length (None: ``num_steps``; an MLP then shuffles single rows).
        reward_scale: Rewards are multiplied by this before anything else.
        normalize_advantages: Zero mean and unit variance over the whole batch.
        normalize_observations: Running mean and variance, clamped to +-5.
        normalize_values: The critic predicts returns in units of their running mean and variance.
        normalizer_update: When observation statistics move: ``after_update`` with the rollout (so an iteration sees one
            normaliser and the first ratio is exactly 1), or ``first_epoch`` with every minibatch of it (public code).
        timeout_bootstrap: ``final_obs`` adds gamma V(final observation); ``previous_obs`` adds gamma V(s_t) to the
            reward (public code); ``none`` treats a time-out as an end.
        network: Trunk.
        trunk: ``separate`` actor and critic networks, or one ``shared`` trunk with two heads.
        precision: ``bf16`` runs matrix products in bfloat16; never chosen silently.
        compile: Compile the minibatch step; worth its 5 to 30 seconds on long runs only.
    """

    num_steps: PositiveInt = 8
    gamma: Annotated[float, Ge(0), Le(1)] = 0.99
    gae_lambda: Annotated[float, Ge(0), Le(1)] = 0.95
    learning_rate: Annotated[float, Gt(0)] = 5e-4
    target_kl: Annotated[float, Gt(0)] | None = 0.016
    learning_rate_range: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (1e-6, 1e-2)
    clip_coef: Annotated[float, Gt(0), Le(1)] = 0.2
    vf_coef: Annotated[float, Ge(0)] = 4.0
    clip_vloss: bool = True
    bounds_coef: Annotated[float, Ge(0)] = 1e-4
    ent_coef: Annotated[float, Ge(0)] = 0.0
    max_grad_norm: Annotated[float, Gt(0)] = 1.0
    update_epochs: PositiveInt = 5
    minibatch_rows_per_env: PositiveInt = 4
    minibatch_layout: Literal["stratified", "shuffled"] = "stratified"
    chunk_steps: PositiveInt | None = None
    reward_scale: Annotated[float, Gt(0)] = 0.01
    normalize_advantages: bool = True
    normalize_observations: bool = True
    normalize_values: bool = True
    normalizer_update: Literal["after_update", "first_epoch"] = "after_update"
    timeout_bootstrap: Literal["final_obs", "previous_obs", "none"] = "final_obs"
    network: Network = Mlp()
    trunk: Literal["separate", "shared"] = "separate"
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False

    def minibatch_rows(self, num_envs: int) -> int:
        """Rows a minibatch should hold."""
        return self.minibatch_rows_per_env * num_envs

    def problems(self, task: TaskFacts) -> list[tuple[str, str]]:
        """What no single field can show: ``(field, sentence)`` for every impossible combination."""
        found = []
        low, high = self.learning_rate_range
        if not low <= self.learning_rate <= high:
            found.append(
                ("learning_rate", f"{self.learning_rate:g} lies outside learning_rate_range [{low:g}, {high:g}]")
            )
        chunk = self.chunk_steps or 1
        if self.num_steps % chunk:
            found.append(("chunk_steps", f"{chunk} does not divide num_steps = {self.num_steps}"))
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class PPOFixedMinibatchConfig(PPOConfig):
    """PPO whose minibatch does not grow with the number of environments (arXiv 2603.06009: growing it is harmful).

    Attributes:
        minibatch_size: Rows of a minibatch; the number of minibatches grows with the batch instead.
    """

    minibatch_size: PositiveInt = 16384

    def minibatch_rows(self, num_envs: int) -> int:
        """Rows a minibatch should hold, whatever ``num_envs``."""
        return self.minibatch_size
