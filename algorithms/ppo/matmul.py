"""Let torch use oneDNN for float32 matrix products on CPUs where that is exact.

torch sends float32 products to MKL, which runs AMD processors at half speed; ``fp32_precision = "bf16"`` sends them to
oneDNN. Despite its name the switch computes in full float32 wherever the processor has no tile unit for bfloat16. Where
it has one, the products would silently lose 16 bits: so a probe decides, and an inexact answer turns the switch off.
"""

from functools import cache

import torch

_EXACT = 1e-5
"""Relative error: float32 has about 1e-6 on the probe, bfloat16 about 4e-3."""


def choose_matmul() -> bool:
    """Choose the library for float32 products; True where oneDNN is used.

    Set anew by every trainer: a process trains many, and whatever ran before may have set it otherwise.
    """
    chosen = _onednn_is_exact()
    torch.backends.mkldnn.matmul.fp32_precision = "bf16" if chosen else "ieee"  # type: ignore[attr-defined]
    return chosen


@cache
def _onednn_is_exact() -> bool:
    """Whether the switch keeps full precision on this processor; measured once per process."""
    switch = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    if torch.cuda.is_available() or not torch.backends.mkldnn.is_available():
        return False
    generator = torch.Generator().manual_seed(0)
    batch, left, right = 8, (256, 128), (128, 64)
    a = torch.randn(batch, *left, generator=generator)
    b = torch.randn(batch, *right, generator=generator)
    exact = a.double() @ b.double()
    switch.fp32_precision = "bf16"
    errors = ((a @ b - exact).norm() / exact.norm(), (a[0] @ b[0] - exact[0]).norm() / exact[0].norm())
    return bool(max(errors) < _EXACT)
