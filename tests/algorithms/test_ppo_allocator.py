import os
import subprocess
import sys

import pytest

from algorithms.ppo.allocator import keep_freed_memory

COUNT = """
import resource, torch
from algorithms.ppo.allocator import keep_freed_memory
torch.set_num_threads(1)
{call}
def once():
    return [torch.ones(1 << 20) for _ in range(12)]  # activations of one forward pass, alive together
once(); once()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    once()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(call):
    # A fixed threshold: glibc's own moves with the history of the process, so the bad case would come and go.
    env = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(128 << 10)}
    program = [sys.executable, "-c", COUNT.format(call=call)]
    done = subprocess.run(program, env=env, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library has no mallopt")
def test_large_tensors_fault_their_pages_in_once():
    assert _faults("keep_freed_memory()") < 0.1 * _faults("")
