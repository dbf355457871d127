"""What installed packages register, with an error that names the package when it is broken.

Stands at the bottom of the import order because environments and algorithms are both registered this way.
"""

import importlib.metadata
from collections.abc import Collection, Iterator
from typing import TypeVar

T = TypeVar("T")


class PluginError(ImportError):
    """An installed package's entry point cannot be used; the message names the entry point and the package."""


def registered(group: str, kind: type[T], attribute: str, taken: Collection[str]) -> Iterator[tuple[str, T]]:
    """Load every entry point of a group.

    Args:
        group: Entry-point group.
        kind: Type each loaded object must have.
        attribute: Attribute of ``kind`` that holds its name in study files.
        taken: Names a package may not use: a study must not change its meaning with what is installed.

    Raises:
        PluginError: The object cannot be imported, has another type, or uses a taken name.
    """
    for entry in importlib.metadata.entry_points(group=group):
        package = entry.dist.name if entry.dist else "an installed package"
        where = f"entry point `{entry.name} = {entry.value}` of {package} (group {group})"
        try:
            found = entry.load()
        except Exception as error:
            raise PluginError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(found, kind):
            raise PluginError(f"{where} has type {type(found).__name__}, not {kind.__name__}")
        name = getattr(found, attribute)
        if name in taken:
            raise PluginError(f"{where} calls itself `{name}`, a name that is taken; it needs another one")
        yield name, found
