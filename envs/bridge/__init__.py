"""Simulators in another Python interpreter, stepped through shared memory; described without importing torch."""
