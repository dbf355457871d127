"""Optional packages."""

import importlib
import os
import sys
from types import ModuleType


class MissingPackageError(ImportError):
    """An environment needs a package that is not installed; the message holds the command that installs it."""


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: Its import name.
        extra: The extra of this project that installs it.
        purpose: What needs it, for the message.

    Raises:
        MissingPackageError: It is not installed.
    """
    if module == "mujoco":
        draw_off_screen()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingPackageError(
            f"{purpose} needs the package `{error.name}`, which is not installed: pip install 'ablate[{extra}]'"
        ) from None


def draw_off_screen() -> None:
    """Let MuJoCo draw without a display. It chooses its OpenGL when it is imported, so this comes before."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
