"""Names of algorithms: what a study file may write under ``algorithm:``.

Importing this module imports no torch. Third parties add theirs through the entry-point group ``ablate.algorithms``
(an entry whose object is an ``Algorithm``).
"""

import difflib
from functools import cache

from algorithms.algorithm import Algorithm
from envs.entry_points import registered


class UnknownAlgorithmError(ValueError):
    """No algorithm of that name; the message names the nearest one."""


@cache
def algorithms() -> dict[str, Algorithm]:
    """All algorithms by name: our own, then those that installed packages register."""
    from algorithms.ppo import ALGORITHMS as PPO
    from algorithms.sapg import ALGORITHMS as SAPG
    from algorithms.splagger import ALGORITHMS as SPLAGGER

    own = {one.name: one for one in (*PPO, *SAPG, *SPLAGGER)}
    return own | dict(registered("ablate.algorithms", Algorithm, "name", own))


def find(name: str) -> Algorithm:
    """Look an algorithm up.

    Raises:
        UnknownAlgorithmError: No such name; the message holds the nearest one.
    """
    known = algorithms()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    raise UnknownAlgorithmError(f"no algorithm `{name}`.{hint} Known: {', '.join(sorted(known))}.")
