"""What this machine offers, found without importing torch, so that a plan with nothing to probe answers at once."""

import os
import platform
from pathlib import Path


def cores() -> int:
    """CPU cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def gpus() -> int:
    """NVIDIA GPUs this process may use; 0 where the driver shows none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([one for one in visible.split(",") if one.strip() not in ("", "-1")])
    folder = Path("/proc/driver/nvidia/gpus")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def fingerprint() -> str:
    """What measured times depend on, for the key of a probe."""
    return f"{platform.node()} {platform.machine()} {cores()} cores {gpus()} gpus python {platform.python_version()}"
