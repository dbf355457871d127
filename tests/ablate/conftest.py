import os
import shutil
import sys
import warnings
from pathlib import Path

import pytest

from ablate import tracking
from algorithms import registry as algorithm_registry
from envs import registry as env_registry

HERE = Path(__file__).parent


def _forget_registries():
    algorithm_registry.algorithms.cache_clear()
    env_registry.specs.cache_clear()


@pytest.fixture(scope="session")
def plugin_dir(tmp_path_factory):
    """A directory that holds an installed third-party package: module, metadata and entry points."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(HERE / "toy_plugin.py", folder)
    info = folder / "toy_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy_plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ablate.algorithms]\ntoy = toy_plugin:ALGORITHM\n\n[ablate.envs]\nwalk = toy_plugin:ENV\n"
    )
    return folder


@pytest.fixture
def toy(plugin_dir, monkeypatch):
    """The third-party package is installed, for this process and for those it starts."""
    monkeypatch.syspath_prepend(str(plugin_dir))
    path = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(plugin_dir), *([path] if path else [])]))
    _forget_registries()
    yield
    sys.modules.pop("toy_plugin", None)
    _forget_registries()


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory):
    """An empty MLflow database; creating one takes seconds, copying it none."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tracking._import_mlflow().MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty store that the command line finds, and the working directory beside it."""
    place = tmp_path / "runs"
    place.mkdir()
    monkeypatch.setenv("ABLATE_HOME", str(place))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return place


@pytest.fixture
def mlflow_home(home, mlflow_template):
    """The same with an empty MLflow database in it."""
    shutil.copy(mlflow_template, home / "mlflow.db")
    return home
