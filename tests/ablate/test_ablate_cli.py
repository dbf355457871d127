import json
import textwrap

import pytest

from ablate.cli import run
from ablate.plan import make_plan, write_manifest
from ablate.store import Store
from ablate.study import load

STUDY = textwrap.dedent("""\
    schema: ablate/v1
    study: tiny
    question: Why?
    baseline: {algorithm: sapg, config: {num_policies: 2}}
    tasks: [{env: maze/open, num_envs: 8}]
    budget: {env_steps: 20_000}
    seeds: [0, 1]
    ablations:
      NoAggregate: {component: aggregation, action: REMOVE}
    profiles:
      long: {budget: {env_steps: 40_000}}
    """)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ABLATE_HOME", str(tmp_path / "home"))
    (tmp_path / "tiny.yaml").write_text(STUDY)
    return Store(tmp_path / "home")


@pytest.fixture
def ablate(capsys):
    def called(*args):
        code = run(list(args))
        out, err = capsys.readouterr()
        return code, out, err

    return called


def test_validate_says_what_the_study_comes_to(ablate):
    code, out, _ = ablate("validate", "tiny.yaml")
    assert code == 0
    assert out == "tiny.yaml is valid: 2 variants x 1 task x 2 seeds = 4 cells; profiles long are valid too.\n"


def test_validate_shows_every_problem_of_the_file_and_its_profiles_and_exits_2(ablate, tmp_path):
    (tmp_path / "bad.yaml").write_text(STUDY.replace("seeds: [0, 1]", "seeds: [0, 0]").replace("40_000", "4"))
    code, out, err = ablate("validate", "bad.yaml")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "bad.yaml: 2 problems, nothing was launched.",
        "  line 7  seeds.1: seed 0 is listed twice; a repeated seed is not a new run.",
        "      | seeds: [0, 0]",
        "  line 11  budget.env_steps: (profile long) 4 steps are less than one iteration of `baseline` on maze/open: "
        "num_envs 8 x num_steps 8 = 64.",
        "      | long: {budget: {env_steps: 4}}",
    ]


def test_validate_json_carries_lines(ablate, tmp_path):
    (tmp_path / "bad.yaml").write_text(STUDY.replace("maze/open", "maze/opn"))
    code, out, _ = ablate("validate", "bad.yaml", "--json")
    content = json.loads(out)
    assert (code, content["valid"]) == (2, False)
    assert content["problems"][0]["origin"]["line"] == 5
    assert json.loads(ablate("validate", "tiny.yaml", "--json")[1]) == {
        "study": "tiny.yaml",
        "valid": True,
        "problems": [],
    }


def test_plan_shows_cells_differences_and_power(ablate):
    code, out, _ = ablate("plan", "tiny.yaml", "--no-probe")
    assert code == 0
    assert "aggregation: leader_follower → on_policy_only" in out
    assert "+ 4 new  = 0 cached" in out
    assert "2 seeds per arm: not estimable" in out


def test_plan_counts_like_terraform(ablate, home):
    study = load("tiny.yaml")
    plan = make_plan(study, home, probe=False)
    for one in plan.cells:
        home.cell(one.cell.hash).write_identity(one.cell.identity)
        home.cell(one.cell.hash).write_status({"state": "DONE"})
    write_manifest(plan, home)
    _, out, _ = ablate("plan", "tiny.yaml", "seeds=[0, 5]", "--no-probe")
    assert "+ 2 new  = 2 cached  - 2 orphaned" in out


def test_plan_json_and_select(ablate):
    code, out, _ = ablate("plan", "tiny.yaml", "-p", "long", "--no-probe", "--json", "-s", "seed:1")
    content = json.loads(out)
    assert code == 0
    assert content["profile"] == "long"
    assert [(one["variant"], one["seed"]) for one in content["cells"]] == [("baseline", 1), ("NoAggregate", 1)]
    assert content["counts"]["new"] == 4
    assert content["variants"][1]["delta"]["aggregation"][1] == {"kind": "on_policy_only"}


def test_plan_probes_for_real(ablate, home):
    small = ("budget.env_steps=256", "evaluation={points: 1, episodes: 2}", "baseline.config.network.hidden=[8]")
    code, out, err = ablate("plan", "tiny.yaml", *small)
    assert code == 0
    assert "probing NoAggregate on maze/open (2 of 2)" in err
    assert "NoAggregate  rows x0.6" in out
    assert "Time   about" in out
    assert len(list(home.probes.iterdir())) == 2


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["pln"], 2, "no verb `pln`. Did you mean `plan`?"),
        (["plan"], 2, "Missing argument"),
        (["plan", "tiny.yaml", "--nonsense"], 2, "No such option"),
        (["plan", "tny.yaml"], 2, "no such file. Did you mean `tiny.yaml`?"),
        (["plan", "tiny.yaml", "-p", "lng"], 2, "no profile `lng`. Did you mean `long`?"),
        (["plan", "tiny.yaml", "seds=[1]", "--no-probe"], 2, "unknown field. Did you mean `seeds`?"),
        (["plan", "tiny.yaml", "--no-probe", "-s", "seed:9"], 2, "`seed:9` matches no cell"),
        (["show", "abcdef"], 2, "no cell in"),
        (["show", "tiny.yaml:NoAgregate"], 2, "no variant `NoAgregate` in tiny. Did you mean `NoAggregate`?"),
        (["list", "things"], 2, "'things' is not one of"),
        (["list", "components", "--algorithm", "sagp"], 2, "Did you mean `sapg`?"),
        (["init", "tiny.yaml"], 2, "tiny.yaml exists; --force overwrites it."),
        (["import", "nothing.md"], 2, "no such file"),
        (["import", "tiny.yaml"], 2, "no ablation found"),
    ],
)
def test_wrong_use_is_one_message_and_its_exit_code(args, code, sentence, ablate):
    got, _, err = ablate(*args)
    assert got == code
    assert sentence in err
    assert "Traceback" not in err


