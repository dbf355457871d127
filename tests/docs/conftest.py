import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from algorithms import registry as algorithm_registry
from envs import registry as env_registry

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "my_lab"


def _forget_registries():
    algorithm_registry.algorithms.cache_clear()
    env_registry.specs.cache_clear()


@pytest.fixture(scope="session")
def lab_site(tmp_path_factory):
    """What `pip install docs/examples/my_lab` leaves behind: the package, and the entry points of its pyproject."""
    site = tmp_path_factory.mktemp("site")
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(
        EXAMPLE / "src", site, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    info = site / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return site


@pytest.fixture
def lab(lab_site, monkeypatch):
    """The example is installed for this process."""
    monkeypatch.syspath_prepend(str(lab_site))
    _forget_registries()
    yield lab_site
    for name in [one for one in sys.modules if one.split(".")[0] == "my_lab"]:
        del sys.modules[name]
    _forget_registries()
