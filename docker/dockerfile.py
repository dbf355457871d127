"""Read a Dockerfile: the instructions that build one target, in order.

Only what this project's Dockerfile uses is understood; anything else is an error, so that a replay cannot silently
leave a step out.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

_FROM = re.compile(r"(?P<base>\S+)(?:\s+AS\s+(?P<name>\S+))?$", re.IGNORECASE)
_PAIR = re.compile(r'(\w+)=("[^"]*"|\S+)')
_KNOWN = ("ENV", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD")


@dataclass(frozen=True)
class Instruction:
    """One line of a Dockerfile, continuations joined."""

    line: int
    word: str
    text: str

    def pairs(self) -> dict[str, str]:
        """``ENV`` as a mapping."""
        found = {name: value.strip('"') for name, value in _PAIR.findall(self.text)}
        if not found:
            raise ValueError(f"line {self.line}: ENV is understood only as NAME=value: {self.text}")
        return found

    def words(self) -> list[str]:
        """``ENTRYPOINT`` or ``CMD`` in exec form."""
        words: list[str] = json.loads(self.text)
        return words

    def copied(self) -> tuple[list[str], str]:
        """``COPY`` without flags: sources and destination."""
        if self.text.startswith("--"):
            raise ValueError(f"line {self.line}: COPY with flags is not understood: {self.text}")
        *sources, destination = self.text.split()
        return sources, destination


@dataclass
class Stage:
    """One ``FROM`` and what follows it."""

    name: str
    base: str
    instructions: list[Instruction] = field(default_factory=list)


def stages(path: Path) -> dict[str, Stage]:
    """Every stage by name.

    Raises:
        ValueError: An instruction is not understood.
    """
    found: dict[str, Stage] = {}
    current: Stage | None = None
    for line, text in logical_lines(path.read_text()):
        word, _, rest = text.partition(" ")
        if word == "FROM":
            match = _FROM.match(rest.strip())
            if match is None:
                raise ValueError(f"line {line}: FROM is not understood: {text}")
            current = Stage(match["name"] or str(len(found)), match["base"])
            found[current.name] = current
        elif word not in _KNOWN or current is None:
            raise ValueError(f"line {line}: {word} is not understood")
        else:
            current.instructions.append(Instruction(line, word, rest.strip()))
    return found


def logical_lines(text: str) -> list[tuple[int, str]]:
    """(line number, text) of every instruction, without comments, continuation lines joined."""
    joined: list[tuple[int, str]] = []
    parts: list[str] = []
    start = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("#") or not line:
            continue
        start = start if parts else number
        parts.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            joined.append((start, " ".join(parts)))
            parts = []
    return joined


def build_steps(path: Path, target: str) -> tuple[str, list[Instruction]]:
    """The image a target starts from, and all instructions of its chain of stages."""
    known = stages(path)
    if target not in known:
        raise ValueError(f"no target {target}; there are {', '.join(known)}")
    chain: list[Stage] = []
    name = target
    while name in known:
        chain.insert(0, known[name])
        name = known[name].base
    return name, [step for stage in chain for step in stage.instructions]