def test_an_unreadable_store_is_exit_3(ablate, tmp_path):
    (tmp_path / "home").write_text("a file where the store should be")
    code, _, err = ablate("plan", "tiny.yaml", "--no-probe")
    assert code == 3
    assert "cannot read" in err


def test_a_bug_of_ours_shows_its_traceback_and_is_not_exit_1(ablate, monkeypatch):
    monkeypatch.setattr("ablate.cli.plan.make_plan", lambda *args, **kwargs: 1 / 0)
    code, _, err = ablate("plan", "tiny.yaml", "--no-probe")
    assert code == 3
    assert "ZeroDivisionError" in err


def test_help_lists_the_verbs(ablate):
    code, out, _ = ablate("--help")
    assert code == 0
    assert all(verb in out for verb in ("validate", "plan", "import", "schema"))


def test_list_names_what_a_study_may_use(ablate):
    assert "leader_follower, symmetric, high_ratio, on_policy_only" in ablate("list", "components")[1]
    assert "gymnasium:ID" in ablate("list", "envs")[1]
    assert {one["algorithm"] for one in json.loads(ablate("list", "algorithms", "--json")[1])} >= {"sapg", "ppo"}
    (study,) = json.loads(ablate("list", "studies", ".", "--json")[1])
    assert (study["study"], study["cells"]) == ("tiny", 4)


def test_list_cells_of_a_study_and_of_the_store(ablate, home):
    assert "No cells." in ablate("list", "cells")[1]
    rows = json.loads(ablate("list", "cells", "tiny.yaml", "-s", "variant:baseline", "--json")[1])
    assert [row["seed"] for row in rows] == [0, 1]
    cell = make_plan(load("tiny.yaml"), home, probe=False).cells[0].cell
    home.cell(cell.hash).write_identity(cell.identity)
    (row,) = json.loads(ablate("list", "cells", "--json")[1])
    assert (row["cell"], row["state"], row["task"]) == (cell.hash, "MISSING", "maze/open")


def test_show_resolves_a_study_a_variant_and_a_cell(ablate, home):
    study = json.loads(ablate("show", "tiny.yaml", "--json")[1])
    assert study["variants"]["baseline"]["config"]["gamma"] == 0.99
    variant = json.loads(ablate("show", "tiny.yaml", "--variant", "NoAggregate", "--json")[1])
    assert variant == study["variants"]["NoAggregate"]
    cell = make_plan(load("tiny.yaml"), home, probe=False).cells[0].cell
    home.cell(cell.hash).write_identity(cell.identity)
    home.cell(cell.hash).append([{"env_steps": 64, "eval/return": 1.5}])
    shown = json.loads(ablate("show", cell.hash[:6], "--json")[1])
    assert shown["identity"] == cell.identity
    assert shown["last_row"]["eval/return"] == 1.5


def test_diff_names_what_differs_and_nothing_else(ablate):
    rows = json.loads(ablate("diff", "tiny.yaml:baseline", "NoAggregate", "--json")[1])
    assert rows == [
        {"key": "config.aggregation.kind", "a": "leader_follower", "b": "on_policy_only"},
        {"key": "config.aggregation.off_policy_coef", "a": 1.0, "b": None},
    ]
    assert ablate("diff", "tiny.yaml", "tiny.yaml")[1] == "No difference.\n"


def test_diff_of_cells_and_of_studies(ablate, home, tmp_path):
    first, second = (one.cell for one in make_plan(load("tiny.yaml"), home, probe=False).cells[:2])
    for cell in (first, second):
        home.cell(cell.hash).write_identity(cell.identity)
    assert json.loads(ablate("diff", first.hash, second.hash, "--json")[1]) == [{"key": "seed", "a": 0, "b": 1}]
    (tmp_path / "other.yaml").write_text(STUDY.replace("20_000", "30_000"))
    (row,) = json.loads(ablate("diff", "tiny.yaml", "other.yaml", "--json")[1])
    assert (row["key"], row["a"], row["b"]) == ("budget.env_steps", 20_000, 30_000)


def test_init_writes_a_study_that_validates_and_the_schema_it_points_to(ablate, tmp_path):
    code, out, _ = ablate("init", "first.yaml")
    assert code == 0
    assert "ablate plan first.yaml" in out
    lines = (tmp_path / "first.yaml").read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=./ablate.schema.json"
    assert json.loads((tmp_path / "ablate.schema.json").read_text())["title"] == "ablate study"
    assert ablate("validate", "first.yaml")[0] == 0


def test_init_dry_run_writes_nothing(ablate, tmp_path):
    _, out, _ = ablate("init", "dry.yaml", "--dry-run")
    assert "study: dry" in out
    assert not (tmp_path / "dry.yaml").exists()


def test_schema_prints_json(ablate):
    code, out, _ = ablate("schema")
    assert code == 0
    assert "learning_rate" in json.loads(out)["$defs"]["SAPGConfig"]["properties"]


def test_import_writes_a_study_and_reports_matches(ablate, tmp_path):
    (tmp_path / "plan.md").write_text("## X\nAblated Part: entropy\nAction: REMOVE\n")
    code, _, err = ablate("import", "plan.md", "-o", "x.yaml")
    assert code == 0
    assert "entropy" in err
    assert load("x.yaml").variants[1].label == "entropy: ladder → none"
    assert ablate("import", "plan.md", "-o", "x.yaml")[0] == 2
    _, out, _ = ablate("import", "plan.md")
    assert out == (tmp_path / "x.yaml").read_text()
