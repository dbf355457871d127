"""Keep freed memory in the process instead of giving every large tensor back to the kernel.

glibc maps each multi-megabyte activation afresh and unmaps it when it is freed, so that a minibatch spends up to half
its time in page faults. The setting costs address space, not time, and changes no number.
"""

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h
_NEVER = 2**31 - 1
_TOP_PAD_BYTES = 256 << 20


@cache
def keep_freed_memory() -> bool:
    """Tell glibc's allocator, once per process; False where the C library has no such switch."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_TOP_PAD, _TOP_PAD_BYTES))
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings)
