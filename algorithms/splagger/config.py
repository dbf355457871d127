"""Hyper-parameters of SplAgger; defaults are the paper's for its T-Maze tasks.

Quirks of the public code are named options: the default is the clean choice, the preset ``official`` switches them all.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Le, MinLen

from algorithms.splagger.aggregator import Aggregator, Max
from algorithms.splagger.encoder import GRU, Encoder
from algorithms.splagger.gradient import Gradient, TrueGradient
from algorithms.splagger.hypernetwork import BiasHyperInit, Hypernetwork
from algorithms.splagger.latent import Deterministic, Latent
from algorithms.splagger.split import FixedSplit, Split

if TYPE_CHECKING:
    from envs.spec import TaskFacts

PositiveInt = Annotated[int, Ge(1)]
Unit = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, slots=True)
class Widths:
    """Channels between encoder and head.

    Attributes:
        encoder: Outputs of the encoder.
        aggregated: Of those, the last ones, which enter the operator.
        summary: Outputs of the operator.
        head: Inputs of the head.
    """

    encoder: int
    aggregated: int
    summary: int
    head: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SplAggerConfig:
    """SplAgger (Beck, Jackson, Vuorio, Xiong, Whiteson; RLC 2024): split aggregation for meta-RL, by recurrent PPO.

    Attributes:
        encoder: Sequence model over transitions.
        split: Share of its output that is aggregated.
        aggregator: Operator of the permutation-invariant half.
        gradient: What back-propagates through the operator.
        hypernetwork: How the memory's output reaches the policy.
        latent: What of the memory's output the policy sees.
        latent_dim: Half the outputs of the memory's head (mean and log-variance in variational relatives).
        embed_state: Units of the embedding of s_t and s_{t+1} (shared).
        embed_action: Units of the action's embedding.
        embed_reward: Units of the reward's embedding; the reward enters raw.
        action_encoding: Discrete actions enter the memory ``one_hot``, or as one number 0..n-1 (``scalar``, public
            code).
        terminal_transition: What becomes of a trial's last transition: ``dropped``, or ``leaked`` into the memory of
            the next trial (public code resets the memory first and encodes that transition after).
        memory_at_rollout: What a rollout starts with: the memory ``carried`` over from the one before (cut from its
            gradient), or ``wiped`` even in mid-trial (public code).
        state_embedding: Units of the policy's state branch.
        latent_embedding: Units of the policy's latent branch, the hypernetwork's input.
        policy_hidden: Widths of the base network of actor and critic.
        critic_bias: Bias of the critic's last layer at the start: ``zero``, or ``uniform`` on [-1, 1] (public code).
        num_steps: Rollout length T. Gradients reach back through all of it.
        gamma: Discount.
        gae_lambda: lambda of generalised advantage estimation.
        learning_rate: Adam's step size, of memory and policy.
        anneal_steps: Environment steps over which the step size falls linearly to 0; None keeps it.
        adam_eps: Adam's epsilon for the policy; the memory's is 1e-8.
        clip_coef: epsilon of the clipped surrogate and of the clipped value loss.
        vf_coef: Weight of the critic; the loss is ``0.5 vf_coef max(huber, clipped huber)``.
        ent_coef: Entropy bonus.
        max_grad_norm: Clip of the gradient norm, separately for memory and policy, per seed.
        update_epochs: Passes over each rollout.
        num_minibatches: Per pass.
        minibatch_layout: ``transitions`` draws (t, environment) pairs, so that every minibatch runs the memory over the
            whole rollout (public code); ``sequences`` draws whole environments, which costs 1 / num_minibatches of it.
        normalize_observations: The policy sees observations in units of their running deviation; the memory never.
        normalizer_update: Observation statistics move ``after_update``, so the first ratio is 1, or
            ``before_update`` without new log-probabilities (public code).
        normalize_rewards: Rewards are divided by the deviation of the discounted return and clipped to +-10.
        return_reset: When the running return behind that deviation restarts: at the end of ``own_trial``, or whenever
            ``any_trial`` of the seed ends (public code).
        gradient_probe: Evaluations measure gradients through time and permutation sensitivity (``profile/...``).
    """

    encoder: Encoder = GRU()  # noqa: RUF009 (frozen)
    split: Split = FixedSplit()  # noqa: RUF009 (frozen)
    aggregator: Aggregator = Max()  # noqa: RUF009 (frozen)
    gradient: Gradient = TrueGradient()  # noqa: RUF009 (frozen)
    hypernetwork: Hypernetwork = BiasHyperInit()  # noqa: RUF009 (frozen)
    latent: Latent = Deterministic()  # noqa: RUF009 (frozen)

    latent_dim: PositiveInt = 12
    embed_state: PositiveInt = 32
    embed_action: PositiveInt = 8
    embed_reward: PositiveInt = 8
    action_encoding: Literal["one_hot", "scalar"] = "one_hot"
    terminal_transition: Literal["dropped", "leaked"] = "dropped"
    memory_at_rollout: Literal["carried", "wiped"] = "carried"

    state_embedding: PositiveInt = 256
    latent_embedding: PositiveInt = 25
    policy_hidden: Annotated[tuple[PositiveInt, ...], MinLen(1)] = (256, 128)
    critic_bias: Literal["zero", "uniform"] = "zero"

    num_steps: PositiveInt = 700
    gamma: Unit = 0.95
    gae_lambda: Unit = 0.95
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    anneal_steps: PositiveInt | None = None
    adam_eps: Annotated[float, Gt(0)] = 1e-5
    clip_coef: Annotated[float, Gt(0), Le(1)] = 0.05
    vf_coef: Annotated[float, Ge(0)] = 0.5
    ent_coef: Annotated[float, Ge(0)] = 0.1
    max_grad_norm: Annotated[float, Gt(0)] = 0.5
    update_epochs: PositiveInt = 2
    num_minibatches: PositiveInt = 4
    minibatch_layout: Literal["transitions", "sequences"] = "transitions"
    normalize_observations: bool = True
    normalizer_update: Literal["after_update", "before_update"] = "after_update"
    normalize_rewards: bool = True
    return_reset: Literal["own_trial", "any_trial"] = "own_trial"
    gradient_probe: bool = False

    @property
    def aggregates(self) -> bool:
        """Whether any channel of the head's input summarises the past by an operator."""
        return self.aggregator.summarises and self.widths.aggregated > 0

    @property
    def token_size(self) -> int:
        """Inputs of the encoder: embedded s_t, a_t, r_{t+1}, s_{t+1}."""
        return 2 * self.embed_state + self.embed_action + self.embed_reward

    @property
    def widths(self) -> Widths:
        """Channels between encoder and head."""
        plain = self.encoder.hidden_size
        target = self._parameters(plain, plain)
        fitting = (
            (size, self._parameters(size, self._widths(size).head) - target)
            for size in range(2, 2 * plain + 1)
            if self._groups_fit(size)
        )
        return self._widths(self.aggregator.encoder_size(plain, fitting))

    def _groups_fit(self, encoder: int) -> bool:
        """Whether nothing is left over where all channels of an encoder are to be aggregated."""
        return self.split.aggregated(encoder, 1) < encoder or encoder % self.aggregator.group == 0

    def _parameters(self, encoder: int, head: int) -> int:
        """Weights and biases of an encoder with so many outputs and of a head with so many inputs."""
        return self.encoder.num_parameters(self.token_size, encoder) + 2 * self.latent_dim * (head + 1)

    def _widths(self, encoder: int) -> Widths:
        aggregated = self.split.aggregated(encoder, self.aggregator.group)
        summary = aggregated // self.aggregator.inputs
        return Widths(encoder, aggregated, summary, encoder if self.split.learned else encoder - aggregated + summary)

    def problems(self, task: "TaskFacts") -> list[tuple[str, str]]:
        """What no single field can show: ``(field, sentence)`` for every impossible combination."""
        found = []
        if not task.task_parameters:
            found.append(
                (
                    "num_steps",
                    "SplAgger learns over trials of one task, but this environment has no task parameters; use a "
                    "meta-RL environment such as memory/t_maze, or wrap yours (envs.trials.Trials)",
                )
            )
        longest = task.max_episode_steps
        if self.memory_at_rollout == "wiped" and longest is not None and longest > self.num_steps:
            found.append(
                (
                    "memory_at_rollout",
                    f"a trial of {longest} steps is longer than the rollout (num_steps {self.num_steps}) and "
                    "`wiped` forgets it at every rollout; use `carried`, or a rollout that holds a trial",
                )
            )
        if self.minibatch_layout == "sequences" and task.num_envs % self.num_minibatches:
            found.append(
                (
                    "num_minibatches",
                    f"num_envs = {task.num_envs} sequences cannot be dealt into {self.num_minibatches} equal "
                    "minibatches",
                )
            )
        if self.minibatch_layout == "transitions" and task.num_envs * self.num_steps < self.num_minibatches:
            found.append(("num_minibatches", "there are more minibatches than transitions"))
        if not self.aggregator.summarises:
            if self.gradient.needs_aggregate:
                found.append(
                    (
                        "gradient",
                        "`straight_through` needs an aggregator: with `aggregator: none` nothing is aggregated",
                    )
                )
            if self.split.learned:
                found.append(
                    ("split", "`gate` needs an aggregator: with `aggregator: none` there is nothing to balance")
                )
        elif self.gradient.needs_aggregate and not self.aggregates:
            found.append(("gradient", "`straight_through` needs aggregated channels: a split ratio of 0 leaves none"))
        if not self._groups_fit(self.widths.encoder):
            found.append(
                (
                    "encoder",
                    f"all channels are aggregated and `{self.aggregator.kind}` takes them in groups of "
                    f"{self.aggregator.group}, but the encoder has {self.widths.encoder}; choose an even hidden_size",
                )
            )
        if self.split.learned and self.aggregator.inputs > 1:
            found.append(
                ("split", f"`gate` mixes channels one by one, but `{self.aggregator.kind}` makes one channel of two")
            )
        return found
