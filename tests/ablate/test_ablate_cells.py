import math

import pytest

from ablate.cells import HASH_VERSION, cell_hash, cells, code_digest, identity, without_code
from ablate.configs import config_from_plain, config_to_plain
from ablate.study import load

LITERAL = {
    "hash_version": 1,
    "algorithm": {
        "name": "sapg",
        "config": {"gamma": 0.99, "learning_rate": 5e-4, "hidden": [64, 64], "target_kl": None, "compile": False},
        "code": "0123456789abcdef",
    },
    "task": {
        "env": "maze/deceptive",
        "version": 1,
        "options": {"gap": 0.4},
        "num_envs": 192,
        "code": "fedcba9876543210",
    },
    "seed": 3,
    "budget": {"env_steps": 6_000_000},
    "evaluation": {"points": 20, "episodes": 32},
}

STUDY = """\
schema: ablate/v1
study: tiny
baseline: {algorithm: sapg, config: {num_policies: 2}}
tasks: [{env: maze/deceptive, num_envs: 8}, {env: maze/open, num_envs: 8}]
budget: {env_steps: 20_000}
seeds: [0, 4]
ablations:
  Off: {part: data, component: aggregation, action: REMOVE}
"""


def _study(tmp_path, text=STUDY):
    file = tmp_path / "s.yaml"
    file.write_text(text)
    return load(file)


def _hashes(tmp_path, text=STUDY):
    study = _study(tmp_path, text)
    return [one.hash for one in cells(study, study.variants)]


def test_golden_hash():
    # A change here orphans every cell anyone ever trained: raise HASH_VERSION on purpose, never by accident.
    assert HASH_VERSION == 1
    assert cell_hash(LITERAL) == "d518a585a2095e14"


def test_the_hash_does_not_depend_on_the_order_of_keys():
    turned = {key: LITERAL[key] for key in reversed(LITERAL)}
    assert cell_hash(turned) == cell_hash(LITERAL)


@pytest.mark.parametrize(
    "path",
    [("seed",), ("budget", "env_steps"), ("task", "num_envs"), ("task", "version"), ("task", "code"), ("hash_version",),
     ("algorithm", "code"), ("algorithm", "config", "gamma"), ("evaluation", "points"), ("evaluation", "episodes")],
)  # fmt: skip
def test_everything_that_decides_numbers_is_in_the_hash(path):
    import copy

    changed = copy.deepcopy(LITERAL)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = 7
    assert cell_hash(changed) != cell_hash(LITERAL)


def test_an_integer_and_a_float_are_told_apart_and_nan_is_refused():
    assert cell_hash({"hash_version": 1, "x": 1}) != cell_hash({"hash_version": 1, "x": 1.0})
    with pytest.raises(ValueError, match="Out of range"):
        cell_hash({"hash_version": 1, "x": math.nan})


def test_cells_are_variants_times_tasks_times_seeds(tmp_path):
    study = _study(tmp_path)
    found = cells(study, study.variants)
    assert [(one.variant, one.task, one.seed) for one in found] == [
        (variant, task, seed) for variant in ("baseline", "Off") for task in (0, 1) for seed in (0, 4)
    ]
    assert len({one.hash for one in found}) == 8
    assert found[0].identity == identity(study.variants[0], study.tasks[0], 0, study)


def test_names_words_and_resources_do_not_change_a_cell(tmp_path):
    renamed = STUDY.replace("tiny", "other").replace("Off:", "NoData:").replace("part: data", "part: x")
    more = "question: why?\nresources: {retries: 0}\nalpha: 0.01\nmetrics: {primary: {name: eval/success}}\n"
    assert _hashes(tmp_path, renamed + more) == _hashes(tmp_path)


def test_a_default_written_out_is_the_same_cell(tmp_path):
    written = STUDY.replace(
        "{num_policies: 2}", "{num_policies: 2, gamma: 0.99, vf_coef: 4, aggregation: leader_follower}"
    )
    assert _hashes(tmp_path, written) == _hashes(tmp_path)


def test_a_profile_counts_by_its_values_only(tmp_path):
    with_profile = STUDY + "profiles: {same: {budget: {env_steps: 20000}}}\n"
    file = tmp_path / "p.yaml"
    file.write_text(with_profile)
    study = load(file, "same")
    assert [one.hash for one in cells(study, study.variants)] == _hashes(tmp_path)


def test_a_config_survives_the_way_to_plain_data_and_back(tmp_path):
    config = _study(tmp_path).baseline.config
    plain = config_to_plain(config)
    assert plain["network"] == {"kind": "mlp", "hidden": [512, 256, 128], "activation": "elu"}
    assert config_from_plain(type(config), plain) == config


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "digested"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "one.py").write_text("x = 1\n")
    (folder / "inner" / "__init__.py").write_text("")
    (folder / "inner" / "two.py").write_text("y = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    code_digest.cache_clear()
    yield folder
    code_digest.cache_clear()


def _digest(*sources):
    code_digest.cache_clear()
    return code_digest(sources)


def test_the_digest_follows_the_code_without_importing_it(package):
    before = _digest("digested")
    (package / "inner" / "two.py").write_text("y = 3\n")
    changed = _digest("digested")
    assert changed != before
    (package / "inner" / "two.py").write_bytes(b"y = 2\r\n")
    assert _digest("digested") == before, "line ends are no code"
    (package / "notes.txt").write_text("x")
    assert _digest("digested") == before, "other files are no code"
    (package / "three.py").write_text("")
    assert _digest("digested") != before, "a new file is code"


def test_the_digest_of_a_part_ignores_the_rest(package):
    before = _digest("digested.inner"), _digest("digested.one")
    (package / "one.py").write_text("x = 2\n")
    assert _digest("digested.inner") == before[0]
    assert _digest("digested.one") != before[1]


def test_overlapping_sources_count_once_and_renames_count(package):
    assert _digest("digested", "digested.inner") == _digest("digested.inner", "digested", "digested.one")
    before = _digest("digested")
    (package / "one.py").rename(package / "uno.py")
    assert _digest("digested") != before


@pytest.mark.parametrize("source", ["no_such_package", "digested.nothing", "json.nothing"])
def test_unknown_sources_are_an_error(package, source):
    with pytest.raises(ValueError, match="no installed code"):
        _digest(source)


def test_without_code_compares_what_a_person_asked_for():
    other = {**LITERAL, "algorithm": {**LITERAL["algorithm"], "code": "x"}, "task": {**LITERAL["task"], "code": "y"}}
    assert without_code(other) == without_code(LITERAL)
    assert without_code({**other, "seed": 4}) != without_code(LITERAL)
    assert LITERAL["algorithm"]["code"] == "0123456789abcdef"
