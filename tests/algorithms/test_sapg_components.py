"""One contract for every member of every union: a new variant is tested by being in the union."""

import dataclasses
import json
from typing import get_args

import pydantic
import pytest
from tiny import LSTM, MLP, sapg, train

from algorithms.component import components, violations
from algorithms.sapg.aggregation import Aggregation, HighRatio, LeaderFollower, OnPolicyOnly, Symmetric
from algorithms.sapg.conditioning import Conditioning, Disjoint, Latents, Unconditioned
from algorithms.sapg.config import SAPGConfig
from algorithms.sapg.entropy import Entropy, Ladder, NoEntropy

POINTS = components(SAPGConfig)
UNIONS = {"aggregation": Aggregation, "conditioning": Conditioning, "entropy": Entropy}
MEMBERS = [(name, kind) for name, point in POINTS.items() for kind in point.kinds]
IDS = [f"{name}-{kind}" for name, kind in MEMBERS]


def measure(**config) -> list[dict[str, float]]:
    """The figures of two updates of a real run, per row."""
    return [{key: float(value[0]) for key, value in row.items()} for row in train(sapg(**config), 2)]


def test_the_four_ablation_points_are_found_with_their_kinds():
    assert {name: tuple(point.kinds) for name, point in POINTS.items()} == {
        "num_policies": (),
        "aggregation": ("leader_follower", "symmetric", "high_ratio", "on_policy_only"),
        "conditioning": ("latents", "none", "disjoint"),
        "entropy": ("ladder", "none"),
    }


@pytest.mark.parametrize("name", UNIONS)
def test_a_union_names_every_class_and_its_neutral_element(name):
    members = get_args(get_args(UNIONS[name])[0])
    assert tuple(POINTS[name].kinds.values()) == members
    assert POINTS[name].marker.neutral in POINTS[name].kinds
    assert POINTS[name].marker.about
    assert isinstance(getattr(SAPGConfig(), name), members[0]), "the paper's choice comes first"


@pytest.mark.parametrize(("name", "kind"), MEMBERS, ids=IDS)
def test_a_member_goes_through_json_and_back(name, kind):
    config = SAPGConfig(**{name: POINTS[name].kinds[kind]()})
    adapter = pydantic.TypeAdapter(SAPGConfig)
    assert adapter.validate_json(json.dumps(dataclasses.asdict(config)), strict=True) == config


@pytest.mark.parametrize(("name", "kind"), MEMBERS, ids=IDS)
@pytest.mark.parametrize("network", [MLP, LSTM], ids=["mlp", "lstm"])
def test_a_real_run_passes_its_own_checks_and_its_numbers_are_finite(name, kind, network):
    config = {name: POINTS[name].kinds[kind](), "network": network}
    trainer = sapg(seeds=(0, 1), **config)
    for row in train(trainer, 2):
        for place in range(2):
            measured = {key: float(value[place]) for key, value in row.items()}
            assert violations(trainer.config, measured) == []
            assert all(abs(value) < 1e6 for key, value in measured.items() if key.startswith(("loss/", "policy/")))


@pytest.mark.parametrize("num_policies", [1, 2, 6])
@pytest.mark.parametrize(("name", "kind"), MEMBERS, ids=IDS)
def test_every_member_works_with_any_number_of_policies(name, kind, num_policies):
    config = {name: POINTS[name].kinds[kind](), "num_policies": num_policies}
    trainer = sapg(**config)
    (row,) = train(trainer, 1)
    assert violations(trainer.config, {key: float(value[0]) for key, value in row.items()}) == []


