"""Members of the family that must coincide: number by number over whole training runs."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny_memory import OPERATORS, SPLITS, double, preset, random_tokens, small, splagger

from algorithms.splagger.aggregator import Max, Mean, NoAggregator, Softmax
from algorithms.splagger.config import SplAggerConfig
from algorithms.splagger.encoder import LSTM, MLP
from algorithms.splagger.gradient import StraightThrough
from algorithms.splagger.hypernetwork import NoHypernetwork
from algorithms.splagger.split import FixedSplit, LearnedGate

ALL = FixedSplit(ratio=1.0)
# The model zoo of the reference sheet (1.7).
ZOO = {
    "splagger": SplAggerConfig(),
    "rnn": SplAggerConfig(aggregator=NoAggregator()),
    "rl2": SplAggerConfig(aggregator=NoAggregator(), hypernetwork=NoHypernetwork()),
    "amrl": SplAggerConfig(gradient=StraightThrough()),
    "cnp": SplAggerConfig(encoder=MLP(), split=ALL, aggregator=Mean()),
    "no_rnn": SplAggerConfig(encoder=MLP(), split=ALL),
    "no_rnn_st": SplAggerConfig(encoder=MLP(), split=ALL, gradient=StraightThrough()),
    "no_split": SplAggerConfig(split=ALL),
    "no_split_st": SplAggerConfig(split=ALL, gradient=StraightThrough()),
}


def history(updates: int = 3, **changes) -> dict[str, np.ndarray]:
    """Every figure of every update and the evaluation after them, name -> ``[updates + 1, K]``."""
    trainer = splagger(seeds=(0, 1), learning_rate=0.01, **changes)
    steps = 4 * trainer.config.num_steps
    rows = [*trainer.iterations(updates * steps), trainer.evaluate(3)]
    return {name: np.stack([row[name] for row in rows if name in row]) for name in sorted(set().union(*rows))}


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray], **tolerance) -> None:
    assert one.keys() == other.keys()
    for name in one:
        if not name.startswith("check/"):
            np.testing.assert_allclose(one[name], other[name], err_msg=name, **tolerance)


class TestRatioZero:
    @pytest.mark.parametrize("operator", [name for name in OPERATORS if name != "none"])
    def test_nothing_aggregated_is_no_aggregator(self, operator):
        plain = double(small(aggregator=NoAggregator()))
        memory = double(small(split=FixedSplit(ratio=0.0), aggregator=OPERATORS[operator]))
        tokens, resets = random_tokens(small())
        ours, theirs = dict(memory.named_parameters()), dict(plain.named_parameters())
        assert ours.keys() - theirs.keys() <= {"operator.log_temperature"}
        if operator == "wsoftmax_doubled":
            assert memory.widths.encoder == 16  # only there the encoder has another size
            return
        with torch.no_grad():
            for name, parameter in theirs.items():
                ours[name].copy_(parameter)
        found = []
        for one in (memory, plain):
            outputs = one.scan(tokens, one.initial_state(5), resets)
            shared = [dict(one.named_parameters())[name] for name in theirs if not name.startswith("embed")]
            grads = torch.autograd.grad(outputs.square().sum(), shared)
            found.append([outputs, *grads])
        for one, other in zip(*found, strict=True):
            assert torch.equal(one, other)

    @pytest.mark.parametrize("operator", ["max", "softmax", "gauss"])
    def test_training_is_the_same_too(self, operator):
        plain = history(aggregator=NoAggregator())
        # A temperature that nothing uses joins a norm as a 0, which may change the order of its sum.
        assert_same(history(split=FixedSplit(ratio=0.0), aggregator=OPERATORS[operator]), plain, rtol=1e-5, atol=1e-7)

    def test_the_encoder_alone_without_recurrence_remembers_nothing(self):
        memory = double(small(encoder=MLP(), aggregator=NoAggregator()))
        tokens, resets = random_tokens(small())
        outputs = memory.scan(tokens, memory.initial_state(5), resets)
        alone = torch.stack([memory.step(tokens[:, t], memory.initial_state(5))[0] for t in range(9)], dim=1)
        torch.testing.assert_close(outputs, alone, rtol=1e-12, atol=1e-12)
        assert memory.state_size == 0


class TestGate:
    @pytest.mark.parametrize(("gate", "limit"), [(-800.0, "0"), (800.0, "1")])
    @pytest.mark.parametrize("operator", ["max", "mean", "softmax", "avgmax"])
    def test_shut_it_is_ratio_0_and_open_ratio_1(self, operator, gate, limit):
        gated = double(small(split=LearnedGate(), aggregator=OPERATORS[operator]))
        fixed = double(small(split=SPLITS[limit], aggregator=OPERATORS[operator]))
        with torch.no_grad():
            for name, parameter in fixed.named_parameters():
                dict(gated.named_parameters())[name].copy_(parameter)
            gated.gate.fill_(gate)
        tokens, resets = random_tokens(small())
        found = [one.scan(tokens, one.initial_state(5), resets) for one in (gated, fixed)]
        torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)

    def test_it_starts_in_the_middle_and_training_moves_it(self):
        share = history(split=LearnedGate(), updates=4)["probe/aggregated_share"]
        assert abs(share[0] - 0.5).max() < 0.05
        assert (share[-1] != share[0]).all()


class TestPresets:
    @pytest.mark.parametrize("name", ZOO)
    def test_of_the_zoo(self, name):
        assert SplAggerConfig(**preset(name)) == ZOO[name]

    def test_cnp_is_no_rnn_with_a_mean(self):
        cnp, no_rnn = (SplAggerConfig(**preset(name)) for name in ("cnp", "no_rnn"))
        assert dataclasses.replace(no_rnn, aggregator=Mean()) == cnp

    def test_pearl_has_no_recurrence_a_gaussian_product_and_a_sampled_latent_with_the_papers_kl(self):
        config = SplAggerConfig(**preset("pearl"))
        kinds = (config.encoder.kind, config.split.ratio, config.aggregator.kind, config.latent.kind)
        assert kinds == ("mlp", 1.0, "gauss", "sampled")
        assert config.latent.kl_coef == 1e-6

    def test_official_switches_every_quirk_and_nothing_else(self):
        default, official = SplAggerConfig(), SplAggerConfig(**preset("official"))
        changed = {
            field.name: getattr(official, field.name)
            for field in dataclasses.fields(official)
            if getattr(official, field.name) != getattr(default, field.name)
        }
        assert changed == {
            "aggregator": Max(initial="zero"),
            "action_encoding": "scalar",
            "terminal_transition": "leaked",
            "memory_at_rollout": "wiped",
            "critic_bias": "uniform",
            "normalizer_update": "before_update",
            "return_reset": "any_trial",
        }
        assert official.minibatch_layout == "transitions"


class TestTraining:
    def test_with_one_minibatch_both_layouts_are_the_same_sum(self):
        layouts = [
            history(minibatch_layout=layout, num_minibatches=1, num_steps=20) for layout in ("transitions", "sequences")
        ]
        assert_same(*layouts, rtol=2e-3, atol=2e-5)

    def test_three_seeds_in_one_program_are_three_programs(self):
        together = splagger(seeds=(4, 5, 6), encoder=LSTM(), aggregator=Softmax(), learning_rate=0.01)
        rows = list(together.iterations(3 * 48))
        for place, seed in enumerate((4, 5, 6)):
            alone = splagger(seeds=(seed,), encoder=LSTM(), aggregator=Softmax(), learning_rate=0.01)
            for mine, theirs in zip(alone.iterations(3 * 48), rows, strict=True):
                for name, value in mine.items():
                    np.testing.assert_allclose(value[0], theirs[name][place], rtol=2e-3, atol=1e-5, err_msg=name)
