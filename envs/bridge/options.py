"""How a study names a simulator in another interpreter; imports no torch and nothing of the simulator."""

import ast
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Gt

from envs.spec import UnknownEnvError


@dataclass(frozen=True, kw_only=True, slots=True)
class BridgeOptions:
    """How a simulator is started and stepped.

    Attributes:
        python: Interpreter that the simulator runs in: a path, or a name on ``PATH``. Left out: that of the environment
            variable ``ABLATE_BRIDGE_PYTHON``, which is no part of a cell's identity; without it this interpreter.
        kwargs: Arguments of the factory beside ``num_envs``, ``seed`` and ``device``.
        metrics: Numbers per episode that the study counts on, of those the simulator reports; only these may be its
            primary metric. All that the simulator reports are recorded.
        code: Further ``.py`` files and directories that decide the numbers. Their content, like that of the factory's
            own file, is a part of every cell's identity: change it, and the cells run again.
        environment: Environment variables of the worker beside this process's, e.g. ``{LD_LIBRARY_PATH: ...}``.
        stale: For a simulator with lazy resets: what a learner does with a step taken from an observation of the
            episode before. ``mask`` leaves it out, ``train`` learns from it.
        start_seconds: Longest time that building the simulator may take.
        step_seconds: Longest time that a step, a reset or a checkpoint may take.
    """

    python: str | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    stale: Literal["mask", "train"] = "mask"
    start_seconds: Annotated[float, Gt(0)] = 600.0
    step_seconds: Annotated[float, Gt(0)] = 120.0

    def __post_init__(self) -> None:
        for one in self.code:
            if not Path(one).exists():
                raise ValueError(f"`{one}` is neither a file nor a directory.")
        for name in ("num_envs", "seed", "device"):
            if name in self.kwargs:
                raise ValueError(f"`{name}` is given by the study, not by the simulator's kwargs.")


def check_target(target: str) -> None:
    """Make sure that ``path/file.py:factory`` exists; of ``module:factory`` only the form can be known here.

    Raises:
        UnknownEnvError: It does not.
    """
    place, colon, name = target.rpartition(":")
    if not (colon and place and name.isidentifier()):
        raise UnknownEnvError(
            f"no environment `bridge:{target}`: write `bridge:path/file.py:factory` or `bridge:module:factory`."
        )
    if not place.endswith(".py"):
        return
    if not Path(place).is_file():
        raise UnknownEnvError(f"no environment `bridge:{target}`: there is no file `{place}` in {Path.cwd()}.")
    known = _names(Path(place))
    if known is not None and name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise UnknownEnvError(f"no environment `bridge:{target}`: {place} defines no `{name}`.{hint}")


def source_files(target: str, options: BridgeOptions) -> tuple[str, ...]:
    """The files whose content decides the numbers, as far as they are known without the other interpreter."""
    place = target.rpartition(":")[0]
    found = [Path(place)] if place.endswith(".py") else []
    for one in map(Path, options.code):
        found += sorted(one.rglob("*.py")) if one.is_dir() else [one]
    return tuple(dict.fromkeys(map(str, found)))


def _names(file: Path) -> set[str] | None:
    """What a module defines at its top level; None where that cannot be told without running it."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return None  # written for another Python, which will say what it thinks of it
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
    return None if "*" in names else names