@pytest.mark.parametrize(
    ("config", "impostor", "sentence"),
    [
        ({"aggregation": one}, {"aggregation": other}, f"aggregation `{one.kind}`")
        for one in (LeaderFollower(), Symmetric(), HighRatio(), OnPolicyOnly())
        for other in (LeaderFollower(), Symmetric(), HighRatio(), OnPolicyOnly())
        if one != other
    ]
    + [
        ({"conditioning": one}, {"conditioning": other}, f"conditioning `{one.kind}`")
        for one in (Latents(), Unconditioned(), Disjoint())
        for other in (Latents(), Unconditioned(), Disjoint())
        if one != other
    ]
    + [
        ({"entropy": Ladder()}, {"entropy": NoEntropy()}, "entropy `ladder`: largest coefficient 0, expected 0.01"),
        ({"entropy": Ladder()}, {"entropy": Ladder(form="half_linspace")}, "entropy `ladder`"),
        ({"entropy": NoEntropy()}, {"entropy": Ladder()}, "entropy `none`: a row still carries"),
        ({"num_policies": 3}, {"num_policies": 2}, "num_policies 3: 2 policies acted"),
        ({"num_policies": 1}, {"num_policies": 2}, "num_policies 1: 2 policies acted"),
    ],
    ids=lambda value: "-".join(getattr(v, "kind", str(v)) for v in value.values()) if isinstance(value, dict) else "",
)
def test_figures_of_another_variant_are_caught(config, impostor, sentence):
    claimed = sapg(**config).config
    for measured in measure(**impostor):
        found = violations(claimed, measured)
        assert any(one.startswith(sentence) for one in found), found


def test_separate_networks_are_all_seen_to_learn_when_no_minibatch_holds_every_policy():
    trainer = sapg(
        conditioning=Disjoint(), num_policies=6, num_envs=12, minibatch_layout="shuffled", chunk_steps=4,
        minibatch_rows_per_env=1,
    )  # fmt: skip
    for row in train(trainer, 3):
        assert row["check/num_networks"] == 6


class TestSources:
    """X_i of SAPG Sec. 4.1 to 4.3, for M = 4; policy 0 is the leader."""

    def test_the_leader_learns_from_all_followers(self):
        assert LeaderFollower().sources(4) == ((1, 2, 3), (), (), ())
        assert LeaderFollower().off_policy_ratio(4) == 1

    def test_symmetric_policies_learn_from_all_others_in_cyclic_order(self):
        assert Symmetric().sources(4) == ((1, 2, 3), (2, 3, 0), (3, 0, 1), (0, 1, 2))
        assert Symmetric().off_policy_ratio(4) == 1

    def test_a_high_ratio_uses_every_followers_every_row(self):
        assert HighRatio().sources(4) == ((1, 2, 3), (), (), ())
        assert HighRatio().off_policy_ratio(4) == 3

    def test_on_policy_only_has_no_sources(self):
        assert OnPolicyOnly().sources(4) == ((), (), (), ())
        assert OnPolicyOnly().off_policy_ratio(4) == 0

    @pytest.mark.parametrize("kind", POINTS["aggregation"].kinds.values())
    def test_a_single_policy_has_nobody_to_learn_from(self, kind):
        assert kind().sources(1) == ((),)


class TestLadder:
    def test_the_papers_ladder_is_sigma_times_the_followers_index(self):
        found = Ladder(sigma=0.005).coefficients(6)
        assert found == pytest.approx((0, 0.005, 0.010, 0.015, 0.020, 0.025))

    def test_the_codes_ladder_is_half_of_sigma_at_most(self):
        # reference: scale * linspace(0.5, 0, M) by block, the leader's block last
        found = Ladder(sigma=0.005, form="half_linspace").coefficients(6)
        assert found[::-1] == pytest.approx((2.5e-3, 2e-3, 1.5e-3, 1e-3, 5e-4, 0))
        assert max(Ladder(sigma=0.002, form="half_linspace").coefficients(6)) == pytest.approx(1e-3)

    @pytest.mark.parametrize("form", ["sigma_times_index", "half_linspace"])
    @pytest.mark.parametrize("num_policies", [1, 2, 16])
    def test_the_leader_never_has_a_bonus(self, form, num_policies):
        found = Ladder(sigma=0.1, form=form).coefficients(num_policies)
        assert len(found) == num_policies
        assert found[0] == 0, "with M = 1 the public code gives 0.5 sigma: a trap"

    def test_none_is_none(self):
        assert NoEntropy().coefficients(3) == (0, 0, 0)
