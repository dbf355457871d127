"""Stands in for Isaac Gym: nothing but its rule that torch must not have been imported before."""

import sys

if "torch" in sys.modules:
    raise ImportError("PyTorch was imported before isaacgym modules.  Please import torch after isaacgym modules.")
