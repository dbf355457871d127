"""``ablate doctor``: whether this machine, or a cluster, can run a study."""

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Callable
from typing import Any

import click

from ablate import machine
from ablate.cli.inputs import as_json, takes_store
from ablate.cli.output import columns, print_json
from ablate.errors import AblateError
from ablate.store import Store
from envs.isaacgym.interpreter import IsaacGymError

_LOW_DISK_GB = 2.0


@click.command()
@takes_store
@click.option("--address", help="A Ray cluster: does every node see the store and run the same code?")
@click.option("--no-ray", is_flag=True, help="Do not start Ray (it takes some seconds).")
@as_json
def command(store: Store, address: str | None, no_ray: bool, as_json: bool) -> int:
    """Check that this machine can run a study. The exit status is 3 when something is broken."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", platform.python_version),
        ("packages", _versions),
        ("store", lambda: _store(store)),
        ("processor", lambda: f"{machine.cores()} cores"),
        ("gpu", _gpu),
        ("isaac gym", _isaacgym),
        ("plug-ins", _plugins),
        ("mlflow", lambda: _mlflow(store)),
    ]
    if not no_ray:
        checks.append(("ray", lambda: _ray(store, address)))
    rows = [_checked(name, check) for name, check in checks]
    if as_json:
        print_json(rows)
    else:
        for line in columns([("ok" if row["ok"] else "BROKEN", row["check"], row["found"]) for row in rows], indent=""):
            click.echo(line)
    return 0 if all(row["ok"] for row in rows) else 3


def _checked(name: str, check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"check": name, "ok": True, "found": check()}
    except Exception as error:  # a doctor reports whatever is broken
        text = str(error) if isinstance(error, AblateError | IsaacGymError) else f"{type(error).__name__}: {error}"
        return {"check": name, "ok": False, "found": text}


def _versions() -> str:
    names = ("ablate", "torch", "ray", "mlflow", "numpy", "gymnasium", "mujoco", "typst")
    installed = {one.metadata["Name"].lower(): one.version for one in importlib.metadata.distributions()}
    return ", ".join(f"{name} {installed[name]}" for name in names if name in installed)


def _store(store: Store) -> str:
    existed = store.home.exists()
    store.check_writable()
    free = shutil.disk_usage(store.home).free / 1e9
    cells = sum(1 for _ in store.cells)
    if not existed:
        store.home.rmdir()
    low = f" (less than {_LOW_DISK_GB:g} GB: free some)" if free < _LOW_DISK_GB else ""
    return f"{store.home}: writable, {cells} cells, {free:.0f} GB free{low}"


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return f"none (torch {torch.__version__} sees no CUDA device; everything runs on the CPU)"
    parts = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return ", ".join(f"{one.name} {one.total_memory / 2**30:.0f} GiB" for one in parts)


def _isaacgym() -> str:
    from envs.isaacgym.interpreter import examine
    from envs.isaacgym.options import PYTHON_VARIABLE

    python = os.environ.get(PYTHON_VARIABLE)
    if not python:
        return (
            f"not set up; tasks `isaacgym:..` run in the interpreter that ${PYTHON_VARIABLE} names (docs/isaacgym.md)"
        )
    return examine(python)


def _plugins() -> str:
    from algorithms import registry as algorithm_registry
    from envs import registry as env_registry

    return f"algorithms {', '.join(algorithm_registry.algorithms())}; envs {', '.join(env_registry.specs())}"


def _mlflow(store: Store) -> str:
    from ablate.tracking import check

    return check(store.home)


def _ray(store: Store, address: str | None) -> str:
    from ablate.runner import RayExecutor

    with RayExecutor(store, study="doctor", retries=0, address=address) as executor:
        capacity = executor.capacity()
        nodes = executor.check_nodes()
    return f"{nodes} node{'s' if nodes > 1 else ''}, {capacity.cpus} CPUs, {capacity.gpus:g} GPUs"
