"""Studies over the bridge: the example of docs/bridge.md, and what becomes of a pack whose worker is killed."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from ablate.cells import cells
from ablate.cli import run
from ablate.store import Store
from ablate.study import load
from ablate.variants import expand

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "bridge"
STANDIN = ROOT / "tests" / "envs" / "standin_simulator.py"
TINY = {"num_steps": 8, "update_epochs": 1, "network": {"kind": "mlp", "hidden": [8]}}
SMALLER = {
    "env_steps: 60_000": "env_steps: 512",
    "num_envs: 64": "num_envs: 8",
    "points: 5, episodes: 64": "points: 2, episodes: 4",
    "seeds: {count: 5}": "seeds: [0, 1]",
}


def write(name, factory, kwargs=None, **sections):
    """A study of a few hundred steps in the working directory."""
    options = {"kwargs": kwargs or {}, "metrics": ["travel"]}
    study = {
        "schema": "ablate/v1",
        "study": name,
        "question": "Does the bridge hold?",
        "baseline": {"algorithm": "ppo", "config": TINY},
        "tasks": [{"env": f"bridge:{STANDIN}:{factory}", "num_envs": 4, "options": options}],
        "budget": {"env_steps": 128},
        "evaluation": {"points": 2, "episodes": 2},
        "seeds": [0],
        "metrics": {"primary": {"name": "eval/travel"}, "secondary": []},
        "controls": {"Slow": {"algorithm": "ppo", "config": {"learning_rate": 0.00001}}},
        **sections,
    }
    Path(f"{name}.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return f"{name}.yaml"


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    """Tiny tensors are slower on two threads, on a busy machine a hundred times."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def train(study):
    return run(["run", study, "--executor", "local", "--no-mlflow", "--no-report"])


def identities(path):
    study = load(Path(path))
    return [cell.identity for cell in cells(study, expand(study))]


def children():
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def test_the_example_of_the_docs_runs_from_a_study(home):
    """With its own settings except for its size; the slow set lets it learn."""
    shutil.copy(EXAMPLE / "shuttle.py", "shuttle.py")
    text = (EXAMPLE / "study.yaml").read_text().replace("docs/examples/bridge/shuttle.py", "shuttle.py")
    for large, small in SMALLER.items():
        assert large in text
        text = text.replace(large, small)
    Path("study.yaml").write_text(text)
    before = children()
    assert train("study.yaml") == 0
    assert children() <= before, "no worker is left"
    store = Store(home)
    for entry in store.study("shuttle").manifest()["cells"]:
        cell = store.cell(entry["hash"])
        assert cell.state() == "DONE"
        rows = [row for row in cell.rows() if "eval/parked" in row]
        assert [row["env_steps"] for row in rows] == [256, 512]
        assert all(0 <= row["eval/parked"] <= 1 and row["episode/length"] <= 60 for row in rows)


@pytest.mark.slow
def test_ppo_learns_the_example(home, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert train("docs/examples/bridge/study.yaml") == 0
    store = Store(home)
    last = {
        (entry["variant"], entry["seed"]): store.cell(entry["hash"]).rows()[-1]["eval/parked"]
        for entry in store.study("shuttle").manifest()["cells"]
    }
    assert sum(value for (variant, _), value in last.items() if variant == "baseline") > 4
    assert sum(value for (variant, _), value in last.items() if variant == "Untrained") < 1


def test_a_pack_whose_worker_is_killed_is_tried_again(home):
    study = write("killed", "trap", {"what": "killed", "mark": str(home / "mark")})
    assert train(study) == 0
    entry = Store(home).study("killed").manifest()["cells"][0]
    cell = Store(home).cell(entry["hash"])
    attempts = [json.loads(line) for line in (cell.path / "attempts.jsonl").read_text().splitlines()]
    assert [one["state"] for one in attempts] == ["INTERRUPTED", "DONE"]
    assert "was killed by SIGKILL during step 3" in attempts[0]["error"]
    assert cell.rows()[-1]["env_steps"] == 128


def test_a_simulator_that_raises_fails_its_cells_at_once(home):
    study = write("raises", "trap", {"what": "raises"})
    assert train(study) == 1
    entry = Store(home).study("raises").manifest()["cells"][0]
    cell = Store(home).cell(entry["hash"])
    status = cell.status()
    assert status["state"] == "FAILED"
    assert status["attempt"] == 1
    assert "step raised ValueError: the cart" in status["error"]
    log = (home / "packs" / status["pack"] / "log.txt").read_text()
    assert "fell off" in log, "the simulator's traceback"


def test_a_trainer_that_cannot_be_built_leaves_no_worker(home):
    """Its first environment stands when the second, for the evaluation, fails."""
    before = children()
    assert train(write("once", "once", {"mark": str(home / "mark")})) == 1
    status = Store(home).cell(Store(home).study("once").manifest()["cells"][0]["hash"]).status()
    assert status["state"] == "FAILED"
    assert "the factory raised FileExistsError" in status["error"]
    assert children() <= before


def test_the_simulators_file_is_a_part_of_every_cell(home):
    shutil.copy(STANDIN, "sim.py")
    Path("more").mkdir()
    Path("more/lib.py").write_text("GRAVITY = 9.81\n")
    options = {"metrics": ["travel"], "code": ["more"]}
    study = write("cells", "make", tasks=[{"env": "bridge:sim.py:make", "num_envs": 4, "options": options}])

    def codes():
        from ablate.cells import code_digest

        code_digest.cache_clear()
        return {identity["task"]["code"] for identity in identities(study)}

    first = codes()
    assert codes() == first
    Path("more/lib.py").write_text("GRAVITY = 1.62\n")
    second = codes()
    Path("sim.py").write_text(Path("sim.py").read_text().replace("0.9 *", "0.8 *"))
    assert len(first | second | codes()) == 3


def test_a_study_is_checked_before_anything_starts(home, capsys):
    bad = {"env": f"bridge:{STANDIN}:mak", "num_envs": 4}
    worse = {"env": f"bridge:{STANDIN}:make", "num_envs": 4, "options": {"kwargs": {"seed": 1}, "step_seconds": 0}}
    assert run(["validate", write("bad", "make", tasks=[bad])]) == 2
    assert "Did you mean `make`" in capsys.readouterr().err
    assert run(["validate", write("worse", "make", tasks=[worse])]) == 2
    assert "step_seconds" in capsys.readouterr().err
    metrics = {"primary": {"name": "eval/travle"}, "secondary": []}
    assert run(["validate", write("metric", "make", metrics=metrics)]) == 2
    assert "does not report `eval/travle`. Did you mean `eval/travel`" in capsys.readouterr().err
