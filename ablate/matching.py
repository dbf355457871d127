"""Words of an ablation plan matched to components, kinds and metrics, as a ranked proposal with scores.

A score is between 0 and 1: how much of the plan's words a component's own words (name, description, aliases, kinds)
cover, rarer words counting more, averaged with the likeness to its nearest single phrase. It proposes and a person
decides, which is why anything doubtful stays a TODO.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from algorithms.component import ComponentField

ACCEPT = 0.5
"""A proposal below this score is not taken."""
LEAD = 0.08
"""Nor is one that leads the next by less than this."""

_STOP = frozenset(
    re.findall(r"\w+", "a an and as at by each for from in into is its of on one or our s that the their to with")
)
_SUFFIXES = ("ization", "ation", "ating", "ates", "ated", "ate", "ing", "ies", "ed", "es", "s", "y")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One candidate and how well it fits."""

    name: str
    score: float


def words(text: str) -> frozenset[str]:
    """Stems of the telling words of a phrase; British and American spellings agree."""
    found = re.findall(r"[a-z]+|\d+", text.lower().replace("isation", "ization"))
    return frozenset(_stem(word) for word in found if word not in _STOP and (len(word) > 1 or word.isdigit()))


def _stem(word: str) -> str:
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def ranked(text: str, phrases: Mapping[str, Sequence[str]]) -> list[Proposal]:
    """Candidates by likeness to a text, best first.

    Args:
        text: A plan's words.
        phrases: Candidate -> the phrases people use for it.
    """
    bags = {name: frozenset().union(*map(words, known)) for name, known in phrases.items()}
    rarity = {
        word: math.log(1 + len(bags) / sum(word in bag for bag in bags.values()))
        for word in frozenset().union(*bags.values())
    }
    asked = words(text)
    unknown = math.log(1 + len(bags))
    total = sum(rarity.get(word, unknown) for word in asked) or 1.0
    found = []
    for name, known in phrases.items():
        covered = sum(rarity[word] for word in asked & bags[name]) / total
        nearest = max((_dice(asked, words(phrase)) for phrase in known), default=0.0)
        exact = any(phrase.lower() == text.strip().lower() for phrase in known)
        found.append(Proposal(name, 1.0 if exact else (covered + nearest) / 2))
    return sorted(found, key=lambda one: (-one.score, one.name))


def _dice(left: frozenset[str], right: frozenset[str]) -> float:
    return 2 * len(left & right) / (len(left) + len(right)) if left and right else 0.0


def rank_components(part: str, replacement: Iterable[str], known: Mapping[str, ComponentField]) -> list[Proposal]:
    """Components by how well they fit an ablated part and what is to replace it."""
    phrases = {
        name: [name.replace("_", " "), field.marker.about, *field.marker.aliases, *field.kinds]
        for name, field in known.items()
    }
    proposals = ranked(part, phrases)
    named = {
        one.name
        for one in proposals
        if known[one.name].kinds and any(match_kind(text, known[one.name]) for text in replacement)
    }
    # A replacement that only one component has as a kind is evidence, but never decides alone.
    boost = 0.15 if len(named) == 1 else 0.0
    lifted = [Proposal(one.name, min(1.0, one.score + (boost if one.name in named else 0.0))) for one in proposals]
    return sorted(lifted, key=lambda one: (-one.score, one.name))


def accepted(proposals: Sequence[Proposal]) -> str | None:
    """The best candidate, if it is good and clearly ahead."""
    if not proposals or proposals[0].score < ACCEPT:
        return None
    if len(proposals) > 1 and proposals[0].score - proposals[1].score < LEAD:
        return None
    return proposals[0].name


def match_kind(text: str, field: ComponentField) -> str | None:
    """The kind of a component that a replacement names, None when none or more than one fits."""
    asked = words(text)
    if not asked:
        return None
    if asked <= words("none nothing off removed disabled without"):
        return str(field.marker.neutral)
    fits = [kind for kind in field.kinds if words(kind.replace("_", " ")) <= asked]
    return fits[0] if len(fits) == 1 else None


def match_number(text: str) -> int | float | None:
    """The number a replacement names: ``4``, ``M = 4``, ``4 policies``, ``1e-3``; None when it is not one number."""
    numbers = re.findall(r"(?<![\w.])[-+]?\d+(?:_\d+)*(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])", text)
    if len(numbers) != 1:
        return None
    value = float(numbers[0].replace("_", ""))
    return int(value) if value.is_integer() else value


METRICS: Mapping[str, Sequence[str]] = {
    "final": (
        "average reward", "mean reward", "return", "episode return", "average return", "final performance", "reward",
        "score", "final return",
    ),
    "auc": ("learning curve", "learning curves", "area under the curve", "auc", "sample efficiency", "training curve"),
    "time_to_threshold": ("time to threshold", "steps to threshold", "convergence speed", "steps to reach"),
}  # fmt: skip
"""Summary -> what plans call it."""


def match_metric(text: str) -> str | None:
    """The summary of the return that a plan's metric means."""
    return accepted(ranked(text, METRICS))
