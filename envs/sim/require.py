"""Optional packages."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
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
        raise _missing(error.name, extra, purpose) from None


def locate(package: str, *, extra: str, purpose: str) -> Path:
    """Folder of an optional package that is only read from: it is not imported.

    Args:
        package: Its import name.
        extra: The extra of this project that installs it.
        purpose: What needs it, for the message.

    Raises:
        MissingPackageError: It is not installed.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise _missing(package, extra, purpose)
    return Path(found.submodule_search_locations[0])


def _missing(package: str, extra: str, purpose: str) -> MissingPackageError:
    return MissingPackageError(
        f"{purpose} needs the package `{package}`, which is not installed: pip install 'ablate[{extra}]'"
    )


def draw_off_screen() -> None:
    """Let MuJoCo draw without a display. It chooses its OpenGL when it is imported, so this comes before."""
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("MUJOCO_GL", "egl")
