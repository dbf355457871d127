"""The image with Isaac Gym: it cannot be built here (its archive may not be passed on), so its text is checked."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from envs.isaacgym.options import PYTHON_VARIABLE

DOCKER = Path(__file__).parents[2] / "docker"
FILE = DOCKER / "isaacgym/Dockerfile"


@pytest.fixture(scope="module")
def stages():
    spec = importlib.util.spec_from_file_location("dockerfile_isaacgym", DOCKER / "dockerfile.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.stages(FILE)


@pytest.fixture
def steps(stages):
    return stages["isaacgym"].instructions


def test_it_stands_on_our_image_and_takes_a_pinned_interpreter(stages):
    assert stages["isaacgym"].base == "ablate:cuda"
    assert re.search(r":\d", stages["interpreter"].base)
    (made,) = [step.text for step in stages["interpreter"].instructions if step.word == "RUN"]
    assert re.search(r"python=3\.8\.\d+", made)
    assert "--prefix /opt/isaacgym" in made


def test_everything_that_is_installed_is_pinned(steps):
    installs = [step.text for step in steps if "pip install" in step.text]
    assert len(installs) == 3
    for text in installs[:2]:
        words = text.split("pip install", 1)[1].split()
        packages = [word for word in words if not word.startswith(("--", "https://"))]
        assert packages
        assert all("==" in word for word in packages)
    assert "torch==2.4.1" in installs[0]  # the newest for Python 3.8
    minor = int(re.search(r"numpy==1\.(\d+)", installs[1])[1])
    assert minor < 24  # Isaac Gym uses np.float
    assert "--no-deps --editable" in installs[2]


def test_the_tasks_are_those_of_one_commit(steps):
    (text,) = [step.text for step in steps if "git clone" in step.text]
    assert re.search(r"checkout --quiet [0-9a-f]{7,40}\b", text)
    assert "site-packages/isaacgymenvs.pth" in text


def test_the_archive_comes_from_the_context_and_is_nowhere_else(steps):
    copies = [step.text for step in steps if step.word == "COPY"]
    assert copies == [
        "--from=interpreter /opt/isaacgym /opt/isaacgym",
        "IsaacGym_Preview_4_Package.tar.gz /opt/preview4/",
    ]
    assert not list(DOCKER.rglob("*.tar.gz"))


def test_the_worker_s_interpreter_is_found_and_the_user_has_no_privileges(steps):
    (settings,) = [step.pairs() for step in steps if step.word == "ENV"]
    assert settings[PYTHON_VARIABLE] == "/opt/isaacgym/bin/python"
    assert [step.text for step in steps if step.word == "USER"] == ["root", "ablate"]
    assert steps[-1].word == "USER"


def test_the_documentation_names_the_commands_of_the_file():
    text = FILE.read_text()
    commands = re.findall(r"^# +(docker build .*)$", text, re.MULTILINE)
    documented = (DOCKER.parent / "docs/isaacgym.md").read_text()
    assert len(commands) == 2
    assert all(command in documented for command in commands)
