import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tiny tensors are slower on two threads, and sums do not depend on how many there are."""
    torch.set_num_threads(1)
