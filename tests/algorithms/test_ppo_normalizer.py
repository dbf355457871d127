"""Running statistics against numpy's over everything seen."""

import numpy as np
import torch

from algorithms.ppo.normalizer import RunningNormalizer

CPU = torch.device("cpu")


def batches() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, size, 3, generator=generator) * torch.tensor([1.0, 10.0, 1.0]) + torch.tensor([0.0, 50.0, -3.0])
        for size in (7, 1, 40)
    ]


def test_statistics_are_those_of_all_data_and_the_starting_point():
    normalizer = RunningNormalizer(2, 3, 5.0, enabled=True, device=CPU)
    for batch in batches():
        normalizer.update(batch)
    data = torch.cat(batches(), 1).double().numpy()
    # It starts as one observation at mean 0 with variance 1 (rl_games): E[x^2] of that prior is 1, its mean 0.
    count = data.shape[1] + 1
    mean = data.sum(1) / count
    var = (1 + (data**2).sum(1)) / count - mean**2
    assert normalizer.count.item() == count
    np.testing.assert_allclose(normalizer.mean[:, 0], mean, rtol=1e-6)
    np.testing.assert_allclose(normalizer.var[:, 0], var, rtol=1e-5)


def test_normalised_data_has_mean_0_and_variance_1_and_is_clamped():
    normalizer = RunningNormalizer(2, 3, 5.0, enabled=True, device=CPU)
    data = torch.cat(batches(), 1)
    for _ in range(200):
        normalizer.update(data)
    normal = normalizer.normalize(data)
    torch.testing.assert_close(normal.mean(1), torch.zeros(2, 3), atol=0.02, rtol=0)
    torch.testing.assert_close(normal.var(1, unbiased=False), torch.ones(2, 3), atol=0.02, rtol=0)
    assert normalizer.normalize(data * 1e6).abs().max() == 5


def test_denormalize_undoes_normalize_inside_the_clamp():
    normalizer = RunningNormalizer(2, 3, 5.0, enabled=True, device=CPU)
    data = torch.cat(batches(), 1)
    normalizer.update(data)
    inside = normalizer.denormalize(torch.linspace(-5, 5, 11).view(1, 11, 1).expand(2, 11, 3))
    torch.testing.assert_close(normalizer.denormalize(normalizer.normalize(inside)), inside)
    outside = torch.full((2, 1, 3), 7.0)
    assert torch.equal(normalizer.denormalize(outside), normalizer.denormalize(torch.full((2, 1, 3), 5.0)))


def test_seeds_do_not_see_each_others_data():
    together = RunningNormalizer(2, 3, 5.0, enabled=True, device=CPU)
    alone = RunningNormalizer(1, 3, 5.0, enabled=True, device=CPU)
    for batch in batches():
        poisoned = batch.clone()
        poisoned[0] = torch.nan
        together.update(poisoned)
        alone.update(batch[1:])
    assert torch.equal(together.mean[1:], alone.mean)
    assert torch.equal(together.var[1:], alone.var)


def test_switched_off_it_is_the_identity():
    normalizer = RunningNormalizer(2, 3, 5.0, enabled=False, device=CPU)
    normalizer.update(batches()[0])
    data = torch.full((2, 4, 3), 123.0)
    assert torch.equal(normalizer.normalize(data), data)
    assert torch.equal(normalizer.denormalize(data), data)
