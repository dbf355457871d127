"""Variants: the baseline, and the baseline with one named delta each.

What a variant is called in tables is computed from the difference of the resolved configs, never typed by hand. A
variant equal to the baseline or to another is refused, because it would be a comparison of nothing.
"""

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ablate.configs import Delta, Plain, config_to_plain, defaults, difference, shown
from ablate.problems import Problems
from ablate.tree import Path
from algorithms.component import components

if TYPE_CHECKING:
    from ablate.study import Arm, Study

BASELINE = "baseline"
BASELINE_COLOR = "#000000"
COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9",  # Okabe and Ito, without yellow (too pale)
    "#999999", "#332288", "#882255", "#117733", "#AA4499", "#44AA99", "#661100", "#6699CC", "#888888",  # Tol, muted
)  # fmt: skip

Action = Literal["REMOVE", "REPLACE", "ADD"]


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of every table: an algorithm with a fully resolved config.

    Attributes:
        name: ``baseline``, the ablation's name, ``VaryM[2]`` for one value of several, or the control's name.
        role: What it is compared as; ``design`` are further arms of a design, several ablations at once.
        ablation: Name of the ablation it belongs to.
        part: The part in the paper's words.
        component: The component that changes; None where several do.
        action: As declared.
        expect: Expected direction, declared before the run.
        algorithm: Registered name.
        config: Frozen config dataclass.
        delta: Dotted field -> (value in the baseline, value here).
        label: The delta in words.
        color: Of its curve, in the PDF and in MLflow.
    """

    name: str
    role: Literal["baseline", "ablation", "control", "design"]
    ablation: str | None
    part: str | None
    component: str | None
    action: Action | None
    expect: Literal["worse", "better", "none"] | None
    algorithm: str
    config: Any
    delta: Delta
    label: str
    color: str


def expand(study: "Study") -> list[Variant]:
    """Every variant of a study: the baseline, the ablations, the controls, in the order of the file."""
    return list(study.variants)


@dataclass(frozen=True, slots=True)
class Draft:
    """A variant before its colour, and the paths of the study file that its problems belong to."""

    variant: Variant
    path: Path
    fields: Mapping[str, Path]
    """Config field -> where this variant wrote it."""


def baseline_draft(arm: "Arm") -> Draft:
    """The baseline as a variant."""
    variant = Variant(
        BASELINE, "baseline", None, None, None, None, None, arm.algorithm, arm.config, {}, BASELINE, BASELINE_COLOR
    )
    return Draft(variant, ("baseline",), {})


def control_drafts(arms: "Mapping[str, Arm]", baseline: "Arm") -> list[Draft]:
    """Other algorithms for comparison."""
    base = config_to_plain(baseline.config)
    drafts = []
    for name, arm in arms.items():
        delta = difference(base, config_to_plain(arm.config))
        if arm.algorithm != baseline.algorithm:
            delta = {"algorithm": (baseline.algorithm, arm.algorithm), **delta}
        label = label_of(delta, type(arm.config))
        variant = Variant(
            name, "control", None, arm.note, None, None, None, arm.algorithm, arm.config, delta, label, ""
        )
        drafts.append(Draft(variant, ("controls", name), {}))
    return drafts


def label_of(delta: Delta, config_type: type) -> str:
    """A delta in words: ``aggregation: leader_follower → on_policy_only``; several joined by commas."""
    if not delta:
        return "no change"
    kinds = {name: field.kinds for name, field in components(config_type).items()}
    parts = []
    for key, (old, new) in delta.items():
        known = {kind: defaults(one) for kind, one in kinds.get(key, {}).items()}
        parts.append(f"{key}: {_shown(old, known)} → {_shown(new, known)}")
    return ", ".join(parts)


def _shown(value: Any, known: Mapping[str, Plain]) -> str:
    return shown(value, known.get(value.get("kind", "")) if isinstance(value, Mapping) else None)


def distinct(drafts: list[Draft], problems: Problems) -> list[Variant]:
    """Refuse variants that equal another, and give the rest their colours by order."""
    seen: dict[str, tuple[str, Any]] = {}
    variants = []
    for draft in drafts:
        one = draft.variant
        twin = next((name for name, key in seen.items() if key == (one.algorithm, one.config)), None)
        if twin is not None:
            what = "the baseline" if twin == BASELINE else f"`{twin}`"
            problems.add(draft.path, f"`{one.name}` is the same as {what}: there would be nothing to compare.")
            continue
        seen[one.name] = (one.algorithm, one.config)
        variants.append(one)
    return [_colored(one, index) for index, one in enumerate(variants)]


def _colored(variant: Variant, index: int) -> Variant:
    if variant.role == "baseline":
        return variant
    return dataclasses.replace(variant, color=COLORS[(index - 1) % len(COLORS)])


def shared_fields(source: Any, target: type) -> Plain:
    """The values of a config's fields that another config type declares with the same type."""
    theirs = typing.get_type_hints(target, include_extras=True)
    ours = typing.get_type_hints(type(source), include_extras=True)
    return {key: value for key, value in config_to_plain(source).items() if key in theirs and theirs[key] == ours[key]}
