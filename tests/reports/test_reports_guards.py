"""Guard-rails G-b to G-e and the words of the report, each with data that triggers it and data that does not."""

import json

import pytest
import yaml
from report_cells import Arm, write_study

import reports
from reports.declared import NAME, post_hoc
from reports.manifest import ReportError
from reports.scores import load

BASE = Arm("baseline", role="baseline", action=None)


def identified(home, change=lambda cell, identity: None, arms=(), **over):
    """A study whose cells say what they are; ``change`` edits one identity in place."""
    arms = [BASE, *(arms or [Arm("A", 0.7, component="entropy")])]
    manifest = write_study(home, arms, **({"seeds": 3, "probes": False, "points": 5} | over))
    for cell in manifest["cells"]:
        identity = {
            "hash_version": 1,
            "algorithm": {"name": "sapg", "code": "c0de", "config": {"gamma": 0.99, "entropy": {"kind": "ladder"},
                                                                     "network": {"hidden": [16, 16]}}},
            "task": {"env": "maze", "version": 1, "options": {"gap": 0.6}, "num_envs": 8, "code": "7a5c"},
            "seed": cell["seed"],
            "budget": {"env_steps": 1_000_000},
            "evaluation": {"points": 20, "episodes": 32},
        }  # fmt: skip
        if cell["variant"] == "A":
            identity["algorithm"]["config"]["entropy"] = {"kind": "none"}
        change(cell, identity)
        (home / "cells" / cell["hash"] / "cell.yaml").write_text(yaml.safe_dump(identity, sort_keys=False))
    return manifest


def test_arms_that_differ_in_their_component_only_are_compared(tmp_path):
    assert len(load(identified(tmp_path)).runs) == 6


def only(variant, seed=None):
    return lambda cell: cell["variant"] == variant and seed in (None, cell["seed"])


@pytest.mark.parametrize(
    ("which", "part", "message"),
    [
        (only("A"), lambda i: i["algorithm"]["config"].update(gamma=0.9), r"more than 'entropy': gamma: 0.99 → 0.9$"),
        (only("A", 2), lambda i: i["algorithm"]["config"]["network"].update(hidden=[8]), r"network.hidden: \[16, 16\]"),
        (only("baseline", 1), lambda i: i["algorithm"]["config"].update(gamma=0.9), "runs of the baseline differ"),
        (only("A", 1), lambda i: i["budget"].update(env_steps=500), "budget of 500 steps, the study one of 1,000,000"),
        (only("A"), lambda i: i["evaluation"].update(episodes=4), r"differ in evaluation \(episodes: 32 → 4\)"),
        (only("A"), lambda i: i["task"].update(code="other"), r"differ in task \(code: 7a5c → other\)"),
        (only("baseline"), lambda i: i["algorithm"].update(code="01d"), "different code of sapg"),
        (only("A"), lambda i: i["algorithm"].update(name="ppo"), "different algorithms"),
        (only("A"), lambda i: i.pop("budget"), "cell.yaml is damaged"),
    ],
    ids=["config", "one seed", "baseline", "budget", "evaluation", "task code", "code", "algorithm", "damaged"],
)
def test_guards_b_c_d_refuse_arms_that_differ_in_more(tmp_path, which, part, message):
    manifest = identified(tmp_path, lambda cell, identity: part(identity) if which(cell) else None)
    with pytest.raises(ReportError, match=message):
        load(manifest)


def test_guard_b_lets_compound_arms_controls_and_the_tuned_field_differ(tmp_path):
    def change(cell, identity):
        if cell["variant"] != "baseline":
            identity["algorithm"]["config"]["gamma"] = 0.9
        if cell["variant"] == "PPO":
            identity["algorithm"].update(name="ppo", code="990")

    arms = [Arm("Both", 0.7, component=None), Arm("PPO", 0.3, role="control", action=None)]
    assert len(load(identified(tmp_path / "a", change, arms)).runs) == 9
    manifest = identified(tmp_path / "b", change)
    tune = {"field": "gamma", "values": ["0.9"], "seeds": [9], "budget": {"env_steps": 10}, "summary": "final",
            "arms": [], "retuned": []}  # fmt: skip
    assert len(load(manifest | {"tune": tune}).runs) == 6


def test_guard_e_stamps_what_was_changed_after_the_first_look(tmp_path):
    manifest = write_study(tmp_path, [BASE, Arm("A", 0.7)], seeds=3, probes=False, points=5)
    assert post_hoc(load(manifest), tmp_path) == []
    before = (tmp_path / NAME).read_text()
    assert post_hoc(load(manifest), tmp_path) == []
    later = manifest | {"primary": manifest["primary"] | {"margin": 0.25, "summary": "auc"}}
    assert post_hoc(load(later), tmp_path) == [
        "Post hoc: summary was final when the scores were first looked at (2026-11-20) and is auc now.",
        "Post hoc: margin was 0.1 when the scores were first looked at (2026-11-20) and is 0.25 now.",
    ]
    assert (tmp_path / NAME).read_text() == before


def test_guard_e_does_not_count_a_report_without_scores_as_a_look(tmp_path):
    arms = [Arm("baseline", role="baseline", action=None, missing=(0, 1, 2)), Arm("A", missing=(0, 1, 2))]
    manifest = write_study(tmp_path, arms, seeds=3)
    assert post_hoc(load(manifest), tmp_path) == []
    assert not (tmp_path / NAME).exists()
    later = manifest | {"primary": manifest["primary"] | {"margin": 0.25}}
    assert post_hoc(load(later), tmp_path) == []


def test_a_report_prints_the_post_hoc_stamp_and_marks_contrary_findings(tmp_path):
    manifest = write_study(tmp_path, [BASE, Arm("A", 0.3, expect="better")], seeds=5, probes=False, points=5)
    first = reports.build(tmp_path / "manifest.json", tmp_path / "report")
    assert not any("Post hoc" in warning for warning in first.warnings)
    assert "Contrary to what was expected before running, marked (!): A." in first.warnings
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"alpha": 0.01}))
    again = reports.build(tmp_path / "manifest.json", tmp_path / "report")
    assert again.warnings[0].startswith("Post hoc: alpha was 0.05")
    assert "Post hoc: alpha was 0.05" in again.summary.read_text()
