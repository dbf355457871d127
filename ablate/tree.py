"""A study file as plain data that remembers where every value was written.

``extends``, profiles and overrides are merges of such trees, so a problem is always reported at the line (or the
override) that wrote the offending value, whatever file it came from.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written.

    Attributes:
        source: The file as the person named it, or ``override``.
        line: Counted from 1; None for an override.
        text: The line, or the override, as written.
    """

    source: str
    line: int | None
    text: str


@dataclass(slots=True)
class Tree:
    """Plain data and, for every path into it, its origin."""

    data: Any
    origins: dict[Path, Origin] = field(default_factory=dict)

    def origin(self, path: Path) -> Origin:
        """Origin of a path, or of its nearest ancestor that was written down."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return Origin("", None, "")

    def get(self, path: Path) -> Any:
        """The value at a path.

        Raises:
            KeyError: Nothing is written there.
        """
        value = self.data
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                raise KeyError(dotted(path)) from None
        return value

    def has(self, path: Path) -> bool:
        """Whether a value is written at a path."""
        try:
            self.get(path)
        except KeyError:
            return False
        return True

    def set(self, path: Path, value: Any, origin: Origin) -> None:
        """Write a value, and the mappings that lead to it where there are none."""
        place: Any = self.data
        for step, following in pairwise(path):
            inner = place.get(step) if isinstance(place, dict) else place[step]
            if not (isinstance(inner, dict) or (isinstance(inner, list) and isinstance(following, int))):
                inner = {}
                place[step] = inner
            place = inner
        place[path[-1]] = value
        self.forget(path)
        self.origins[path] = origin

    def remove(self, path: Path) -> None:
        """Delete the value at a path; a list closes the gap."""
        parent = self.get(path[:-1])
        del parent[path[-1]]
        self.forget(path)

    def forget(self, path: Path) -> None:
        """Drop the origins at and below a path."""
        for known in [one for one in self.origins if one[: len(path)] == path]:
            del self.origins[known]

    def part(self, path: Path) -> "Tree":
        """The sub-tree at a path, with paths relative to it."""
        inner = {one[len(path) :]: origin for one, origin in self.origins.items() if one[: len(path)] == path}
        return Tree(self.get(path), inner)

    def scalars(self, path: Path = ()) -> Iterator[tuple[Path, Any]]:
        """Every value that is neither a mapping nor a list, below a path."""
        value = self.get(path)
        steps: Mapping[Any, Any] | None = None
        if isinstance(value, dict):
            steps = value
        elif isinstance(value, list):
            steps = dict(enumerate(value))
        if steps is None:
            yield path, value
            return
        for step in steps:
            yield from self.scalars((*path, step))


_OTHER_FORM = {"count": "adaptive", "adaptive": "count"}


def merged(base: Any, delta: Any) -> Any:
    """Lay a delta over plain data: mappings merge key by key, everything else replaces.

    A mapping that names another ``kind`` replaces the whole mapping, because the fields of one kind mean nothing to
    another. Text in the place of such a mapping is short for its kind, on either side. Seeds that are counted and seeds
    that are adaptive exclude each other, too: naming one form drops the other.
    """
    if isinstance(base, dict) and "kind" in base and isinstance(delta, str):
        delta = {"kind": delta}
    if isinstance(base, str) and isinstance(delta, dict) and "kind" not in delta:
        base = {"kind": base}
    if not isinstance(base, dict) or not isinstance(delta, dict):
        return delta
    if "kind" in delta and base.get("kind", delta["kind"]) != delta["kind"]:
        return dict(delta)
    base = {key: value for key, value in base.items() if not (key in _OTHER_FORM and _OTHER_FORM[key] in delta)}
    return {
        **base,
        **{key: merged(base[key], value) if key in base else value for key, value in delta.items()},
    }


def merged_trees(base: Tree, delta: Tree) -> Tree:
    """Lay one tree over another; what the delta writes carries the delta's origins."""
    data = merged(base.data, delta.data)
    origins = {path: origin for path, origin in base.origins.items() if _still_there(data, path)}
    return Tree(data, {**origins, **delta.origins})


def _still_there(data: Any, path: Path) -> bool:
    return Tree(data).has(path)


def dotted(path: Path) -> str:
    """A path as people write it: ``tasks.0.env``."""
    return ".".join(str(step) for step in path)
