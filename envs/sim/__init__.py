"""Rigid-body worlds on two back-ends: MuJoCo's batches on CPU threads, MuJoCo Warp on CUDA."""
