"""Dexterous hands that turn a cube."""
