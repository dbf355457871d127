"""An existing Ray cluster of two nodes, as `--address` joins it."""

import subprocess
import sys

import pytest
from toy_packs import study_text

from ablate.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("toy"), pytest.mark.filterwarnings("ignore")]


def test_a_study_runs_on_every_node_of_a_cluster_and_leaves_it_running(home, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    (home.parent / "toy.yaml").write_text(study_text(iteration_s=0.02))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)

        def ablate(*arguments):
            code = "from ablate.cli import main; main()"
            command = [sys.executable, "-c", code, *arguments, "--address", cluster.address]
            return subprocess.run(command, cwd=home.parent, capture_output=True, text=True, timeout=120, check=False)

        found = ablate("doctor")
        assert "2 nodes, 2 CPUs, 0 GPUs" in found.stdout, found.stderr
        found = ablate("run", "toy.yaml", "--no-mlflow", "--no-report")
        assert found.returncode == 0, found.stderr
        assert "2 at a time, 1 CPU core each." in found.stderr
        store = Store(home)
        assert [cell.state() for cell in store.cells] == ["DONE"] * 4
        assert len({pack.heartbeat()["pid"] for pack in store.packs}) == 2
        assert "2 nodes" in ablate("doctor").stdout
    finally:
        cluster.shutdown()
