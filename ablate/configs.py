"""Frozen config dataclasses from plain data and back: the one place where types are checked.

Algorithms and environments declare stdlib dataclasses; pydantic checks them in strict JSON mode, because lax mode
takes ``"2"`` and ``true`` for numbers, and only JSON mode builds tuples from lists.
"""

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from ablate.tree import Path, merged

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Plain = dict[str, Any]


class InvalidValue(Exception):  # noqa: N818 (it carries findings)
    """Plain data does not fit a type; ``findings`` are ``(path, sentence)`` pairs, all of them."""

    def __init__(self, findings: list[tuple[Path, str]]) -> None:
        super().__init__("; ".join(f"{path}: {sentence}" for path, sentence in findings))
        self.findings = findings


@cache
def _holder(kind: Any) -> type[BaseModel]:
    """A model with one field of the given type; strictness propagates into nested stdlib dataclasses."""
    return create_model("Holder", __config__=STRICT, value=(kind, ...))


def typed(kind: Any, plain: Any) -> Any:
    """Check plain data against a type and build the value.

    Raises:
        InvalidValue: With every finding, paths relative to ``plain``.
    """
    from ablate.explain import findings

    try:
        holder = _holder(kind).model_validate_json(json.dumps({"value": plain}))
    except ValidationError as error:
        raise InvalidValue(findings(error, kind, plain)) from None
    return holder.value  # type: ignore[attr-defined]


def config_from_plain(config_type: type, plain: Mapping[str, Any]) -> Any:
    """Build a frozen config from plain data; fields left out take their defaults.

    Raises:
        InvalidValue: With every finding.
    """
    return typed(config_type, dict(plain))


def config_to_plain(config: Any) -> Plain:
    """A config as nested dicts, lists and scalars: what the cell's hash is taken of and what ``cell.yaml`` holds."""
    plain: Plain = _plain(config)
    return plain


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value


@cache
def defaults(config_type: type) -> Plain:
    """The config's default values as plain data; a dataclass without a default for a field leaves it out.

    The result is shared: lay deltas over it with ``laid_over``, never write into it.
    """
    found = {}
    for field in dataclasses.fields(config_type):
        if field.default is not dataclasses.MISSING:
            found[field.name] = _plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            found[field.name] = _plain(field.default_factory())
    return found


def laid_over(plain: Mapping[str, Any], *deltas: Mapping[str, Any]) -> Plain:
    """Plain data with deltas laid over it in order; see ``ablate.tree.merged`` for what merges and what replaces."""
    found = _plain(plain)
    for delta in deltas:
        found = merged(found, _plain(delta))
    return dict(found)


Delta = dict[str, tuple[Any, Any]]
"""Dotted field -> (old, new); a changed ``kind`` stands for the whole mapping."""


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Delta:
    """Where two resolved configs differ; fields that only one of them has are left out."""
    found: Delta = {}
    for key in old:
        if key in new and old[key] != new[key]:
            found.update(_differing(key, old[key], new[key]))
    return found


def _differing(key: str, old: Any, new: Any) -> Delta:
    same_kind = isinstance(old, dict) and isinstance(new, dict) and old.get("kind") == new.get("kind")
    if not same_kind:
        return {key: (old, new)}
    return {f"{key}.{inner}": pair for inner, pair in difference(old, new).items()}


def shown(value: Any, kind_defaults: Mapping[str, Any] | None = None) -> str:
    """A config value in a label: ``on_policy_only``, ``high_ratio(off_policy_coef=0.5)``, ``5e-4``, ``[64, 64]``."""
    if isinstance(value, Mapping) and "kind" in value:
        known = kind_defaults or {}
        odd = {key: one for key, one in value.items() if key != "kind" and known.get(key, one) != one}
        inner = ", ".join(f"{key}={shown(one)}" for key, one in odd.items())
        return f"{value['kind']}({inner})" if inner else str(value["kind"])
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "[" + ", ".join(shown(one) for one in value) + "]"
    return str(value)
