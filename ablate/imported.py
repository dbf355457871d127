"""An ablation plan as a study file, with every match and its score in a comment.

What could not be matched stays ``TODO``, which ``ablate validate`` lists with its line.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablate.importer import AblationPlan, PlannedAblation
from ablate.matching import Proposal, accepted, match_kind, match_metric, match_number, rank_components
from ablate.schema import TODO
from algorithms import registry
from algorithms.component import ComponentField, components

_PROPOSALS = 3
_NUM_ENVS = 192


@dataclass(frozen=True, slots=True)
class Matched:
    """One ablation of a plan and what it became.

    Attributes:
        planned: In the plan's words.
        component: The matched component, None for a TODO.
        proposals: Best candidates with scores.
        replacement: Values for ``with``; TODO where a word named none.
    """

    planned: PlannedAblation
    component: str | None
    proposals: list[Proposal]
    replacement: list[Any]

    @property
    def complete(self) -> bool:
        """Whether nothing is left to a person."""
        return self.component is not None and self.planned.action is not None and TODO not in self.replacement


def matched(plan: AblationPlan, algorithm: str) -> list[Matched]:
    """Match every ablation of a plan to a component of an algorithm."""
    known = components(registry.find(algorithm).config)
    found = []
    for one in plan.ablations:
        proposals = rank_components(one.part or one.name, one.replacement, known)
        component = accepted(proposals)
        field = known[component] if component is not None else None
        replacement = [_value(text, field) for text in one.replacement]
        if one.action != "REMOVE" and not replacement:
            replacement = [TODO]
        found.append(Matched(one, component, proposals[:_PROPOSALS], replacement))
    return found


def _value(text: str, field: ComponentField | None) -> Any:
    """A replacement as a value of a component."""
    if field is None:
        return TODO
    found = match_kind(text, field) if field.kinds else match_number(text)
    return TODO if found is None else found


def study_text(plan: AblationPlan, matches: list[Matched], *, algorithm: str, env: str, source: str) -> str:
    """The study file: valid as soon as no TODO is left."""
    secondary, unmatched = _metrics(plan)
    lines = [
        f"# Imported from {source}. Matches are proposals with a score from 0 to 1; fill in every {TODO}.",
        "schema: ablate/v1",
        f"study: {_study_name(plan, source)}",
        f"question: {json.dumps(plan.title or 'Which parts carry the performance?', ensure_ascii=False)}",
        "",
        "baseline:",
        f"  algorithm: {algorithm}",
        "  config: {}",
        "",
        "tasks:",
        f"  - {{env: {env}, num_envs: {_NUM_ENVS}}}",
        "",
        "budget: {env_steps: 300_000}",
        "evaluation: {points: 20, episodes: 32}",
        "seeds: {count: 8, start: 0}",
        "",
        "metrics:",
        "  primary: {name: eval/return, summary: final, goal: max, margin: 10%}",
        f"  secondary: [{', '.join(secondary)}]",
        *(f"  # the plan also asks for: {text}" for text in unmatched),
        "",
        "ablations:",
    ]
    for one in matches:
        lines += _entry(one)
    return "\n".join(lines) + "\n"


def _entry(one: Matched) -> list[str]:
    ranking = ", ".join(f"{proposal.name} {proposal.score:.2f}" for proposal in one.proposals)
    lines = [
        f"  {one.planned.name}:",
        f"    part: {_scalar(one.planned.part or one.planned.name)}",
        f"    component: {one.component or TODO} # {ranking}",
        f"    action: {one.planned.action or TODO}",
    ]
    if one.planned.action != "REMOVE":
        values = [value if isinstance(value, str) else f"{value:g}" for value in one.replacement]
        words = f" # the plan says: {', '.join(one.planned.replacement) or 'nothing'}" if TODO in values else ""
        lines.append(f"    with: {values[0] if len(values) == 1 else '[' + ', '.join(values) + ']'}{words}")
    if one.planned.expect is not None:
        lines.append(f"    expect: {one.planned.expect}")
    return lines


def _scalar(text: str) -> str:
    """Text as YAML, quoted where it would be read as something else."""
    plain = re.fullmatch(r"[A-Za-z][\w ()/,.'’-]*", text) and not text.endswith(" ") and ": " not in text
    reserved = text.lower() in ("true", "false", "null", TODO.lower())
    return text if plain and not reserved else json.dumps(text, ensure_ascii=False)


def _metrics(plan: AblationPlan) -> tuple[list[str], list[str]]:
    """Secondary summaries that the plan asks for, and metrics that match none."""
    asked = list(dict.fromkeys(text for one in plan.ablations for text in one.metrics))
    by_text: Mapping[str, str | None] = {text: match_metric(text) for text in asked}
    found = [name for name in dict.fromkeys(by_text.values()) if name not in (None, "final")]
    return [name for name in found if name], [text for text, name in by_text.items() if name is None]


def _study_name(plan: AblationPlan, source: str) -> str:
    words = re.findall(r"[a-z0-9]+", (plan.title or source.rsplit("/", 1)[-1].rsplit(".", 1)[0]).lower())
    return "_".join(words)[:64].rstrip("_") or "imported"
