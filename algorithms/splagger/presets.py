"""Named members of the family: what each changes against the defaults of ``SplAggerConfig``.

In the SplAgger paper "RNN" means a GRU with the hypernetwork; ``rl2`` is the one without.
"""

from collections.abc import Mapping
from typing import Any

_NO_RNN: dict[str, Any] = {"encoder": {"kind": "mlp"}, "split": {"kind": "fixed", "ratio": 1.0}}
_ST: dict[str, Any] = {"gradient": {"kind": "straight_through"}}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "splagger": {},
    "rnn": {"aggregator": {"kind": "none"}},
    "rl2": {"aggregator": {"kind": "none"}, "hypernetwork": {"kind": "none"}},
    "cnp": {**_NO_RNN, "aggregator": {"kind": "mean"}},
    "amrl": _ST,
    "pearl": {**_NO_RNN, "aggregator": {"kind": "gauss"}, "latent": {"kind": "sampled", "kl_coef": 1e-6}},
    "no_rnn": _NO_RNN,
    "no_split": {"split": {"kind": "fixed", "ratio": 1.0}},
    "no_rnn_st": {**_NO_RNN, **_ST},
    "no_split_st": {"split": {"kind": "fixed", "ratio": 1.0}, **_ST},
    "official": {
        "aggregator": {"kind": "max", "initial": "zero"},
        "action_encoding": "scalar",
        "terminal_transition": "leaked",
        "memory_at_rollout": "wiped",
        "critic_bias": "uniform",
        "minibatch_layout": "transitions",
        "normalizer_update": "before_update",
        "return_reset": "any_trial",
    },
}
