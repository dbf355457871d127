"""Loss terms, one number per row; the caller weighs and averages.

    B  rows (any leading shape)

Three policies meet in a row: ``new`` (theta, being moved), ``old`` (the row's target policy before the update) and
``behaviour`` (who acted). In plain PPO old and behaviour are one.
"""

import torch
from torch import Tensor

# A ratio beyond e^20 says nothing but "never"; without the bound it overflows and one row poisons the minibatch.
MAX_LOG_RATIO = 20.0


def importance_ratio(logp_new: Tensor, logp_behaviour: Tensor) -> Tensor:
    """R = pi_new / pi_behaviour, ``[B]``."""
    return (logp_new - logp_behaviour).clamp(max=MAX_LOG_RATIO).exp()


def policy_loss(ratio: Tensor, center: Tensor, advantages: Tensor, clip_coef: float) -> Tensor:
    """Clipped surrogate, ``[B]``: -min(r A, clip(r, mu (1 - eps), mu (1 + eps)) A).

    ``center`` is mu = pi_old / pi_behaviour (SAPG eq. 3); where the row's own policy acted it is 1 and this is PPO's
    surrogate (SAPG eq. 2).
    """
    clipped = torch.minimum(torch.maximum(ratio, center * (1 - clip_coef)), center * (1 + clip_coef))
    return -torch.minimum(ratio * advantages, clipped * advantages)


def value_loss(values: Tensor, values_old: Tensor, returns: Tensor, clip_coef: float, *, clip: bool) -> Tensor:
    """Squared error, ``[B]``; with ``clip`` the worse of it and that of a prediction held within eps of the old."""
    error = (values - returns).square()
    if not clip:
        return error
    held = values_old + (values - values_old).clamp(-clip_coef, clip_coef)
    return torch.maximum(error, (held - returns).square())
