"""Ablation plans of papers and language models, read: Markdown or one JSON object per line.

Markdown: a heading per ablation, then ``Ablated Part``, ``Action`` (REMOVE, REPLACE or ADD), ``Replacement`` and
``Metrics``, each as ``**Key:** value``, ``- Key: value``, ``Key value`` or a heading of its own; values may be lists.
An optional ``Expected`` (worse, better, none) is kept. JSONL: ``name``, ``ablated_part``, ``action``, ``replacement``,
``metrics``.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ablate.errors import StudyError

ACTIONS = ("REMOVE", "REPLACE", "ADD")
EXPECTED = ("worse", "better", "none")


@dataclass(slots=True)
class PlannedAblation:
    """One ablation of a plan, in the plan's words.

    Attributes:
        name: Turned into a name a study can use.
        line: Where it begins, from 1.
        part: What is ablated.
        action: REMOVE, REPLACE or ADD; None when missing or something else.
        replacement: One entry per value.
        metrics: One entry per metric.
        expect: Expected direction, if the plan says.
    """

    name: str
    line: int
    part: str = ""
    action: str | None = None
    replacement: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    expect: str | None = None


@dataclass(frozen=True, slots=True)
class AblationPlan:
    """A whole plan."""

    title: str | None
    ablations: list[PlannedAblation]


_KEYS = {
    "ablated part": "part",
    "ablated component": "part",
    "part": "part",
    "action": "action",
    "replacement": "replacement",
    "replacements": "replacement",
    "metrics": "metrics",
    "metric": "metrics",
    "expected": "expect",
    "expectation": "expect",
}
_KEY_LINE = re.compile(
    rf"(?P<key>{'|'.join(sorted(_KEYS, key=len, reverse=True))})(?:\s*:\s*|\s+(?=[A-Z\[])|\s*$)(?P<value>.*)",
    re.IGNORECASE,
)
_NUMBERING = re.compile(r"^(?:(?:ablation|experiment|study)\s*)?(?:#?\d+)?\s*[.:)\-\u2013\u2014]*\s*", re.IGNORECASE)


def read_plan(text: str, source: str) -> AblationPlan:
    """Read a plan; JSONL is told from Markdown by its first character.

    Raises:
        StudyError: No ablation was found, or a JSON line is broken; the message names the line.
    """
    plan = _jsonl(text, source) if text.lstrip().startswith("{") else _markdown(text)
    if not plan.ablations:
        raise StudyError(
            f"{source}: no ablation found. Write a heading per ablation, then Ablated Part, Action, Replacement and "
            "Metrics; or one JSON object per line."
        )
    taken: dict[str, int] = {}
    for one in plan.ablations:
        count = taken[one.name.lower()] = taken.get(one.name.lower(), 0) + 1
        if count > 1:
            one.name = f"{one.name}_{count}"
    return plan


def _markdown(text: str) -> AblationPlan:
    title: str | None = None
    found: list[PlannedAblation] = []
    heading: tuple[str, int] | None = None
    current: PlannedAblation | None = None
    key: str | None = None
    for line, raw in enumerate(text.splitlines(), 1):
        depth = len(raw) - len(raw.lstrip("#")) if raw.startswith("#") else 0
        content = _plain(raw)
        keyed = _KEY_LINE.fullmatch(content)
        if keyed is not None:
            key = _KEYS[keyed["key"].lower()]
            if current is None or (key == "part" and current.part):
                current = PlannedAblation(_name(*heading) if heading else f"Ablation{len(found) + 1}", line)
                found.append(current)
                heading = None
            _give(current, key, keyed["value"])
        elif depth:
            if title is None and depth == 1:
                title = content
            heading, current, key = (content, line), None, None
        elif content and current is not None and key is not None:
            _give(current, key, content)
        elif not content:
            continue
    return AblationPlan(title, found)


def _plain(raw: str) -> str:
    """A Markdown line without its marks: bullets, heading marks, emphasis, code, quotes, table bars."""
    text = re.sub(r"^\s*(?:[#>|]+\s*|[-*+]\s+|\d+[.)]\s+(?=[*`A-Za-z]))+", "", raw)
    text = re.sub(r"\*\*|__|`", "", text)
    return re.sub(r"(?<!\w)[*_]|[*_](?!\w)|\|\s*$", "", text).strip()


def _give(one: PlannedAblation, key: str, value: str) -> None:
    """Take a value in; a second line of the same key adds to it."""
    value = value.strip()
    if not value:
        return
    if key == "part":
        one.part = f"{one.part} {value}".strip()
    elif key == "action":
        one.action = next((action for action in ACTIONS if re.search(rf"\b{action}", value.upper())), one.action)
    elif key == "expect":
        one.expect = next((word for word in EXPECTED if word in value.lower()), one.expect)
    elif key == "replacement":
        one.replacement += list(_listed(value))
    else:
        one.metrics += list(_listed(value))


def _listed(value: str) -> Iterator[str]:
    """The entries of a list on one line: ``[2, 4]``, ``M=2,4,16``, ``a; b``; ``none`` and dashes are no entry."""
    for entry in re.split(r"[,;]|\band\b", value.strip().strip("[]")):
        cleaned = entry.strip().strip("\"'").rstrip(".").strip()
        cleaned = re.sub(r"^[A-Za-z_]\w*\s*=\s*", "", cleaned)
        if cleaned and cleaned.lower() not in ("-", "\u2013", "n/a", "none", "null"):
            yield cleaned


def _jsonl(text: str, source: str) -> AblationPlan:
    found = []
    for line, raw in enumerate(text.splitlines(), 1):
        if not raw.strip():
            continue
        try:
            content = json.loads(raw)
        except json.JSONDecodeError as error:
            raise StudyError(f"{source}: line {line} is not JSON: {error.msg} (column {error.colno}).") from None
        if not isinstance(content, dict):
            raise StudyError(f"{source}: line {line}: expected one JSON object per line.")
        one = PlannedAblation(_name(str(content.get("name") or f"Ablation{line}"), line), line)
        for key in ("ablated_part", "action", "replacement", "metrics", "expected"):
            for value in _values(content.get(key)):
                _give(one, _KEYS[key.replace("_", " ")], value)
        found.append(one)
    return AblationPlan(None, found)


def _values(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _name(heading: str, line: int) -> str:
    """A heading as a study's name for it: ``2. No latents`` -> ``NoLatents``."""
    parts: list[str] = re.findall(r"[A-Za-z0-9]+", _NUMBERING.sub("", heading, count=1))
    if not parts:
        return f"Ablation{line}"
    if len(parts) == 1:
        return parts[0][:64]
    return "".join(part[0].upper() + part[1:] for part in parts)[:64]
