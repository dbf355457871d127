"""Finds the other interpreter and makes sure that it is one."""

import os
import shutil
import subprocess
import sys
from functools import cache

from envs.bridge.errors import InterpreterError

OLDEST = (3, 7)
VARIABLE = "ABLATE_BRIDGE_PYTHON"
"""Environment variable that names the interpreter where a study does not."""

_ASK = "import sys; sys.stdout.write('ablate-bridge %d %d %d' % tuple(sys.version_info[:3]))"
_ASK_SECONDS = 60.0  # conda starts slowly on a network disk


def interpreter(python: str | None, variable: str = VARIABLE) -> str:
    """The path of a Python that can run a worker.

    Args:
        python: A path, or a name on ``PATH``; None takes the variable, and without it this interpreter.
        variable: Name of the environment variable.

    Raises:
        InterpreterError: There is none, it is not Python, or it is too old.
    """
    return _checked(python or os.environ.get(variable) or sys.executable)


@cache
def _checked(python: str) -> str:
    path = shutil.which(os.path.expanduser(python))  # noqa: PTH111 (a bare name is looked up on PATH)
    if path is None:
        raise InterpreterError(f"there is no interpreter `{python}`, or it may not be executed.")
    try:
        asked = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise InterpreterError(f"`{path}` is not a Python interpreter: {error}.") from None
    words = asked.stdout.rpartition("\n")[2].split()
    if len(words) != 4 or words[0] != "ablate-bridge":
        said = (asked.stderr.strip().splitlines() or asked.stdout.strip().splitlines() or ["nothing"])[-1]
        raise InterpreterError(f"`{path}` is not a Python interpreter: asked for its version it said {said!r}.")
    version = tuple(int(one) for one in words[1:])
    if version < OLDEST:
        found = ".".join(words[1:])
        raise InterpreterError(f"`{path}` is Python {found}; the bridge needs {OLDEST[0]}.{OLDEST[1]} or newer.")
    return path
