# ruff: noqa: E501
import json
from pathlib import Path

import pytest

from ablate.errors import StudyError
from ablate.imported import matched, study_text
from ablate.importer import read_plan
from ablate.matching import match_metric, match_number, rank_components
from ablate.study import check, load
from algorithms.component import components
from algorithms.sapg.config import SAPGConfig

HERE = Path(__file__).parent
PLAN = (HERE / "sapg_plan.md").read_text()
SHIPPED = HERE.parents[1] / "studies" / "sapg_ablations.yaml"
JSONL = "\n".join(
    json.dumps(
        {"name": name, "ablated_part": part, "action": action, "replacement": replacement,
         "metrics": ["average reward", "learning curve"]}
    )
    for name, part, action, replacement in [
        ("NoAggregate", "off-policy data of the followers", "REMOVE", []),
        ("SymmetricAggregate", "leader-follower scheme", "REPLACE", ["symmetric aggregation"]),
        ("NoLatents", "learned local parameters phi_j", "REMOVE", []),
        ("NoEntropy", "entropy regularisation of followers", "REMOVE", []),
        ("VaryM", "number of policies", "REPLACE", [2, 4, 16]),
    ]
)  # fmt: skip


def _imported(text, tmp_path, source="plan.md"):
    plan = read_plan(text, source)
    file = tmp_path / "imported.yaml"
    matches = matched(plan, "sapg")
    file.write_text(study_text(plan, matches, algorithm="sapg", env="maze/deceptive", source=source))
    return file, matches


def _declared(study):
    """Ablations as written, without the expectation, which a plan of this format does not carry."""
    return {name: entry.model_dump(exclude={"expect"}) for name, entry in study.ablations.items()}


@pytest.mark.parametrize("text", [PLAN, JSONL], ids=["markdown", "jsonl"])
def test_the_five_ablation_plan_imports_to_the_shipped_study(text, tmp_path):
    file, matches = _imported(text, tmp_path)
    assert all(one.complete for one in matches)
    study, shipped = load(file), load(SHIPPED)
    assert _declared(study) == _declared(shipped)
    assert study.metrics.primary == shipped.metrics.primary
    assert "auc" in study.metrics.secondary
    # The plan says nothing of the baseline's numbers, so only what each variant is changed to can agree.
    changed = [(one.name, one.component, one.action, one.label.rpartition("→")[2]) for one in study.variants[1:]]
    assert changed == [
        (one.name, one.component, one.action, one.label.rpartition("→")[2])
        for one in shipped.variants
        if one.role == "ablation"
    ]


def test_an_expectation_in_the_plan_is_kept(tmp_path):
    text = PLAN.replace("- **Action:** REMOVE\n", "- **Action:** REMOVE\n- **Expected:** worse\n", 1)
    file, _ = _imported(text, tmp_path)
    assert load(file).ablations["NoAggregate"].expect == "worse"


