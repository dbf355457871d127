"""Named starting points of a SAPG study.

``paper`` follows the text wherever it differs from the public code; ``official`` follows the code. The others add a
task's table (paper App. B): what a preset does not name keeps the default of ``SAPGConfig``.
"""

from collections.abc import Mapping
from typing import Any

_PAPER: dict[str, Any] = {
    "leader_block": "first",
    "clip_center": "mu_old",
    "subsample": "uniform_union",
    "on_target": "n_step",
    "n_step": 3,
    "off_policy_norm": "mean_over_sources",
    "sigma": "per_policy",
    "kl_rows": "on_policy_only",
    "trunk": "separate",
    "minibatch_layout": "stratified",
    "normalizer_update": "after_update",
    "timeout_bootstrap": "final_obs",
    "conditioning": {"kind": "latents", "dim": 16, "position": "input"},
    "entropy": {"kind": "ladder", "sigma": 0.005, "form": "sigma_times_index"},
}

_OFFICIAL: dict[str, Any] = {
    "leader_block": "last",
    "clip_center": "one",
    "subsample": "one_block",
    "on_target": "gae",
    "off_policy_norm": "per_row",
    "sigma": "per_policy",
    "kl_rows": "all",
    "trunk": "shared",
    "minibatch_layout": "shuffled",
    "chunk_steps": 4,
    "normalizer_update": "first_epoch",
    "timeout_bootstrap": "previous_obs",
    "conditioning": {"kind": "latents", "dim": 32, "position": "input"},
    "entropy": {"kind": "ladder", "sigma": 0.005, "form": "half_linspace"},
}

_KUKA: dict[str, Any] = {"num_steps": 16, "learning_rate": 1e-4, "clip_coef": 0.1, "update_epochs": 2}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": _PAPER,
    "paper_allegro_kuka": {
        **_PAPER,
        **_KUKA,
        "network": {"kind": "lstm", "hidden_size": 768, "position": "after_mlp", "hidden": (768, 512, 256)},
        "conditioning": {"kind": "latents", "dim": 32, "position": "input"},
    },
    "paper_shadow_hand": {
        **_PAPER,
        "clip_coef": 0.1,
        "network": {"kind": "mlp", "hidden": (512, 512, 256, 128)},
    },
    "official": _OFFICIAL,
    "official_allegro_kuka": {
        **_OFFICIAL,
        **_KUKA,
        "chunk_steps": 16,
        "timeout_bootstrap": "none",
        "network": {"kind": "lstm", "hidden_size": 768, "position": "before_mlp", "hidden": (768, 512, 256)},
    },
    "official_shadow_hand": {**_OFFICIAL, "network": {"kind": "mlp", "hidden": (512, 512, 256, 128)}},
}
