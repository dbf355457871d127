"""What a verb means by STUDY: a study file, or the name of a study that the store knows."""

from pathlib import Path

from ablate.errors import UsageError
from ablate.problems import hint
from ablate.store import Json, Store


def named_study(reference: str) -> str:
    """The study's name: a file is read for it, anything else is the name itself.

    A file stands for its own values; what a profile left is called ``STUDY@PROFILE`` or ``FILE@PROFILE``.
    """
    file, at, profile = reference.rpartition("@")
    if at and _is_file(file):
        return f"{named_study(file)}@{profile}"
    if not _is_file(reference):
        return reference
    from ablate.study import load

    return load(reference).study


def _is_file(reference: str) -> bool:
    return Path(reference).suffix in (".yaml", ".yml") or Path(reference).is_file()


def manifest_of(reference: str, store: Store) -> Json:
    """The manifest of a study's last run.

    Raises:
        UsageError: The store knows no such study.
    """
    name = named_study(reference)
    manifest = store.study(name).manifest()
    if manifest is None:
        known = [one.path.name for one in store.studies]
        listed = f" Known: {', '.join(known)}." if known else ""
        raise UsageError(f"{store.home} holds no run of `{name}`.{hint(name, known)}{listed}")
    return manifest
