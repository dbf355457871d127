"""A seven-joint arm that carries a sixteen-joint hand."""
