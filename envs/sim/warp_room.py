"""How much room MuJoCo Warp gets: it wants the sizes of its buffers in advance, and pays for them in every step."""

from typing import Any

import numpy as np

from envs.sim.require import require

MOST_CONTACTS = 64
"""Of a world, where its scene does not say."""


def max_contacts(mj: Any) -> int:
    """Contacts a world has room for where its ``Scene`` names no number: what its geoms allow, 64 at most.

    Args:
        mj: Compiled model.
    """
    geom = require("mujoco", extra="warp", purpose="an environment on a GPU").mjtGeom
    total = 4 * int(mj.npair)
    for first in range(mj.ngeom):
        for second in range(first + 1, mj.ngeom):
            if total >= MOST_CONTACTS:
                return MOST_CONTACTS
            if _may_touch(mj, first, second):
                kinds = {int(mj.geom_type[first]), int(mj.geom_type[second])}
                total += 1 if geom.mjGEOM_SPHERE in kinds else 2 if geom.mjGEOM_CAPSULE in kinds else 4
    return max(total, 1)


def max_constraints(mj: Any, contacts: int) -> int:
    """Constraint rows of a world with that many contacts: equalities, dry friction, limits and the contacts' own."""
    mujoco = require("mujoco", extra="warp", purpose="an environment on a GPU")
    equality = {mujoco.mjtEq.mjEQ_CONNECT: 3, mujoco.mjtEq.mjEQ_WELD: 6}
    rows = sum(equality.get(kind, 1) for kind in mj.eq_type)
    rows += sum(
        int(np.count_nonzero(field))
        for field in (mj.dof_frictionloss, mj.tendon_frictionloss, mj.jnt_limited, mj.tendon_limited)
    )
    largest = max([1, *mj.geom_condim, *mj.pair_dim])
    pyramid = mj.opt.cone == mujoco.mjtCone.mjCONE_PYRAMIDAL and largest > 1
    return int(rows) + contacts * int(2 * (largest - 1) if pyramid else largest)


def _may_touch(mj: Any, first: int, second: int) -> bool:
    """MuJoCo's filter of pairs: bits of the geoms; neither one body nor parent and child; not both fixed."""
    bits = mj.geom_contype[first] & mj.geom_conaffinity[second] or mj.geom_contype[second] & mj.geom_conaffinity[first]
    one, other = (int(mj.body_weldid[mj.geom_bodyid[index]]) for index in (first, second))
    if not bits or one == other:
        return False
    parents = [int(mj.body_weldid[mj.body_parentid[body]]) for body in (one, other)]
    related = one and other and (parents[0] == other or parents[1] == one)
    return not related
