"""``validate`` and ``plan`` with nothing to probe answer at once: no heavy import, little work."""

import subprocess
import sys
from pathlib import Path

import pytest

STUDY = Path(__file__).parents[2] / "studies" / "sapg_ablations.yaml"
HEAVY = ("torch", "ray", "mlflow", "pandas", "matplotlib", "gymnasium")
PROGRAM = """
import json, resource, sys
from ablate.cli import run
code = run(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([code, [name for name in {heavy} if name in sys.modules], used.ru_utime + used.ru_stime]))
"""


def _run(tmp_path, *args):
    import json

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(heavy=HEAVY), *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"ABLATE_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "args",
    [("validate",), ("plan", "--no-probe"), ("show",), ("list", "cells")],
    ids=["validate", "plan", "show", "list"],
)
def test_reading_verbs_import_nothing_heavy(args, tmp_path):
    code, imported, cpu_seconds = _run(tmp_path, *args, str(STUDY))
    assert code == 0
    assert imported == []
    # Wall time is under a second on an idle core; CPU time is what a busy test machine cannot stretch much.
    assert cpu_seconds < 1.5
