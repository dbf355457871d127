"""Packages that register something broken are named."""

import sys

import pytest

from ablate.cli import run
from algorithms import registry as algorithms
from envs import registry as envs
from envs.entry_points import PluginError, registered

GROUP = "ablate.test_group"


@pytest.fixture
def install(tmp_path, monkeypatch):
    def install(value, *, group=GROUP, code=""):
        (tmp_path / "my_lab.py").write_text(code)
        info = tmp_path / "my_lab-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_lab\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\nthing = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "my_lab", raising=False)

    yield install
    sys.modules.pop("my_lab", None)
    algorithms.algorithms.cache_clear()
    envs.specs.cache_clear()


def test_a_sound_entry_point_is_found_by_its_name(install):
    install("my_lab:THING", code="class Thing: name = 'mine'\nTHING = Thing()\n")
    assert [name for name, _ in registered(GROUP, object, "name", ())] == ["mine"]


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        ("my_lab:THING", "import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("my_lab:MISSING", "", "has no attribute 'MISSING'"),
        ("my_lab:THING", "THING = 3\n", "has type int, not str"),
        ("my_lab:THING", "class Name(str): name = 'ppo'\nTHING = Name()\n", "calls itself `ppo`, a name that is taken"),
    ],
)
def test_a_broken_one_names_itself_and_its_package(install, value, code, said):
    install(value, code=code)
    with pytest.raises(PluginError) as caught:
        list(registered(GROUP, str, "name", {"ppo"}))
    assert f"entry point `thing = {value}` of my_lab" in str(caught.value)
    assert said in str(caught.value)


def test_the_command_line_says_so_without_a_traceback(install, capsys):
    install("my_lab:THING", group="ablate.envs", code="import no_such_module\n")
    envs.specs.cache_clear()
    assert run(["list", "envs"]) == 3
    said = capsys.readouterr().err
    assert said.startswith("entry point `thing = my_lab:THING` of my_lab")
    assert "Traceback" not in said
