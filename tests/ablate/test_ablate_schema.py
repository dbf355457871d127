"""The published schema and the loader agree on every study we ship, and both refuse the same slips."""

import copy
from pathlib import Path

import jsonschema
import pytest

from ablate.cli.init import starter
from ablate.schema import json_schema
from ablate.yaml_lines import parse

STUDIES = sorted((Path(__file__).parents[2] / "studies").rglob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _data(file):
    return parse(file.read_text(), str(file)).data


@pytest.mark.parametrize("file", STUDIES, ids=[file.name for file in STUDIES])
def test_shipped_studies_fit_the_schema(file, validator):
    assert [error.message for error in validator.iter_errors(_data(file))] == []


def test_the_starter_study_fits_the_schema(validator):
    assert list(validator.iter_errors(parse(starter("s.yaml", "s"), "s.yaml").data)) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("baselin",), {}),
        (("baseline", "config", "learnign_rate"), 0.1),
        (("baseline", "config", "num_policies"), "six"),
        (("baseline", "config", "aggregation"), "symetric"),
        (("baseline", "algorithm"), "sagp"),
        (("controls", "PPO", "config"), {"num_policies": 3}),
        (("tasks", 0, "options"), {"gap_": 1}),
        (("ablations", "NoAggregate", "action"), "DELETE"),
        (("profiles", "gpu", "buget"), {}),
        (("seeds",), {"cont": 3}),
        (("study",), "a/b"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(path, value, validator):
    data = copy.deepcopy(_data(Path(__file__).parents[2] / "studies" / "sapg_ablations.yaml"))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert list(validator.iter_errors(data))
