"""A lab's own algorithm and task for `ablate`, as an installable package."""
