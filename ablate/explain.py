"""Pydantic's findings as sentences: what was found, what is allowed, and the nearest valid thing."""

import dataclasses
import types
import typing
from typing import Annotated, Any, Union

from pydantic import BaseModel, ValidationError

from ablate.problems import hint
from ablate.tree import Path

_EXPECTED = {
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")


def findings(error: ValidationError, kind: Any, plain: Any) -> list[tuple[Path, str]]:
    """Every finding as ``(path into the plain data, sentence)``.

    Args:
        error: Of a model whose only field is ``value``.
        kind: The type of that field, walked for the names it knows.
        plain: The data that was checked.
    """
    by_path: dict[Path, list[str]] = {}
    details = error.errors(include_url=False)
    for detail in details:
        path = _data_path(detail["loc"][1:], plain, missing=detail["type"] in _MISSING)
        if detail["type"] in ("too_short", "too_long") and any(
            other is not detail and other["loc"][: len(detail["loc"])] == detail["loc"] for other in details
        ):
            continue  # pydantic does not count items that are wrong themselves
        sentence = _sentence(detail, known_at(kind, detail["loc"][1:-1]))
        if detail["type"] == "union_tag_invalid":
            path = (*path, "kind")
        by_path.setdefault(path, [])
        if sentence not in by_path[path]:
            by_path[path].append(sentence)
    return [(path, _joined(sentences)) for path, sentences in by_path.items()]


def _joined(sentences: list[str]) -> str:
    """One sentence for the branches of a union, which fail one by one: ``expected `auto` or a number, found ...``."""
    prefix = "expected "
    if len(sentences) == 1 or not all(one.startswith(prefix) and ", found " in one for one in sentences):
        return " ".join(sentences)
    found = sentences[0].rpartition(", found ")[2]
    options = [one[len(prefix) :].rpartition(", found ")[0] for one in sentences]
    return f"{prefix}{' or '.join(options)}, found {found}"


def _data_path(loc: tuple[int | str, ...], plain: Any, *, missing: bool) -> Path:
    """The steps of a location that exist in the data: pydantic adds the tags of unions."""
    path: list[int | str] = []
    place = plain
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(place, dict) and (step in place or (last and missing)):
            path.append(step)
            place = place.get(str(step))
        elif isinstance(place, list) and isinstance(step, int) and step < len(place):
            path.append(step)
            place = place[step]
    return tuple(path)


def _sentence(detail: Any, known: list[str]) -> str:
    kind, found, context = detail["type"], detail["input"], detail.get("ctx", {})
    name = str(detail["loc"][-1])
    if kind in _UNKNOWN:
        return f"unknown field.{hint(name, known) or _listed('Fields', known)}"
    if kind in _MISSING:
        return "missing."
    if kind == "union_tag_invalid":
        kinds = context["expected_tags"].replace("'", "")
        return f"no variant `{context['tag']}`.{hint(context['tag'], kinds.split(', '))} Variants: {kinds}."
    if kind == "union_tag_not_found":
        return "expected a mapping with a `kind`, found " + described(found) + "."
    if kind == "literal_error":
        allowed = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        options = " or ".join([", ".join(f"`{one}`" for one in allowed[:-1]), f"`{allowed[-1]}`"][not allowed[:-1] :])
        return f"expected {options}, found {described(found)}.{hint(found, allowed) if isinstance(found, str) else ''}"
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}, found {described(found)}."
    if kind in ("too_short", "too_long"):
        words = "at least" if kind == "too_short" else "at most"
        limit = context["min_length"] if kind == "too_short" else context["max_length"]
        return f"must have {words} {limit} item{'s' if limit != 1 else ''}, found {len(found)}."
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, found {described(found)}."
    if kind == "value_error":
        return str(context["error"])
    message: str = detail["msg"]
    return f"{message[0].lower()}{message[1:]}, found {described(found)}."


def _listed(word: str, known: list[str]) -> str:
    return f" {word}: {', '.join(known)}." if known else ""


def described(value: Any) -> str:
    """A value and what it is, for a person who meant something else."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'the text "{value}"'
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"{value:g}" if isinstance(value, float) else str(value)


def known_at(kind: Any, loc: tuple[int | str, ...]) -> list[str]:
    """The field names that a type knows at a location."""
    places = _members(kind)
    for step in loc:
        # A step that leads nowhere is the tag of a union told apart by a function: its members stay candidates.
        places = [inner for place in places for inner in _inside(place, step)] or places
    return [name for place in places for name in _fields(place)]


def _members(kind: Any) -> list[Any]:
    """The alternatives of an annotated union; a plain type is its own only member."""
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return _members(typing.get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return [member for one in typing.get_args(kind) for member in _members(one)]
    return [kind]


def _inside(place: Any, step: int | str) -> list[Any]:
    """What stands at one step into a type: a field, an item, or a union member named by its tag."""
    if dataclasses.is_dataclass(place) and any(
        one.name == "kind" and one.default == step for one in dataclasses.fields(place)
    ):
        return [place]
    fields = _fields(place)
    if step in fields:
        return _members(fields[str(step)])
    origin, args = typing.get_origin(place), typing.get_args(place)
    if args and (origin is dict or (origin in (list, tuple) and isinstance(step, int))):
        return _members(args[-1] if origin is dict else args[0])
    return []


def _fields(place: Any) -> dict[str, Any]:
    """Field name, as written in YAML -> its type."""
    if isinstance(place, type) and issubclass(place, BaseModel):
        return {info.alias or name: info.annotation for name, info in place.model_fields.items()}
    if isinstance(place, type) and dataclasses.is_dataclass(place):
        hints = typing.get_type_hints(place, include_extras=True)
        return {one.name: hints[one.name] for one in dataclasses.fields(place)}
    return {}
