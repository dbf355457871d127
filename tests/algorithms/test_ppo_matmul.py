"""Choosing a library for float32 products must not cost their precision."""

import torch

from algorithms.ppo.matmul import choose_matmul


def test_products_keep_float32_precision_whatever_was_chosen():
    choose_matmul()
    generator = torch.Generator().manual_seed(1)
    for shape in ((64, 300, 50), (4, 64, 300, 50)):
        *batch, rows, inner, columns = shape
        a = torch.randn(*batch, rows, inner, generator=generator)
        b = torch.randn(*batch, inner, columns, generator=generator)
        exact = a.double() @ b.double()
        # bfloat16 would be off by about 3e-3
        assert ((a @ b) - exact).norm() / exact.norm() < 1e-5


def test_the_choice_is_set_again_after_somebody_else_changed_it():
    chosen = choose_matmul()
    switch = torch.backends.mkldnn.matmul
    before = switch.fp32_precision
    torch.set_float32_matmul_precision("highest")  # what a fresh pack in a reused process does
    assert choose_matmul() == chosen
    assert switch.fp32_precision == before
