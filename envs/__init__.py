"""Batched environments: torch tensors in and out, one leading axis of seeds, no knowledge of who learns."""
