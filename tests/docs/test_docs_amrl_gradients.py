"""docs/amrl_gradients.md: its table is the recorded one, and its figures come out again."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "amrl_gradients.md").read_text(encoding="utf-8")
RECORDED = json.loads((ROOT / "benchmarks" / "results" / "memory_gradients.json").read_text())


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("memory_gradients", ROOT / "benchmarks" / "memory_gradients.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_table_is_what_the_script_wrote(script):
    assert script.markdown(RECORDED) in TEXT


def test_recorded_slopes_are_those_that_were_derived():
    memories = RECORDED["memories"]
    for name, one in memories.items():
        if name.endswith("no biases"):
            assert one["exponent"] == pytest.approx(0.5, abs=0.05)
            assert one["late"] == pytest.approx(1 - 0.75**2, abs=0.02)
        elif "straight-through" in name:
            assert one["slope"] == pytest.approx(one["predicted"], rel=0.005)
            assert one["late"] == pytest.approx(1 - 0.75**3, abs=0.02)
        else:
            assert abs(one["exponent"]) < 0.1
            assert one["late"] == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("name", ["GRU, max (SplAgger)", "GRU, max, straight-through (AMRL)"])
def test_the_first_hundred_steps_come_out_again(script, name):
    seeds = range(RECORDED["seeds"])
    memory, parameters = script.designs()[name].build(seeds)
    found = script.gradients_of(memory, parameters, script.noise(seeds, script.SHORT, 0), list(script.SHOWN))
    norms = [float(script.norms(one).mean()) for one in found]
    assert norms == pytest.approx(RECORDED["memories"][name]["short"], rel=1e-3)
