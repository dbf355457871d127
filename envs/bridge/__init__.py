"""Simulators in another Python interpreter, stepped through shared memory: the family ``bridge:``. Imports no torch."""

from envs.bridge.options import BridgeOptions, source_files
from envs.spec import EnvSpec

SPECS = (
    EnvSpec(
        id="bridge:",
        entry="envs.bridge.env:BridgeEnv",
        options=BridgeOptions,
        version=1,
        sources=("envs.bridge", "envs.seed_stack", "envs.streams"),
        summary="your simulator in its own interpreter, e.g. bridge:my_sim.py:make or bridge:my_lab.sim:make",
        fused=False,
        together=True,
        check="envs.bridge.options:check_target",
        metrics_of=lambda target, options: options.metrics,
        files_of=source_files,
    ),
)
