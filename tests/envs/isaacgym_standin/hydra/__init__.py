"""Stands in for Hydra's compose API: groups by ``group=choice``, values by ``path=value``, later ones win."""

import contextlib
from pathlib import Path

import yaml


class Node(dict):
    """A mapping whose keys are attributes, too."""

    __getattr__ = dict.__getitem__


_folder = []


@contextlib.contextmanager
def initialize_config_dir(config_dir):
    if not Path(config_dir).is_absolute():
        raise ValueError("initialize_config_dir() requires an absolute config_dir")
    _folder.append(config_dir)
    yield
    _folder.pop()


def compose(config_name, overrides):
    config = _read(config_name)
    choices = dict(one.split("=", 1) for one in overrides if one.split("=", 1)[0] in ("task", "task/env"))
    config["task"] = _read("task/" + choices["task"])
    if "task/env" in choices:
        config["task"]["env"].update(_read("task/env/" + choices["task/env"]))
    for one in overrides:
        key, value = one.split("=", 1)
        if key in choices:
            continue
        node, added = config, key.startswith("+")
        *path, last = key.lstrip("+").split(".")
        for part in path:
            node = node[part]
        if last not in node and not added:
            raise KeyError(f"Could not override '{key}'. Key '{last}' is not in struct")
        node[last] = yaml.safe_load(value)
    config["task"]["env"]["numEnvs"] = config["num_envs"]
    config["task"]["sim"]["use_gpu_pipeline"] = config["pipeline"] == "gpu"
    return config


def _read(name):
    return _nodes(yaml.safe_load(Path(_folder[-1], name + ".yaml").read_text()))


def _nodes(value):
    return Node({key: _nodes(one) for key, one in value.items()}) if isinstance(value, dict) else value
