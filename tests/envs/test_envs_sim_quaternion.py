"""Quaternion arithmetic against MuJoCo's own functions."""

import numpy as np
import pytest
import torch

from envs.sim import quaternion

mujoco = pytest.importorskip("mujoco")


def some(count=20):
    drawn = torch.randn(count, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return drawn / drawn.norm(dim=-1, keepdim=True)


def test_products_and_opposites_are_mujocos():
    left, right = some(40).split(20)
    product, opposite = quaternion.multiply(left, right), quaternion.conjugate(left)
    for index in range(20):
        expected = np.empty(4)
        mujoco.mju_mulQuat(expected, left[index].numpy(), right[index].numpy())
        np.testing.assert_allclose(product[index], expected, atol=1e-12)
        mujoco.mju_negQuat(expected, left[index].numpy())
        np.testing.assert_allclose(opposite[index], expected)


def test_turned_vectors_are_mujocos_and_axes_broadcast():
    rotations, vector = some(), torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    turned = quaternion.rotate(rotations, vector)
    for index in range(20):
        expected = np.empty(3)
        mujoco.mju_rotVecQuat(expected, vector.numpy(), rotations[index].numpy())
        np.testing.assert_allclose(turned[index], expected, atol=1e-12)
    assert quaternion.rotate(rotations[0], torch.eye(3, dtype=torch.float64)).shape == (3, 3)


def test_angle_is_that_of_the_turn_whichever_sign_the_quaternion_has():
    turns = torch.linspace(-3.14, 3.14, 41, dtype=torch.float64)
    for axis in range(3):
        rotation = quaternion.about(axis, turns)
        torch.testing.assert_close(quaternion.angle(rotation), turns.abs())
        torch.testing.assert_close(quaternion.angle(-rotation), turns.abs())


def test_about_turns_the_next_axis_towards_the_one_after():
    quarter = torch.tensor(torch.pi / 2)
    for axis in range(3):
        turned = quaternion.rotate(quaternion.about(axis, quarter), torch.eye(3)[(axis + 1) % 3])
        torch.testing.assert_close(turned, torch.eye(3)[(axis + 2) % 3], atol=1e-6, rtol=0)


def test_uniform_rotations_are_uniform():
    rotation = quaternion.uniform(torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(rotation.norm(dim=-1), torch.ones(20_000))
    for axis in torch.eye(3):
        turned = quaternion.rotate(rotation, axis)
        # The image of any axis is uniform on the sphere: every coordinate has mean 0 and variance 1/3.
        assert turned.mean(0).abs().max() < 0.02 and (turned.var(0) - 1 / 3).abs().max() < 0.01
    # The angle of a uniform rotation has the mean pi/2 + 2/pi.
    assert quaternion.angle(rotation).mean().item() == pytest.approx(np.pi / 2 + 2 / np.pi, abs=0.02)
