import json

import pytest
import yaml
from toy_packs import study_text

from ablate.cli import run
from ablate.durable import write_text
from ablate.store import Store


@pytest.fixture
def studies(toy, home):
    """Two studies of the toy with seeds of their own, and a profile of the first."""
    for name, start in (("toy", 0), ("again", 100)):
        document = yaml.safe_load(study_text(name, seeds=3, budget=800))
        document["seeds"] = {"count": 3, "start": start}
        document["profiles"] = {"quick": {"budget": {"env_steps": 400}}}
        (home.parent / f"{name}.yaml").write_text(yaml.safe_dump(document))
    for arguments in (["toy.yaml"], ["again.yaml"], ["toy.yaml", "-p", "quick"]):
        assert run(["run", *arguments, "--executor", "local", "--no-mlflow", "--no-report"]) == 0
    return Store(home)


def compare(capsys, *arguments):
    capsys.readouterr()
    code = run(["compare", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_two_studies_and_a_study_with_its_profile(studies, capsys):
    code, out, _ = compare(capsys, "toy.yaml", "again")
    assert code == 0
    assert "NoMomentum" in out and "B - A" in out
    code, out, _ = compare(capsys, "toy", "toy@quick", "--json")
    found = json.loads(out)
    assert (code, found["a"], found["b"]) == (0, "toy", "toy@quick")
    assert [one["change"] for one in found["changes"]] == ["NoMomentum"]
    assert "The budgets differ: 800 steps against 400 steps." in found["notes"]
    assert compare(capsys, "toy.yaml", "toy.yaml@quick", "--json")[1] == out


def test_cells_of_different_code_are_refused_unless_asked_for(studies, capsys):
    for entry in studies.study("again").manifest()["cells"]:
        cell = studies.cell(entry["hash"])
        identity = cell.identity()
        identity["algorithm"]["code"] = "0123456789abcdef"
        write_text(cell.path / "cell.yaml", yaml.safe_dump(identity))
    code, out, err = compare(capsys, "toy", "again")
    assert (code, out) == (2, "")
    assert "algorithm toy: " in err and "0123456789abcdef in again" in err and "--different-code" in err
    assert "env toy/walk" not in err
    code, out, _ = compare(capsys, "toy", "again", "--different-code")
    assert code == 0
    assert "Warning: other code: algorithm toy: " in out


def test_what_cannot_be_compared_is_a_usage_error(studies, capsys):
    code, _, err = compare(capsys, "toy", "agian")
    assert code == 2 and "Did you mean `again`?" in err
    place = studies.study("again")
    place.write_manifest(place.manifest() | {"primary": {"name": "eval/length"}})
    code, _, err = compare(capsys, "toy", "again")
    assert code == 2 and "primary metrics differ" in err
