"""docs/sapg.md holds every option with the value of both presets, and every figure the trainer reports."""

import re
from pathlib import Path

import pytest

from ablate.configs import config_from_plain, config_to_plain, defaults, laid_over
from ablate.yaml_lines import parse
from algorithms.ppo.minibatches import num_minibatches
from algorithms.registry import find
from algorithms.sapg.aggregation import HighRatio, LeaderFollower, OnPolicyOnly, Symmetric
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.trainer import SAPGTrainer
from envs import registry as env_registry

TEXT = (Path(__file__).parents[2] / "docs" / "sapg.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TEXT.splitlines() if line.startswith("| ")]


def preset(name):
    """The preset's resolved config as dotted leaves."""
    plain = laid_over(defaults(SAPGConfig), find("sapg").presets[name])
    return leaves(config_to_plain(config_from_plain(SAPGConfig, plain)))


def leaves(plain, prefix=""):
    found = {}
    for key, value in plain.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def value(cell):
    """The value in the first back-ticked word of a cell."""
    return parse(re.match(r"`([^`]+)`", cell)[1], "page").data


def options():
    """Option -> (paper's cell, public code's cell, evidence, whether it is printed in bold)."""
    start = next(i for i, row in enumerate(ROWS) if row[:3] == ["option", "paper", "public code"])
    end = next(i for i, row in enumerate(ROWS) if row[0] == "preset")
    return {row[0].strip("*`"): (*row[1:4], row[0].startswith("**")) for row in ROWS[start + 1 : end]}


def test_every_option_is_in_the_table_with_both_values():
    paper, official, table = preset("paper"), preset("official"), options()
    assert paper.keys() == table.keys()
    for name, (theirs, code, _, _) in table.items():
        assert value(theirs) == paper[name], name
        assert value(code) == official[name], name


def test_what_differs_is_bold_and_has_evidence():
    paper, official, table = preset("paper"), preset("official"), options()
    differing = {name for name in paper if paper[name] != official[name]}
    assert {name for name, row in table.items() if row[3]} == differing
    assert all(len(table[name][2]) > 20 for name in differing)


def test_task_presets_list_what_they_change():
    start = next(i for i, row in enumerate(ROWS) if row[0] == "preset")
    listed = {}
    for row in ROWS[start + 1 : start + 5]:
        name, base = row[0].strip("`"), row[1].strip("`")
        listed[name] = dict(re.findall(r"`([\w.]+)` = `([^`]+)`", row[2]))
        own, from_base = preset(name), preset(base)
        moved = {key for key in own if own.get(key) != from_base.get(key)}
        assert {key.split(".")[0] for key in listed[name]} == {key.split(".")[0] for key in moved}
        for key, shown in listed[name].items():
            if key != "network":
                assert parse(shown, "page").data == own[key], (name, key)
            else:
                assert shown == own["network.kind"]
    assert listed.keys() | {"paper", "official"} == find("sapg").presets.keys()


def test_the_confounds_in_the_table_are_right():
    kinds = {one.kind: one for one in (LeaderFollower(), Symmetric(), HighRatio(), OnPolicyOnly())}
    num_envs, config, checked = 24_576, SAPGConfig(), 0
    for row in ROWS:
        found = re.fullmatch(r"`(\w+)`, M = (\d+)", row[0])
        if not found or found[1] not in kinds:
            continue
        kind, num_policies = kinds[found[1]], int(found[2])
        targets = sum(map(bool, kind.sources(num_policies)))
        groups = num_policies + targets * kind.off_policy_ratio(num_policies)
        own_rows = num_envs * config.num_steps // num_policies
        count = num_minibatches(
            config.minibatch_layout,
            groups=groups,
            chunks_per_group=own_rows,
            chunk_rows=1,
            minibatch_rows=config.minibatch_rows(num_envs),
        )
        assert row[1:] == [f"{groups / num_policies:.2f}", str(count), str(count * config.update_epochs)], row[0]
        checked += 1
    assert checked == 7


@pytest.fixture(scope="module")
def reported():
    options = env_registry.find("maze/deceptive").options(time_limit=8)

    def make_env(num_envs, seeds):
        return env_registry.make("maze/deceptive", num_envs=num_envs, seeds=seeds, options=options)

    network = {"kind": "mlp", "hidden": [8], "activation": "elu"}
    config = config_from_plain(SAPGConfig, laid_over(defaults(SAPGConfig), {"num_policies": 3, "network": network}))
    trainer = SAPGTrainer(config, make_env, num_envs=6, seeds=[0])
    keys = set(next(iter(trainer.iterations(1)))) | set(trainer.evaluate(1))
    trainer.close()
    return keys


def test_every_check_and_probe_is_explained_and_no_other(reported):
    keys = {re.sub(r"_\d+$", "_<>", one) for one in reported if one.startswith(("check/", "probe/"))}
    named = {re.sub(r"_<\w>$", "_<>", one) for one in re.findall(r"`((?:check|probe)/[\w<>]+)`", TEXT)}
    assert len(keys) >= 14
    assert named == keys


def test_named_metrics_exist(reported):
    for one in re.findall(r"`((?:policy|loss|episode|eval)/\w+)`", TEXT):
        assert one in reported, one
    assert {"eval/return_best_policy", "eval/return_mean_policy"} <= reported
