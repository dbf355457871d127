"""Action distributions against torch.distributions."""

import gymnasium
import numpy as np
import pytest
import torch

from algorithms.ppo.distributions import Categorical, DiagonalGaussian, distribution_for
from envs.streams import Streams

CPU = torch.device("cpu")
BOX = gymnasium.spaces.Box(np.array([-2.0, 0.0, -1.0], np.float32), np.array([2.0, 1.0, 3.0], np.float32))


def params(kind: str, *shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    if kind == "gaussian":
        return torch.randn(*shape, 6, generator=generator)
    return torch.randn(*shape, 5, generator=generator).log_softmax(-1)


def reference(kind: str, packed: torch.Tensor) -> torch.distributions.Distribution:
    if kind == "gaussian":
        mean, log_std = packed.split(3, -1)
        return torch.distributions.Independent(torch.distributions.Normal(mean, log_std.exp()), 1)
    return torch.distributions.Categorical(logits=packed)


def ours(kind: str):
    return DiagonalGaussian(BOX, CPU) if kind == "gaussian" else Categorical(gymnasium.spaces.Discrete(5))


KINDS = ("gaussian", "categorical")


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_entropy_and_kl_equal_torchs(kind):
    old, new = params(kind, 2, 7), params(kind, 2, 7, seed=1)
    actions = reference(kind, old).sample()
    columns = actions if kind == "gaussian" else actions.unsqueeze(-1).float()
    torch.testing.assert_close(ours(kind).log_prob(new, columns), reference(kind, new).log_prob(actions))
    torch.testing.assert_close(ours(kind).entropy(new), reference(kind, new).entropy())
    expected = torch.distributions.kl_divergence(reference(kind, old), reference(kind, new))
    torch.testing.assert_close(ours(kind).kl(old, new), expected)
    assert ours(kind).kl(old, old).abs().max() < 1e-6


def test_gaussian_samples_have_the_mean_and_spread_they_should():
    packed = torch.tensor([1.0, -2.0, 0.0, -1.0, 0.0, 0.7]).expand(1, 40_000, 6)
    sample = DiagonalGaussian(BOX, CPU).sample(packed, Streams([0], "test"))[0]
    torch.testing.assert_close(sample.mean(0), packed[0, 0, :3], atol=0.04, rtol=0)
    torch.testing.assert_close(sample.std(0).log(), packed[0, 0, 3:], atol=0.02, rtol=0)


def test_categorical_samples_have_the_frequencies_they_should():
    probabilities = torch.tensor([0.5, 0.0, 0.2, 0.3, 0.0])
    packed = probabilities.log().clamp(min=-80).expand(1, 40_000, 5)
    sample = Categorical(gymnasium.spaces.Discrete(5)).sample(packed, Streams([0], "test"))[0]
    counts = torch.bincount(sample.flatten().long(), minlength=5) / 40_000
    torch.testing.assert_close(counts, probabilities, atol=0.01, rtol=0)
    assert counts[[1, 4]].tolist() == [0, 0], "an action of probability 0 was drawn"


@pytest.mark.parametrize("kind", KINDS)
def test_a_seeds_samples_do_not_depend_on_the_other_seeds(kind):
    packed = params(kind, 2, 5)
    together = ours(kind).sample(packed, Streams([3, 4], "test"))
    alone = ours(kind).sample(packed[1:], Streams([4], "test"))
    assert torch.equal(together[1:], alone)


def test_actions_are_clamped_and_mapped_to_the_space_but_log_probs_are_of_the_unclamped():
    gaussian = DiagonalGaussian(BOX, CPU)
    actions = torch.tensor([[-5.0, 0.5, 1.0]])
    # [-2, 2]: -5 -> -1 -> -2;   [0, 1]: 0.5 -> 0.75;   [-1, 3]: 1 -> 3
    assert gaussian.to_env(actions).tolist() == [[-2.0, 0.75, 3.0]]
    standard = torch.zeros(1, 6)
    assert gaussian.log_prob(standard, actions) < gaussian.log_prob(standard, actions.clamp(-1, 1))


def test_an_unbounded_box_gets_the_action_as_it_is():
    space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    actions = torch.tensor([[-5.0, 0.5, 7.0]])
    assert torch.equal(DiagonalGaussian(space, CPU).to_env(actions), actions)


def test_discrete_actions_start_where_the_space_starts():
    categorical = Categorical(gymnasium.spaces.Discrete(3, start=-1))
    actions = categorical.to_env(torch.tensor([[[0.0], [2.0]]]))
    assert actions.tolist() == [[-1, 1]]
    assert actions.dtype == torch.int64


def test_bounds_penalty_by_hand():
    # |1.6| - 1.1 = 0.5, |-1.3| - 1.1 = 0.2, |1.1| - 1.1 = 0: 0.25 + 0.04
    packed = torch.tensor([1.6, -1.3, 1.1, 9.0, 9.0, 9.0])
    assert DiagonalGaussian(BOX, CPU).bounds_penalty(packed).item() == pytest.approx(0.29)
    assert Categorical(gymnasium.spaces.Discrete(5)).bounds_penalty(params("categorical", 4)).tolist() == [0] * 4


def test_the_mode_is_the_most_likely_action():
    assert DiagonalGaussian(BOX, CPU).mode(torch.arange(6.0)).tolist() == [0, 1, 2]
    assert Categorical(gymnasium.spaces.Discrete(3)).mode(torch.tensor([0.2, 0.5, 0.3]).log()).tolist() == [1]


def test_other_spaces_are_refused():
    for space in (gymnasium.spaces.MultiDiscrete([2, 3]), gymnasium.spaces.Box(0, 1, (2, 2))):
        with pytest.raises(ValueError, match="neither Discrete nor a one-dimensional Box"):
            distribution_for(space, CPU)
