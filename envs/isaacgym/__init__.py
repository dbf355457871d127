"""The family ``isaacgym:``: tasks of IsaacGymEnvs, run in an interpreter of their own behind ``envs.bridge``."""

from envs.bridge.options import source_files
from envs.isaacgym.options import IsaacGymOptions
from envs.spec import EnvSpec

SPECS = (
    EnvSpec(
        id="isaacgym:",
        entry="envs.isaacgym.env:IsaacGymEnv",
        options=IsaacGymOptions,
        version=1,
        metrics=("successes", "true_objective", "success_tolerance"),
        sources=("envs.isaacgym", "envs.bridge", "envs.seed_stack", "envs.streams"),
        summary="IsaacGymEnvs in another interpreter, e.g. isaacgym:AllegroKukaRegrasping",
        fused=False,
        together=True,
        check="envs.isaacgym.tasks:check_task",
        files_of=lambda member, options: source_files("", options),
    ),
)
