"""Two studies of the store side by side: may they be compared, and what comes of it?"""

from typing import TYPE_CHECKING

from ablate.errors import UsageError
from ablate.reporting import reading
from ablate.store import Json, Store

if TYPE_CHECKING:
    from reports.replication import Replication

Digests = dict[str, set[str]]
"""``algorithm sapg``, ``env maze/deceptive`` -> the code its cells ran with."""


def compared(a: Json, b: Json, store: Store, *, different_code: bool) -> "tuple[Replication, list[str]]":
    """Compare what two studies found.

    Args:
        a: Manifest of the first study's last run.
        b: Of the second's.
        store: Where the cells of both lie.
        different_code: Compare although an algorithm or an environment ran with other code.

    Returns:
        The comparison, and one sentence per algorithm or environment whose code differs.

    Raises:
        UsageError: The code differs and that was not asked for, or the primary metrics do.
        StoreError: The cells of a study cannot be read as its runs.
    """
    from reports.replication import replication, unlike
    from reports.scores import load
    from reports.verdicts import conclude

    changed = code_differences(a, b, store)
    if changed and not different_code:
        raise UsageError(
            f"{a['study']} and {b['study']} ran with different code, so a difference may be the code's:\n"
            + "".join(f"  {one}\n" for one in changed)
            + "Compare them all the same with --different-code, or run both with one version."
        )
    with reading():
        ours, theirs = conclude(load(a)), conclude(load(b))
    if reason := unlike(ours, theirs):
        raise UsageError(f"{a['study']} and {b['study']} cannot be compared: {reason}")
    return replication(ours, theirs), changed


def code_differences(a: Json, b: Json, store: Store) -> list[str]:
    """One sentence per algorithm or environment that both studies use, but with other code."""
    ours, theirs = digests(a, store), digests(b, store)
    return [
        f"{what}: {', '.join(sorted(ours[what]))} in {a['study']}, {', '.join(sorted(theirs[what]))} in {b['study']}"
        for what in ours
        if what in theirs and ours[what] != theirs[what]
    ]


def digests(manifest: Json, store: Store) -> Digests:
    """The code that a study's finished cells ran with, from one cell of each variant and task.

    A manifest names cells by their hash, which covers the code: all seeds of a variant on a task share it.
    """
    found: Digests = {}
    seen: set[tuple[str, int]] = set()
    for entry in manifest["cells"]:
        pair = (entry["variant"], entry["task"])
        identity = None if pair in seen else store.cell(entry["hash"]).identity()
        if identity is not None:
            seen.add(pair)
            algorithm, task = identity["algorithm"], identity["task"]
            found.setdefault(f"algorithm {algorithm['name']}", set()).add(algorithm["code"])
            found.setdefault(f"env {task['env']}", set()).add(task["code"])
    return found
