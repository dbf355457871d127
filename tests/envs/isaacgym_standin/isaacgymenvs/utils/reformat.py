"""Configuration nodes to plain dicts."""


def omegaconf_to_dict(node):
    return {key: omegaconf_to_dict(value) if isinstance(value, dict) else value for key, value in node.items()}
