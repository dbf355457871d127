"""Overrides on the command line, in Hydra's grammar; they edit the YAML tree before it is validated.

    a.b=v      set; a key that the schema does not know is refused with the nearest one
    +a.b=v     add what is not there yet (a new ablation, a new option)
    ++a.b=v    set or add
    ~a.b       delete
    ~a.b=v     delete if the value is v

Values are YAML (``[1, 2]``, ``{kind: symmetric}``, ``1e-3``); list items are reached by index, ``tasks.0.num_envs=96``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ablate.problems import Problem, hint
from ablate.tree import Origin, Path, Tree, dotted
from ablate.yaml_lines import YamlProblems, parse

_GRAMMAR = re.compile(r"(?P<mark>\+\+|\+|~)?(?P<key>[^=+~\s][^=]*?)(?:=(?P<value>.*))?", re.DOTALL)
_OPEN_MAPPINGS = ("ablations", "controls", "profiles")
"""Mappings whose keys are the study's own names: a plain ``k=v`` must name an existing one."""


@dataclass(frozen=True, slots=True)
class Override:
    """One parsed override.

    Attributes:
        text: As typed.
        action: What to do at the path.
        path: Where.
        value: Plain data; None for a delete without a value.
        has_value: Whether ``=`` was given.
    """

    text: str
    action: Literal["set", "add", "force", "delete"]
    path: Path
    value: Any
    has_value: bool

    @property
    def origin(self) -> Origin:
        """How problems name the place."""
        return Origin("override", None, self.text)


def parsed(text: str) -> Override | Problem:
    """Parse one override, or say what is wrong with it."""
    found = _GRAMMAR.fullmatch(text.strip())
    here = Origin("override", None, text)
    if found is None or (found["value"] is None and found["mark"] != "~"):
        return Problem("", "an override is `key=value`, `+key=value`, `++key=value` or `~key`.", here)
    action: Literal["set", "add", "force", "delete"] = "set"
    if found["mark"]:
        action = {"+": "add", "++": "force", "~": "delete"}[found["mark"]]  # type: ignore[assignment]
    keys = re.sub(r"\[(\d+)\]", r".\1", found["key"].strip()).split(".")
    if not all(keys):
        return Problem("", f"`{found['key']}` has an empty step.", here)
    path: Path = tuple(int(key) if key.isdecimal() else key for key in keys)
    value = None
    if found["value"] is not None:
        try:
            value = parse(found["value"], "override").data if found["value"].strip() else ""
        except YamlProblems as error:
            return Problem(dotted(path), error.problems[0].message, here)
    return Override(text, action, path, value, found["value"] is not None)


def apply(tree: Tree, overrides: Sequence[str]) -> list[Problem]:
    """Edit a tree in place, in the order given.

    Returns:
        What could not be applied; the rest is.
    """
    problems = []
    for text in overrides:
        one = parsed(text)
        problem = one if isinstance(one, Problem) else _apply_one(tree, one)
        if problem is not None:
            problems.append(problem)
    return problems


def _apply_one(tree: Tree, one: Override) -> Problem | None:
    exists = tree.has(one.path)
    if one.action == "delete":
        if not exists:
            return _problem(one, f"nothing to delete.{_near_sibling(tree, one.path)}")
        if one.has_value and tree.get(one.path) != one.value:
            return _problem(one, f"not deleted: its value is {tree.get(one.path)!r}.")
        tree.remove(one.path)
        return None
    if one.action == "add" and exists:
        return _problem(one, "is already there; use `key=value` to change it or `++key=value` to force it.")
    if one.action == "set":
        missing = _missing_name(tree, one.path)
        if missing is not None:
            return _problem(one, missing)
    blocked = _blocked(tree, one.path)
    if blocked is not None:
        return _problem(one, blocked)
    tree.set(one.path, one.value, one.origin)
    return None


def _missing_name(tree: Tree, path: Path) -> str | None:
    """Why a plain ``k=v`` may not invent an ablation, a control or a profile."""
    if path[0] not in _OPEN_MAPPINGS or len(path) < 2 or tree.has(path[:2]):
        return None
    return f"no `{path[1]}` under {path[0]}.{_near_sibling(tree, path[:2])} `+key=value` adds one."


def _blocked(tree: Tree, path: Path) -> str | None:
    """Why the way to a path cannot be walked: a list without that index, or a step into a number or text."""
    for length in range(len(path)):
        if not tree.has(path[:length]):
            return None
        place, step = tree.get(path[:length]), path[length]
        if isinstance(place, list) and not (isinstance(step, int) and step < len(place)):
            return f"`{dotted(path[:length])}` is a list of {len(place)}; its items are 0 to {len(place) - 1}."
        if isinstance(place, dict) and isinstance(step, int):
            return f"`{dotted(path[:length])}` is a mapping; it has no item {step}."
        if not isinstance(place, dict | list) and (
            length == 0 or length < len(path) - 1 or not isinstance(place, str | None)
        ):
            return f"`{dotted(path[:length])}` is {place!r}, which has no parts."
    return None


def _near_sibling(tree: Tree, path: Path) -> str:
    for length in range(len(path)):
        if tree.has(path[:length]) and not tree.has(path[: length + 1]):
            place = tree.get(path[:length])
            return hint(path[length], place) if isinstance(place, dict) else ""
    return ""


def _problem(one: Override, message: str) -> Problem:
    return Problem(dotted(one.path), message, one.origin)
