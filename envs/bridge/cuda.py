"""A slab of GPU memory that two processes share.

The driver's own calls, not torch's: torch's way to share a CUDA tensor differs between its versions and offers parts
of its caching allocator, which cannot always be exported. One ``cuMemAlloc`` here, one IPC handle of 64 bytes over the
control channel, one ``cuIpcOpenMemHandle`` there; both sides see the memory through ``__cuda_array_interface__``.
Tested on a machine with a GPU only (marker ``gpu``).
"""

import ctypes

import torch

from envs.bridge import worker


class CudaSlab:
    """Device memory with an IPC handle; freed by ``close``, and by the driver when this process ends.

    Attributes:
        pointer: Address in this process.
        handle: What the other process opens it by.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self._driver = worker.cuda_driver()
        self._device = device
        pointer, handle = ctypes.c_uint64(), worker.CudaHandle()
        with torch.cuda.device(device):
            torch.zeros(1, device=device)  # makes torch's context the current one
            _check(self._driver.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(size)), f"allocate {size} bytes")
            self.pointer = pointer.value
            _check(self._driver.cuIpcGetMemHandle(ctypes.byref(handle), pointer), "share memory with another process")
        self.handle = bytes(handle)

    def close(self) -> None:
        """Free the memory, once the other process has ended; idempotent."""
        if self.pointer:
            with torch.cuda.device(self._device):
                torch.cuda.synchronize()
                self._driver.cuMemFree_v2(ctypes.c_uint64(self.pointer))
            self.pointer = 0


def _check(error: int, what: str) -> None:
    if error:
        raise RuntimeError(f"CUDA error {error}: the driver could not {what}")
