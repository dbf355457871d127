"""What an ablation point is: a field of an algorithm's config marked with ``Component``.

The marker says what REMOVE means (the neutral element), which words a paper uses for the part, and how to tell at run
time that the chosen value did what it says (the manipulation check). A union field is a closed set of frozen
dataclasses told apart by ``kind``; a scalar field is a number.
"""

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Measured = Mapping[str, float]
"""What a trainer measured during one iteration: ``check/...`` keys of a metrics row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """Marks a config field as an ablation point.

    Attributes:
        neutral: What REMOVE sets: the ``kind`` of the neutral variant, or the neutral number. "Off" is an identity
            element, never a branch in the trainer.
        about: What the part is, in a paper's words.
        aliases: Other words people use for it; ``ablate import`` matches against them.
        check: ``(value, config, measured) -> sentence | None``: what is wrong when the measured figures contradict
            the value, None when they agree. None as a function: the value's own ``violation(config, measured)``.
    """

    neutral: str | int | float
    about: str
    aliases: tuple[str, ...] = ()
    check: Callable[[Any, Any, Measured], str | None] | None = None


@dataclass(frozen=True, slots=True)
class ComponentField:
    """One ablation point of one algorithm: field name, marker, and the kinds it can take."""

    name: str
    marker: Component
    kinds: dict[str, type]
    """``kind`` -> dataclass for a union; empty for a scalar."""

    def violation(self, config: Any, measured: Measured) -> str | None:
        """What contradicts the configured value in the measured figures, None when nothing does."""
        value = getattr(config, self.name)
        if self.marker.check is not None:
            return self.marker.check(value, config, measured)
        found: str | None = value.violation(config, measured)
        return found


def components(config_type: type) -> dict[str, ComponentField]:
    """The ablation points of a config dataclass, by field name, in the order of declaration."""
    hints = typing.get_type_hints(config_type, include_extras=True)
    found = {}
    for field in dataclasses.fields(config_type):
        hint = hints[field.name]
        for marker in getattr(hint, "__metadata__", ()):
            if isinstance(marker, Component):
                found[field.name] = ComponentField(field.name, marker, _kinds(hint))
    return found


def _kinds(hint: Any) -> dict[str, type]:
    """``kind`` -> dataclass for every dataclass mentioned in an annotated union."""
    inner = typing.get_args(hint)[0]
    members = typing.get_args(inner) or (inner,)
    return {
        str(next(f.default for f in dataclasses.fields(member) if f.name == "kind")): member
        for member in members
        if dataclasses.is_dataclass(member) and isinstance(member, type)
    }


def violations(config: Any, measured: Measured) -> list[str]:
    """Every manipulation check of a config that the measured figures fail, as sentences."""
    sentences = (field.violation(config, measured) for field in components(type(config)).values())
    return [sentence for sentence in sentences if sentence]
