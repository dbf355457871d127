"""Studies, variants and cells as plain resolved data, for ``show`` and ``diff``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablate.configs import config_to_plain
from ablate.designs import record
from ablate.store import Store
from ablate.study import Study, load
from ablate.variants import Variant


def study_data(study: Study) -> dict[str, Any]:
    """A study with everything resolved, defaults included."""
    return {
        "schema": study.schema,
        "study": study.study,
        "question": study.question,
        "profile": study.profile,
        "tasks": [
            {"env": task.env, "num_envs": task.num_envs, "options": config_to_plain(task.options)}
            for task in study.tasks
        ],
        "budget": study.budget.model_dump(),
        "evaluation": study.evaluation.model_dump(),
        "seeds": list(study.seeds),
        "metrics": study.metrics.model_dump(),
        "alpha": study.alpha,
        "resources": study.resources.model_dump(),
        **_tune_data(study),
        **_adaptive_data(study),
        **({"design": record(study.design)} if study.design else {}),
        "variants": {one.name: variant_data(one) for one in study.variants},
    }


def _tune_data(study: Study) -> dict[str, Any]:
    if study.tune is None:
        return {}
    tune = study.tune
    return {
        "tune": {
            "field": tune.field,
            "values": list(tune.values),
            "seeds": list(tune.seeds),
            "budget": {"env_steps": tune.env_steps},
            "summary": tune.summary,
        }
    }


def _adaptive_data(study: Study) -> dict[str, Any]:
    if study.adaptive is None:
        return {}
    return {"adaptive": {"looks": list(study.adaptive.looks), "spending": study.adaptive.spending}}


def variant_data(variant: Variant) -> dict[str, Any]:
    """A variant with its whole config."""
    return {
        "role": variant.role,
        "label": variant.label,
        "algorithm": variant.algorithm,
        "config": config_to_plain(variant.config),
    }


def is_study(reference: str) -> bool:
    """Whether a reference means a study file rather than a cell."""
    return Path(reference).suffix in (".yaml", ".yml") or Path(reference).is_file()


def split(reference: str) -> tuple[str, str | None]:
    """``FILE:VARIANT`` apart; the file alone has no variant."""
    file, colon, variant = reference.rpartition(":")
    return (file, variant) if colon and is_study(file) else (reference, None)


def referred(reference: str, store: Store, profile: str | None, beside: str | None = None) -> dict[str, Any]:
    """What ``FILE``, ``FILE:VARIANT``, ``VARIANT`` (of the file beside it) or a cell's hash stands for.

    Raises:
        StudyError: The file is invalid.
        UsageError: There is no such variant or cell.
    """
    file, variant = split(reference)
    if variant is None and not is_study(file):
        if beside is not None:
            return variant_data(load(beside, profile).variant(reference))
        return store.find_cell(reference).identity() or {}
    study = load(file, profile)
    return study_data(study) if variant is None else variant_data(study.variant(variant))


def flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys; lists of mappings by index, other lists are values."""
    nested: Mapping[Any, Any] | None = None
    if isinstance(content, Mapping):
        nested = content
    elif isinstance(content, list) and any(isinstance(one, Mapping) for one in content):
        nested = dict(enumerate(content))
    if nested is None:
        return {prefix: content}
    found: dict[str, Any] = {}
    for key, value in nested.items():
        found.update(flat(value, f"{prefix}.{key}" if prefix else str(key)))
    return found
