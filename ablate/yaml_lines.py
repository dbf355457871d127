"""YAML with line numbers, YAML 1.2 scalars and no silent surprises.

What PyYAML does and a study must not: reads ``1e-3`` as text, ``on`` and ``no`` as booleans, ``010`` as eight, keeps
the last of two equal keys without a word. Every value's line is kept, and all duplicate keys are reported at once.
"""

import difflib
import re
from pathlib import Path as FilePath
from typing import Any

import yaml

from ablate.problems import Problem
from ablate.tree import Origin, Path, Tree, dotted

MAX_NODES = 100_000
"""A study has hundreds of values; more means an alias that multiplies itself."""

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "merge", "value")
}
_SPECIAL = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
    **dict.fromkeys((".inf", "+.inf", ".Inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN"), float("nan")),
}


class YamlProblems(Exception):  # noqa: N818 (it carries problems rather than being one)
    """The text is not a usable YAML document; ``problems`` says why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(problems)
        self.problems = problems


def scalar(text: str) -> Any:
    """The value of an unquoted YAML scalar.

    A whole number in exponent form (``2e10``) is an integer, so that budgets can be written the way people say them.
    """
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.fullmatch(text):
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text) and not re.fullmatch(r"0[0-9]+", text.lstrip("+-").replace("_", "")):
        value = float(text.replace("_", ""))
        whole = "." not in text and value.is_integer() and abs(value) < 2**63
        return int(value) if whole else value
    return text


def read(file: FilePath) -> str:
    """The text of a study file.

    Raises:
        YamlProblems: It does not exist, is no file, or is not UTF-8.
    """
    name = str(file)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise YamlProblems([Problem("", f"no such file.{_nearest_file(file)}", Origin(name, None, ""))]) from None
    except IsADirectoryError:
        raise YamlProblems([Problem("", "is a directory, not a study file.", Origin(name, None, ""))]) from None
    except OSError as error:
        raise YamlProblems([Problem("", f"cannot be read: {error.strerror}.", Origin(name, None, ""))]) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        what = f"not UTF-8 text (byte 0x{content[error.start]:02x}); save the file as UTF-8."
        raise YamlProblems([Problem("", what, Origin(name, line, ""))]) from None


def _nearest_file(file: FilePath) -> str:
    places = [file.parent, FilePath("studies")]
    found = {
        str(one) for place in places if place.is_dir() for one in place.iterdir() if one.suffix in (".yaml", ".yml")
    }
    by_name = {FilePath(one).name: one for one in sorted(found, reverse=True)}
    near = difflib.get_close_matches(file.name, by_name, n=1, cutoff=0.5)
    return f" Did you mean `{by_name[near[0]]}`?" if near else ""


def parse(text: str, source: str) -> Tree:
    """Parse one YAML document.

    Args:
        text: The document.
        source: What to call it in messages.

    Raises:
        YamlProblems: Invalid syntax (one problem), or duplicate keys and unusable nodes (all of them).
    """
    lines = text.splitlines()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise YamlProblems([Problem("", _syntax(error, lines, line), _origin(source, lines, line))]) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        what = f"the character U+{code:04X} is not allowed in YAML."
        raise YamlProblems([Problem("", what, Origin(source, line, ""))]) from None
    except RecursionError:
        raise YamlProblems([Problem("", "nested too deeply.", Origin(source, None, ""))]) from None
    builder = _Builder(source, lines)
    data = builder.value(node, ()) if node is not None else None
    if builder.problems:
        raise YamlProblems(builder.problems)
    return Tree(data, {(): Origin(source, 1, lines[0].strip() if lines else ""), **builder.origins})


def _origin(source: str, lines: list[str], line: int) -> Origin:
    return Origin(source, line, lines[line - 1].strip() if 0 < line <= len(lines) else "")


def _syntax(error: yaml.MarkedYAMLError, lines: list[str], line: int) -> str:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in text[: len(text) - len(text.lstrip())] or (error.problem and "'\\t'" in error.problem):
        return "invalid YAML: tabs cannot indent; use spaces."
    context = f" ({error.context})" if error.context else ""
    return f"invalid YAML: {error.problem}{context}."


class _Builder:
    """Turns PyYAML's nodes into plain data, noting lines and problems."""

    def __init__(self, source: str, lines: list[str]) -> None:
        self.source = source
        self.lines = lines
        self.origins: dict[Path, Origin] = {}
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []
        self._count = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        """Plain data of a node; None where a problem was noted."""
        self._count += 1
        if self._count > MAX_NODES:
            if self._count == MAX_NODES + 1:
                self._problem(node, path, f"more than {MAX_NODES:,} values; does an alias repeat itself?")
            return None
        if any(node is one for one in self._open):
            return self._problem(node, path, "an alias that contains itself.")
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return self._sequence(node, path)
            assert isinstance(node, yaml.ScalarNode)
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str) or (key_node.style is None and not isinstance(scalar(key), str)):
                self._problem(key_node, path, "a key must be text; quote it if it is meant to be.")
                continue
            if key in found:
                self._problem(key_node, (*path, key), f"duplicate key; first given at line {first[key]}.")
                continue
            first[key] = key_node.start_mark.line + 1
            self.origins[(*path, key)] = _origin(self.source, self.lines, first[key])
            found[key] = self.value(value_node, (*path, key))
        return found

    def _sequence(self, node: yaml.SequenceNode, path: Path) -> list[Any]:
        found = []
        for index, item in enumerate(node.value):
            self.origins[(*path, index)] = _origin(self.source, self.lines, item.start_mark.line + 1)
            found.append(self.value(item, (*path, index)))
        return found

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if node.tag not in _PLAIN_TAGS:
            return self._problem(node, path, f"the tag `{node.tag}` is not supported.")
        text: str = node.value
        return text if node.style is not None else scalar(text)

    def _problem(self, node: yaml.Node, path: Path, message: str) -> None:
        origin = _origin(self.source, self.lines, node.start_mark.line + 1)
        self.problems.append(Problem(dotted(path), message, origin))
