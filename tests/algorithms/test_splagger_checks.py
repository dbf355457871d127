"""Manipulation checks: silent for every member of the family that really trains, loud when figures contradict."""

import dataclasses
import itertools

import pytest
import torch
from tiny_memory import ENCODERS, OPERATORS, SPLITS, preset, small, splagger

from algorithms.component import components, violations
from algorithms.splagger.aggregator import Gauss, Mean, NoAggregator, Softmax
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.encoder import GRU, LSTM, MLP
from algorithms.splagger.gradient import StraightThrough
from algorithms.splagger.hypernetwork import NoHypernetwork
from algorithms.splagger.latent import Sampled
from algorithms.splagger.presets import PRESETS
from algorithms.splagger.split import FixedSplit, LearnedGate

HONEST = {
    "check/encoder_reach": 0.2,
    "check/aggregate_gradient_error": 0.7,
    "check/aggregated_channels": 4.0,
    "check/gate_grad_norm": 0.0,
    "check/hypernetwork_grad_norm": 0.1,
    "check/latent_noise": 0.0,
}
"""What SplAgger with 8 channels measures."""
NOT_A_NUMBER = float("nan")


def complaints(changes: dict, **measured: float) -> list[str]:
    return violations(small(**changes), HONEST | {f"check/{name}": value for name, value in measured.items()})


def test_the_components_are_the_six_of_the_paper():
    found = components(SplAggerConfig)
    assert list(found) == ["encoder", "split", "aggregator", "gradient", "hypernetwork", "latent"]
    neutral = {name: field.marker.neutral for name, field in found.items()}
    assert neutral["aggregator"] == neutral["hypernetwork"] == "none"
    for name, field in found.items():
        assert neutral[name] in field.kinds


def test_honest_figures_are_accepted():
    assert complaints({}) == []


@pytest.mark.parametrize(
    ("changes", "measured", "complaint"),
    [
        ({}, {"encoder_reach": 0.0}, "encoder `gru` should depend on earlier"),
        ({"encoder": LSTM()}, {"encoder_reach": 0.0}, "encoder `lstm` should depend on earlier"),
        ({"encoder": MLP()}, {"encoder_reach": 1e-9}, "encoder `mlp` must not depend on earlier"),
        ({}, {"aggregated_channels": 0.0}, "aggregator `max`: 0 channels"),
        ({"aggregator": Mean()}, {"aggregated_channels": 0.0}, "aggregator `mean`: 0 channels"),
        ({"aggregator": Softmax()}, {"aggregated_channels": 0.0}, "aggregator `softmax`: 0 channels"),
        ({"aggregator": Gauss()}, {"aggregated_channels": 0.0}, "aggregator `gauss`: 0 channels"),
        ({"aggregator": NoAggregator()}, {}, "aggregator `none`: 4 channels of the head's input summarise"),
        ({}, {"aggregated_channels": 3.0}, "split ratio 0.5: 4 channels should be aggregates, 3 were"),
        ({"split": FixedSplit(ratio=0.0)}, {}, "split ratio 0: 0 channels should be aggregates, 4 were"),
        ({"split": LearnedGate()}, {"gate_grad_norm": 0.0}, "split `gate`: no gradient reached"),
        ({"split": LearnedGate()}, {"gate_grad_norm": NOT_A_NUMBER}, "split `gate`: no gradient reached"),
        ({}, {"aggregate_gradient_error": 0.0}, "gradient `true`: every past input received gradient 1"),
        ({"gradient": StraightThrough()}, {}, "gradient `straight_through`: past inputs should receive gradient 1"),
        (
            {"gradient": StraightThrough()},
            {"aggregate_gradient_error": NOT_A_NUMBER},
            "gradient `straight_through`: past inputs should receive gradient 1",
        ),
        ({}, {"hypernetwork_grad_norm": 0.0}, "hypernetwork `bias_hyperinit`: no gradient"),
        ({"hypernetwork": NoHypernetwork()}, {}, "hypernetwork `none`: a gradient reached"),
        ({}, {"latent_noise": 0.8}, "latent `deterministic`: latents were sampled"),
        ({"latent": Sampled()}, {"latent_noise": 0.0}, "latent `sampled`: latents carry no noise"),
    ],
)
def test_figures_that_contradict_the_config_are_called_out(changes, measured, complaint):
    found = complaints(changes, **measured)
    assert any(one.startswith(complaint) for one in found), found


