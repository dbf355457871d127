"""Problems of a study file: collected, sorted by line, shown all at once."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ablate.tree import Origin, Path, Tree, dotted


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where it was written.

    Attributes:
        path: Dotted path into the study file; empty for the file as a whole.
        message: What was found and what is allowed, one sentence or a few.
        origin: Where.
    """

    path: str
    message: str
    origin: Origin

    def lines(self, file: str) -> list[str]:
        """As shown to a person: place, path, message; then the offending text."""
        where = self.origin
        place = "" if where.source == file else f"{where.source} "
        place += f"line {where.line}" if where.line is not None else ""
        head = "  ".join(
            part for part in (place.strip(), f"{self.path}: {self.message}" if self.path else self.message) if part
        )
        shown = where.text if len(where.text) <= 100 else where.text[:99] + "…"
        return [f"  {head}", f"      | {shown}"] if shown else [f"  {head}"]


@dataclass(slots=True)
class Problems:
    """Collects problems of one tree."""

    tree: Tree
    found: list[Problem] = field(default_factory=list)

    def add(self, path: Path, message: str) -> None:
        """Note a problem at a path of the tree; the same one twice counts once."""
        problem = Problem(dotted(path), message, self.tree.origin(path))
        if problem not in self.found:
            self.found.append(problem)

    def below(self, path: Path) -> bool:
        """Whether a problem was found at or below a path."""
        prefix = dotted(path)
        return any(one.path == prefix or one.path.startswith(prefix + ".") for one in self.found)


def rendered(file: str, problems: Iterable[Problem]) -> str:
    """The message of a ``StudyError``: a headline, then every problem in the order of the file."""
    ordered = sorted(problems, key=lambda one: (one.origin.source != file, one.origin.source, one.origin.line or 0))
    count = f"{len(ordered)} problem{'s' if len(ordered) != 1 else ''}"
    body = [line for problem in ordered for line in problem.lines(file)]
    return "\n".join([f"{file}: {count}, nothing was launched.", *body])


def hint(word: object, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """`` Did you mean `x`?`` for the nearest known word, or nothing."""
    near = nearest(str(word), list(known), cutoff)
    return f" Did you mean `{near}`?" if near else ""


def nearest(word: str, known: Sequence[str], cutoff: float = 0.5) -> str | None:
    """The known word most like the given one, None when none is alike."""
    lowered = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=cutoff)
    return lowered[found[0]] if found else None
