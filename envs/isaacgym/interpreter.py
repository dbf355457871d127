"""Whether an interpreter can run Isaac Gym: asked in a process of its own, for ``ablate doctor``. Imports no torch."""

import json
import os
import subprocess
from pathlib import Path

from envs.isaacgym.options import PYTHON_VARIABLE

HOPPER = (9, 0)
"""Compute capability of H100 and H200."""

CRASH = (
    "Isaac Gym Preview 4 is known to crash (segmentation fault) on Hopper GPUs, the H100 and H200 (sm_90), right after "
    "it prints `+++ Using GPU PhysX` (IsaacGymEnvs issue 220): use an older GPU such as V100, A6000 or RTX 3090, or "
    "the MuJoCo tasks `arm_hand/..` and `hand/..`"
)

_SECONDS = 180.0  # the first import from a network disk is slow

# Isaac Gym before torch, as it demands. `find_spec` of the tasks is enough: importing all of them takes half a minute.
_ASK = """
import importlib.util, json, sys
found = {"version": "%d.%d.%d" % sys.version_info[:3], "missing": [], "torch": None, "capability": None, "codes": []}
for name in ("isaacgym", "torch"):
    try:
        __import__(name)
    except BaseException as error:
        lines = str(error).strip().splitlines()
        found["missing"].append("%s (%s: %s)" % (name, type(error).__name__, lines[0] if lines else "no message"))
        break
for name in ("isaacgymenvs", "hydra"):
    if importlib.util.find_spec(name) is None:
        found["missing"].append(name)
if "torch" in sys.modules and hasattr(sys.modules["torch"], "cuda"):
    torch = sys.modules["torch"]
    found["torch"] = torch.__version__
    if torch.cuda.is_available():
        found["capability"] = torch.cuda.get_device_capability(0)
        found["codes"] = torch.cuda.get_arch_list()
sys.stdout.write("\\nablate-isaacgym " + json.dumps(found))
"""


class IsaacGymError(Exception):
    """An interpreter cannot run Isaac Gym; the message is one sentence that says why."""


def library_folder(python: str) -> str | None:
    """Where the interpreter's own shared library lies: Isaac Gym's binaries look for ``libpython3.8.so`` by name."""
    folder = Path(python).parent.parent / "lib"
    return str(folder) if any(folder.glob("libpython3*.so*")) else None


def worker_environment(python: str) -> dict[str, str]:
    """Environment variables that a worker with Isaac Gym needs beside this process's."""
    folder = library_folder(python)
    if folder is None:
        return {}
    others = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": f"{folder}:{others}" if others else folder}


def examine(python: str) -> str:
    """What an interpreter offers, in a line.

    Raises:
        IsaacGymError: It cannot run Isaac Gym.
    """
    try:
        asked = subprocess.run(
            [python, "-c", _ASK],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={**os.environ, **worker_environment(python)},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsaacGymError(f"`{python}` of ${PYTHON_VARIABLE} does not run: {error}.") from None
    _, mark, answer = asked.stdout.rpartition("ablate-isaacgym ")
    if not mark:
        said = (asked.stderr.strip().splitlines() or ["nothing"])[-1]
        raise IsaacGymError(f"`{python}` of ${PYTHON_VARIABLE} ended with status {asked.returncode} and said {said!r}.")
    found = json.loads(answer)
    if found["missing"]:
        raise IsaacGymError(
            f"`{python}` of ${PYTHON_VARIABLE} (Python {found['version']}) cannot import "
            f"{', '.join(found['missing'])}; docs/isaacgym.md says how to install it."
        )
    line = f"{python}: Python {found['version']}, torch {found['torch']}"
    if found["capability"] is None:
        return f"{line}; it sees no GPU, so tasks run on the CPU"
    capability = tuple(found["capability"])
    gpu = "sm_{}{}".format(*capability)
    if capability == HOPPER:
        raise IsaacGymError(f"{line}, GPU {gpu}: {CRASH}.")
    if not any(one.startswith(f"sm_{capability[0]}") and len(one) == len(gpu) for one in found["codes"]):
        raise IsaacGymError(f"{line} has no code for this GPU ({gpu}), only for {', '.join(found['codes'])}.")
    return f"{line}, GPU {gpu}"
