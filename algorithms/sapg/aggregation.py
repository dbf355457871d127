"""Component ``aggregation``: whose rollouts update which policy (SAPG Sec. 4.1 to 4.3).

    L(pi_i) = L_on(pi_i) + off_policy_coef * L_off(pi_i; X_i)            variant := the choice of X_i

Policies are counted from the leader: 0 is the leader, 1..M-1 are the followers, whatever block of environments the
leader owns.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge
from pydantic import Discriminator

from algorithms.component import Component, Measured

if TYPE_CHECKING:
    from algorithms.sapg.config import SAPGConfig

Sources = tuple[tuple[int, ...], ...]
"""``sources[i]``: the policies X_i whose rollouts update policy i off-policy, in cyclic order after i, so that one
drawn position means one common shift for every target."""


def _violation(name: str, expected_targets: int, expected_ratio: int, measured: Measured) -> str | None:
    rows, targets = measured["check/off_policy_rows"], measured["check/off_policy_targets"]
    ratio = measured["check/off_policy_ratio"]
    if targets != expected_targets or (rows > 0) != (expected_targets > 0):
        return (
            f"aggregation `{name}`: {expected_targets} policies should learn from others' rows, "
            f"but {targets:.0f} did (on {rows:.0f} rows)"
        )
    if expected_targets and abs(ratio - expected_ratio) > 1e-6:
        return (
            f"aggregation `{name}`: {expected_ratio} off-policy rows should come with every on-policy row, "
            f"but {ratio:.3g} did"
        )
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class LeaderFollower:
    """X_leader = all followers, X_follower = {}; as many off-policy as on-policy rows (Sec. 4.3)."""

    kind: Literal["leader_follower"] = "leader_follower"
    off_policy_coef: Annotated[float, Ge(0)] = 1.0

    def sources(self, num_policies: int) -> Sources:
        """X_i of every policy."""
        return (tuple(range(1, num_policies)), *((),) * (num_policies - 1))

    def off_policy_ratio(self, num_policies: int) -> int:
        """Off-policy rows of a target per on-policy row."""
        return 1

    def violation(self, config: "SAPGConfig", measured: Measured) -> str | None:
        """The leader alone learns from others, from as many rows as it should."""
        ratio = self.off_policy_ratio(config.num_policies)
        return _violation(self.kind, int(config.num_policies > 1), ratio, measured)


@dataclass(frozen=True, kw_only=True, slots=True)
class Symmetric:
    """X_i = every other policy, for every i; again |off| = |on| (Sec. 4.2)."""

    kind: Literal["symmetric"] = "symmetric"
    off_policy_coef: Annotated[float, Ge(0)] = 1.0

    def sources(self, num_policies: int) -> Sources:
        """X_i of every policy."""
        others = range(1, num_policies)
        return tuple(tuple((i + shift) % num_policies for shift in others) for i in range(num_policies))

    def off_policy_ratio(self, num_policies: int) -> int:
        """Off-policy rows of a target per on-policy row."""
        return 1

    def violation(self, config: "SAPGConfig", measured: Measured) -> str | None:
        """Every policy learns from others."""
        targets = config.num_policies if config.num_policies > 1 else 0
        return _violation(self.kind, targets, self.off_policy_ratio(config.num_policies), measured)


@dataclass(frozen=True, kw_only=True, slots=True)
class HighRatio:
    """X_leader = all followers and every row of theirs is used: M - 1 off-policy rows per on-policy row (Sec. 6.3)."""

    kind: Literal["high_ratio"] = "high_ratio"
    off_policy_coef: Annotated[float, Ge(0)] = 1.0

    def sources(self, num_policies: int) -> Sources:
        """X_i of every policy."""
        return (tuple(range(1, num_policies)), *((),) * (num_policies - 1))

    def off_policy_ratio(self, num_policies: int) -> int:
        """Off-policy rows of a target per on-policy row."""
        return num_policies - 1

    def violation(self, config: "SAPGConfig", measured: Measured) -> str | None:
        """The leader alone learns from others, from as many rows as it should."""
        ratio = self.off_policy_ratio(config.num_policies)
        return _violation(self.kind, int(config.num_policies > 1), ratio, measured)


@dataclass(frozen=True, kw_only=True, slots=True)
class OnPolicyOnly:
    """X_i = {}: each policy learns from its own rollouts; the neutral element."""

    kind: Literal["on_policy_only"] = "on_policy_only"

    @property
    def off_policy_coef(self) -> float:
        """There is nothing to weigh."""
        return 0.0

    def sources(self, num_policies: int) -> Sources:
        """X_i of every policy."""
        return ((),) * num_policies

    def off_policy_ratio(self, num_policies: int) -> int:
        """Off-policy rows of a target per on-policy row."""
        return 0

    def violation(self, config: "SAPGConfig", measured: Measured) -> str | None:
        """Nobody learns from others."""
        return _violation(self.kind, 0, 0, measured)


Aggregation = Annotated[
    LeaderFollower | Symmetric | HighRatio | OnPolicyOnly,
    Discriminator("kind"),
    Component(
        neutral="on_policy_only",
        about="off-policy aggregation of the followers' data by the leader",
        aliases=(
            "aggregate", "aggregation", "off-policy data", "followers' data", "follower data", "leader-follower",
            "leader follower scheme", "symmetric aggregation", "importance sampling", "data sharing",
        ),
    ),
]  # fmt: skip