STYLES = {
    "bold": "## VaryM\n**Ablated Part**: number of policies\n**Action**: REPLACE\n**Replacement**: 2, 4, 16\n**Metrics**: return\n",
    "plain": "VaryM plan\n\n# Ablation 1: VaryM\nAblated Part: number of policies\nAction: replace\nReplacement: [2, 4, 16]\n",
    "no colons": "## VaryM\nAblated Part Number of policies\nAction REPLACE\nReplacement [2, 4, 16]\nMetrics Average reward\n",
    "bullets": "## 3) VaryM\n- Ablated Part: number of policies\n- Action: REPLACE\n- Replacement:\n  - M = 2\n  - M = 4\n  - M = 16\n- Metrics:\n  - return\n",
    "headings": "# VaryM\n### Ablated Part\nnumber of policies\n### Action\n`REPLACE`\n### Replacement\n1. 2 policies\n2. 4 policies\n3. 16 policies\n",
    "quoted": "## **VaryM**\n> Ablated Part: *number of policies*\n> Action: REPLACE\n> Replacement: M=2,4,16\n",
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_plans_are_read_in_the_styles_people_write(style, tmp_path):
    file, (one,) = _imported(STYLES[style], tmp_path)
    assert (one.planned.name, one.component, one.planned.action, one.replacement) == (
        "VaryM",
        "num_policies",
        "REPLACE",
        [2, 4, 16],
    )
    assert [variant.name for variant in load(file).variants] == ["baseline", "VaryM[2]", "VaryM[4]", "VaryM[16]"]


@pytest.mark.parametrize(
    ("part", "replacement", "component"),
    [
        ("the followers' entropy bonus", [], "entropy"),
        ("Entropy regularization term for follower policies", [], "entropy"),
        ("importance-sampled off-policy updates from follower data", [], "aggregation"),
        ("asymmetric leader-follower aggregation", ["symmetric"], "aggregation"),
        ("latent conditioning of the policy network", [], "conditioning"),
        ("per-policy learned parameters (phi)", [], "conditioning"),
        ("Number of policies M", ["2", "4"], "num_policies"),
        ("number of blocks", [], "num_policies"),
    ],
)
def test_parts_find_their_component_by_their_words(part, replacement, component):
    proposals = rank_components(part, replacement, components(SAPGConfig))
    assert proposals[0].name == component
    assert proposals[0].score >= 0.5
    assert all(0 <= one.score <= 1 for one in proposals)


def test_what_matches_nothing_stays_a_todo_that_validate_lists(tmp_path):
    text = (
        "## Odd\nAblated Part: the learning rate warmup\nAction: REMOVE\n\n"
        "## Half\nAblated Part: number of policies\nAction: REPLACE\nReplacement: 2, many\n\n"
        "## Third\nAblated Part: aggregation\nAction: REPLACE\nReplacement: attention\n\n"
        "## Vague\nAblated Part: entropy\n"
    )
    file, matches = _imported(text, tmp_path)
    assert [one.complete for one in matches] == [False] * 4
    study, problems = check(file)
    assert study is None
    lines = file.read_text().splitlines()
    assert all("TODO" in lines[one.origin.line - 1] for one in problems)
    assert {one.path for one in problems} == {
        "ablations.Odd.component",
        "ablations.Half.with.1",
        "ablations.Third.with",
        "ablations.Vague.action",
        "ablations.Vague.with",
    }
    assert "# " in lines[next(one.origin.line for one in problems if one.path == "ablations.Odd.component") - 1]


def test_metrics_that_mean_nothing_here_are_kept_as_a_comment(tmp_path):
    file, _ = _imported(
        "## X\nAblated Part: entropy\nAction: REMOVE\nMetrics: average reward, BLEU, sample efficiency\n", tmp_path
    )
    assert "# the plan also asks for: BLEU" in file.read_text()
    assert load(file).metrics.secondary == ["auc"]


def test_two_ablations_of_one_name_are_told_apart(tmp_path):
    text = "## X\nAblated Part: entropy\nAction: REMOVE\n## X\nAblated Part: aggregation\nAction: REMOVE\n"
    file, _ = _imported(text, tmp_path)
    assert list(load(file).ablations) == ["X", "X_2"]


def test_words_that_yaml_would_misread_are_quoted(tmp_path):
    text = '## X\nAblated Part: entropy: the "bonus" #1 [followers]\nAction: REMOVE\n'
    file, _ = _imported(text, tmp_path)
    assert load(file).ablations["X"].part == 'entropy: the "bonus" #1 [followers]'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no ablation found"),
        ("# A title\nprose only\n", "no ablation found"),
        ('{"name": "a"}\n{broken\n', "line 2 is not JSON"),
        ('{"name": "a"}\n[1]\n', "line 2: expected one JSON object per line"),
    ],
)
def test_a_plan_that_cannot_be_read_says_why(text, sentence):
    with pytest.raises(StudyError, match=sentence):
        read_plan(text, "plan")


@pytest.mark.parametrize(
    ("text", "number"), [("4", 4), ("M = 4", 4), ("4 policies", 4), ("1e-3", 0.001), ("24_576", 24576), ("2 or 4", None), ("many", None), ("v1.2.3", None)]
)  # fmt: skip
def test_numbers_in_words(text, number):
    assert match_number(text) == number


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("average reward", "final"),
        ("Learning curves", "auc"),
        ("time to threshold", "time_to_threshold"),
        ("BLEU", None),
    ],
)
def test_metrics_in_words(text, summary):
    assert match_metric(text) == summary
