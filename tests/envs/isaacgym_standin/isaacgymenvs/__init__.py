"""Stands in for IsaacGymEnvs; see ``tasks/base/vec_task.py``."""