def one_update(**changes) -> list[str]:
    """What the checks say of both seeds after one update of a real trainer, and after a second."""
    trainer = splagger(seeds=(0, 1), **changes)
    found = []
    for row in trainer.iterations(2 * 4 * trainer.config.num_steps):
        for seed in range(2):
            measured = {name: value[seed] for name, value in row.items() if name.startswith("check/")}
            assert measured.keys() == HONEST.keys()
            found += violations(trainer.config, measured)
    return found


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_does_what_it_says(name):
    assert one_update(**preset(name)) == []


@pytest.mark.parametrize(
    ("encoder", "operator", "split"),
    [
        *[("gru", operator, "0.5") for operator in OPERATORS],
        *[("mlp", operator, "1") for operator in OPERATORS],
        *itertools.product(["lstm"], ["max", "softmax"], [one for one in SPLITS if one != "0.5"]),
        ("gru", "gauss", "gate"),
        ("gru", "wsoftmax", "0.25"),
        ("mlp", "wsoftmax", "0"),
    ],
)
def test_every_operator_and_split_does_what_it_says(encoder, operator, split):
    parts = {"encoder": ENCODERS[encoder](), "aggregator": OPERATORS[operator], "split": SPLITS[split]}
    assert one_update(**parts) == []
    if operator != "none" and split != "0":
        assert one_update(**parts, gradient=StraightThrough()) == []


@pytest.mark.parametrize(
    ("built", "claimed"),
    [
        ({}, {"encoder": MLP(hidden_size=8)}),
        ({}, {"aggregator": NoAggregator()}),
        ({}, {"split": FixedSplit(ratio=1.0)}),
        ({}, {"split": LearnedGate()}),
        ({}, {"gradient": StraightThrough()}),
        ({}, {"hypernetwork": NoHypernetwork()}),
        ({}, {"latent": Sampled()}),
        ({"encoder": MLP()}, {"encoder": GRU(hidden_size=8)}),
        ({"gradient": StraightThrough()}, {"gradient": small().gradient}),
        ({"hypernetwork": NoHypernetwork()}, {"hypernetwork": small().hypernetwork}),
        ({"latent": Sampled()}, {"latent": small().latent}),
        ({"aggregator": NoAggregator()}, {"aggregator": Mean()}),
    ],
)
def test_one_members_figures_convict_another(built, claimed):
    trainer = splagger(**built)
    row = next(trainer.iterations(1))
    measured = {name: value[0] for name, value in row.items() if name.startswith("check/")}
    found = violations(dataclasses.replace(trainer.config, **claimed), measured)
    (field,) = claimed
    assert any(one.startswith(field) for one in found), found


def test_a_channel_that_rises_during_the_whole_trial_is_still_an_aggregate():
    """A trained memory may count: the maximum of such a channel is always what the encoder just said."""
    trainer = splagger()
    encoder = trainer.agent.memory.encoder
    with torch.no_grad():
        encoder.input.weight.zero_()
        encoder.recurrent.weight.zero_()
        encoder.input.bias.fill_(2.0)  # candidates near 1, gates that open slowly: h rises at every step
        encoder.recurrent.weight[:, :, :, :8] = 0.01
    row = next(trainer.iterations(1))
    measured = {name: value[0] for name, value in row.items() if name.startswith("check/")}
    assert violations(trainer.config, measured) == []


def test_heads_that_hear_no_latent_are_noticed_although_their_base_network_learns():
    trainer = splagger(num_steps=16)
    with torch.no_grad():
        for parameter in trainer.agent.policy.latent_branch.parameters():
            parameter.zero_()  # c = 0: the gradient of every head is 0
    row = next(trainer.iterations(1))
    assert row["policy/grad_norm"][0] > 0
    measured = {name: value[0] for name, value in row.items() if name.startswith("check/")}
    assert violations(trainer.config, measured) == ["hypernetwork `bias_hyperinit`: no gradient reached the heads"]


def test_every_component_has_a_check_that_can_fail():
    """Figures that suit nobody: every variant of every component complains about some of them."""
    figures = (0.0, 0.5, 4.0)
    for field in components(SplAggerConfig).values():
        for kind in field.kinds.values():
            config = small(**{field.name: kind()})
            tried = (
                {name: value for name, value in zip(HONEST, values, strict=True)}
                for values in itertools.product(figures, repeat=len(HONEST))
            )
            assert any(field.violation(config, measured) for measured in tried), (field.name, kind)
