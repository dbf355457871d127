"""Hyper-parameters of SAPG; defaults are the paper's for AllegroHand (Table 4).

Every known difference of the public code is a named option here, and the preset ``official`` switches them all.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge

from algorithms.component import Component, Measured
from algorithms.ppo.config import PositiveInt, PPOConfig
from algorithms.sapg.aggregation import Aggregation, LeaderFollower
from algorithms.sapg.conditioning import Conditioning, Latents
from algorithms.sapg.entropy import Entropy, Ladder
from envs.spec import TaskFacts


def _num_policies_violation(value: Any, config: "SAPGConfig", measured: Measured) -> str | None:
    if measured["check/num_policies"] != value:
        return f"num_policies {value}: {measured['check/num_policies']:.0f} policies acted and learned"
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class SAPGConfig(PPOConfig):
    """SAPG (Singla, Agarwal, Pathak; ICML 2024): M policies on N/M environments each; a leader learns from all.

    Attributes:
        num_policies: M; must divide the number of environments.
        aggregation: Whose rollouts update which policy.
        conditioning: How the policies share a network.
        entropy: The followers' entropy bonus.
        leader_block: Which block of environments the leader owns: the ``first`` (paper: policy 1) or the ``last``
            (public code).
        clip_center: Off-policy ratios are clipped around mu = pi_old / pi_behaviour (``mu_old``, Eq. 3) or around
            ``one`` (public code).
        subsample: Off-policy rows are drawn uniformly from the union of the sources (``uniform_union``, Alg. 1) or as
            one whole source block per iteration (``one_block``, public code).
        on_target: Critic target of on-policy rows: ``n_step`` returns (Eq. 5) or ``gae`` (public code).
        n_step: n of ``on_target: n_step``.
        off_policy_norm: ``mean_over_sources`` weighs all off-policy rows of a target like its on-policy rows (the 1/|X|
            of Eq. 3); ``per_row`` weighs every row alike (public code). They differ when the off-policy ratio is not 1.
        sigma: Standard deviation ``per_policy`` or one ``shared`` vector.
        kl_rows: Rows that steer the adaptive step size: ``on_policy_only``, or ``all`` (public code), where a
            follower's old policy stands in for the leader's.
    """

    num_policies: Annotated[
        int,
        Ge(1),
        Component(
            neutral=1,
            about="number of policies M",
            aliases=(
                "number of policies",
                "num policies",
                "M",
                "policies",
                "number of followers",
                "blocks",
                "ensemble size",
            ),
            check=_num_policies_violation,
        ),
    ] = 6
    aggregation: Aggregation = LeaderFollower()  # noqa: RUF009 (frozen)
    conditioning: Conditioning = Latents()  # noqa: RUF009 (frozen)
    entropy: Entropy = Ladder()  # noqa: RUF009 (frozen)

    leader_block: Literal["first", "last"] = "first"
    clip_center: Literal["mu_old", "one"] = "mu_old"
    subsample: Literal["uniform_union", "one_block"] = "uniform_union"
    on_target: Literal["n_step", "gae"] = "n_step"
    n_step: PositiveInt = 3
    off_policy_norm: Literal["mean_over_sources", "per_row"] = "mean_over_sources"
    sigma: Literal["per_policy", "shared"] = "per_policy"
    kl_rows: Literal["on_policy_only", "all"] = "on_policy_only"

    def problems(self, task: TaskFacts) -> list[tuple[str, str]]:
        """What no single field can show: ``(field, sentence)`` for every impossible combination."""
        found, num_envs = PPOConfig.problems(self, task), task.num_envs
        if num_envs % self.num_policies:
            near = sorted(range(1, num_envs + 1), key=lambda m: (num_envs % m != 0, abs(m - self.num_policies)))[0]
            found.append(
                (
                    "num_policies",
                    f"num_envs = {num_envs} cannot be split into {self.num_policies} equal blocks; "
                    f"the nearest number of policies that divides it is {near}",
                )
            )
        if self.conditioning.position == "after_rnn" and self.network.kind != "lstm":
            found.append(("conditioning.position", "`after_rnn` needs a recurrent network (network: {kind: lstm})"))
        return found
