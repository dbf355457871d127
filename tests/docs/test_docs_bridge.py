"""docs/bridge.md says what the code does."""

import dataclasses
import re
from pathlib import Path

import yaml

from envs.bridge import BridgeOptions, errors
from envs.testing import check_vector_env

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "bridge"
PAGE = (ROOT / "docs" / "bridge.md").read_text()


def test_excerpts_are_in_the_example():
    blocks = re.findall(r"```(python|yaml)\n(.*?)```", PAGE, re.DOTALL)
    example = {"python": (EXAMPLE / "shuttle.py").read_text(), "yaml": (EXAMPLE / "study.yaml").read_text()}
    excerpts = [(kind, text) for kind, text in blocks if "check_vector_env" not in text]
    assert len(excerpts) == 3
    for kind, text in excerpts:
        assert text in example[kind]


def test_every_option_with_its_default_and_every_error_is_listed():
    options = PAGE.partition("## Options")[2].partition("\n## ")[0]
    for field in dataclasses.fields(BridgeOptions):
        (default,) = re.findall(rf"^\| `{field.name}` \| (.*?) \|", options, re.MULTILINE)
        want = getattr(BridgeOptions(), field.name)
        if field.name == "python":
            assert default == "`$ABLATE_BRIDGE_PYTHON`, else this one"
        else:
            assert yaml.safe_load(default.strip("`")) == (list(want) if isinstance(want, tuple) else want)
    leaves = [
        name
        for name, one in vars(errors).items()
        if isinstance(one, type) and issubclass(one, errors.BridgeError) and one is not errors.BridgeError
    ]
    assert len(leaves) == 7
    for name in leaves:
        (verdict,) = re.findall(rf"`{name}` \| (.*?) \|", PAGE)
        retried = issubclass(getattr(errors, name), MemoryError | ConnectionError | TimeoutError)
        assert verdict == ("is tried again" if retried else "fails")


def test_the_example_keeps_the_contract(monkeypatch):
    from envs import registry

    monkeypatch.chdir(ROOT)
    (task,) = yaml.safe_load((EXAMPLE / "study.yaml").read_text())["tasks"]
    options = BridgeOptions(kwargs=task["options"]["kwargs"], metrics=tuple(task["options"]["metrics"]))

    def make(num_envs, seeds):
        return registry.make(task["env"], num_envs=num_envs, seeds=seeds, options=options)

    check_vector_env(make, metrics=options.metrics)
