"""The ``tune:`` block: one field of the config, chosen per arm on seeds that the comparison never sees.

Stage ``tune`` trains every arm with every value on the tuning seeds; ``ablate.decisions`` chooses from what came of it;
stage ``retuned`` trains every arm with its choice on the study's own seeds, beside the arms as they are. All of these
are ordinary cells, so what is interrupted resumes and what is known is not trained again.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ablate.cells import Cell, Stage, cell_hash, identity
from ablate.configs import InvalidValue, config_from_plain, config_to_plain, laid_over, shown
from ablate.problems import Problems, hint
from ablate.schema import TuneEntry
from ablate.tree import Path
from ablate.variants import BASELINE, Draft

if TYPE_CHECKING:
    from ablate.study import Study
    from ablate.variants import Variant


@dataclass(frozen=True, slots=True)
class Tune:
    """What is tuned, resolved for every arm.

    Attributes:
        field: Dotted name in every arm's config.
        values: What every arm tries, as plain data.
        texts: The same as people write them; distinct.
        seeds: None of them is a seed of the study.
        env_steps: Budget of every tuning run.
        summary: What the primary metric is judged by.
        configs: Variant -> its config with each of the values.
        own: Variant -> the value it has in the study file, as plain data.
    """

    field: str
    values: tuple[Any, ...]
    texts: tuple[str, ...]
    seeds: tuple[int, ...]
    env_steps: int
    summary: Literal["final", "auc"]
    configs: Mapping[str, tuple[Any, ...]]
    own: Mapping[str, Any]


def tuning_cells(study: "Study") -> list[Cell]:
    """Every cell of the stage ``tune``: variants x values x tasks x tuning seeds; none without a ``tune:`` block."""
    if study.tune is None:
        return []
    tune = study.tune
    return [
        cell
        for one in study.variants
        for index in range(len(tune.values))
        for cell in _cells(study, one, index, "tune", tune.seeds, tune.env_steps)
    ]


def num_cells(study: "Study") -> int:
    """How many cells a study asks for before anything is decided."""
    values = len(study.tune.values) * len(study.tune.seeds) if study.tune else 0
    return len(study.variants) * len(study.tasks) * (len(study.seeds) + values)


def retuned_cells(study: "Study", variant: "Variant", index: int) -> list[Cell]:
    """An arm with one of the values on the study's own seeds: its main cells where that value is its own."""
    return _cells(study, variant, index, "retuned", study.seeds, study.budget.env_steps)


def _cells(
    study: "Study", variant: "Variant", index: int, stage: Stage, seeds: Sequence[int], env_steps: int
) -> list[Cell]:
    assert study.tune is not None
    arm = dataclasses.replace(variant, config=study.tune.configs[variant.name][index])
    found = []
    for task_index, task in enumerate(study.tasks):
        for seed in seeds:
            what = identity(arm, task, seed, study, env_steps=env_steps)
            found.append(Cell(cell_hash(what), variant.name, task_index, seed, what, stage, study.tune.texts[index]))
    return found


def resolved_tune(
    entry: TuneEntry | None, seeds: tuple[int, ...], own_seeds: tuple[int, ...], drafts: Sequence[Draft],
    env_steps: int, problems: Problems,
) -> Tune | None:  # fmt: skip
    """Check a ``tune:`` block against every arm; what is wrong is noted.

    Args:
        entry: The block as written.
        seeds: Of tuning.
        own_seeds: Of the study.
        drafts: Every arm, the baseline first.
        env_steps: The study's budget, for a block without one.
        problems: Where to note.
    """
    if entry is None or not drafts:
        return None
    _check_seeds(seeds, own_seeds, problems)
    own: dict[str, Any] = {}
    for draft in drafts:
        plain = config_to_plain(draft.variant.config)
        try:
            own[draft.variant.name] = at(plain, entry.field)
        except KeyError:
            arm = draft.variant
            near = hint(entry.field, _paths(plain))
            problems.add(("tune", "field"), f"`{arm.name}` ({arm.algorithm}) has no field `{entry.field}`.{near}")
            if arm.name == BASELINE:
                break  # what the baseline lacks its ablations lack too
    if len(own) < len(drafts):
        return None
    configs = {draft.variant.name: _configs(entry, draft, problems) for draft in drafts}
    if problems.below(("tune",)):
        return None
    texts = [shown(at(config_to_plain(one), entry.field)) for one in configs[BASELINE]]
    for index, text in enumerate(texts):
        if text in texts[:index]:
            problems.add(("tune", "values", index), f"{text} is listed twice.")
    _check_apart(entry, drafts, configs, problems)
    values = tuple(at(config_to_plain(one), entry.field) for one in configs[BASELINE])
    budget = entry.budget.env_steps if entry.budget else env_steps
    return Tune(entry.field, values, tuple(texts), seeds, budget, entry.summary, configs, own)


def tuned_drafts(tune: Tune, drafts: Sequence[Draft]) -> list[Draft]:
    """Every arm with every value, as variants whose problems belong to the value's line."""
    top = tune.field.split(".")[0]
    found = []
    for draft in drafts:
        for index, config in enumerate(tune.configs[draft.variant.name]):
            place: Path = ("tune", "values", index)
            name = f"{draft.variant.name} with {tune.field} {tune.texts[index]}"
            variant = dataclasses.replace(draft.variant, name=name, role="ablation", config=config)
            found.append(Draft(variant, place, {top: place}))
    return found


def at(plain: Mapping[str, Any], field: str) -> Any:
    """The value of a dotted field.

    Raises:
        KeyError: There is none.
    """
    value: Any = plain
    for step in field.split("."):
        if not isinstance(value, Mapping):
            raise KeyError(field)
        value = value[step]
    return value


def _paths(plain: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every dotted field of a config."""
    found = []
    for key, value in plain.items():
        found.append(prefix + key)
        if isinstance(value, Mapping):
            found += _paths(value, f"{prefix}{key}.")
    return found


def _check_seeds(seeds: tuple[int, ...], own: tuple[int, ...], problems: Problems) -> None:
    shared = [seed for seed in seeds if seed in set(own)]
    if shared:
        listed = ", ".join(map(str, shared[:5])) + (", ..." if len(shared) > 5 else "")
        which = f"seed {listed} is" if len(shared) == 1 else f"seeds {listed} are"
        problems.add(
            ("tune", "seeds"),
            f"{which} among the study's own: what is tuned on them would be compared on them. Start at "
            f"{max(own) + 1} or beyond.",
        )


def _configs(entry: TuneEntry, draft: Draft, problems: Problems) -> tuple[Any, ...]:
    """An arm's config with each value; a value that does not fit is noted at its line, once for all arms."""
    config = draft.variant.config
    plain = config_to_plain(config)
    found = []
    for index, value in enumerate(entry.values):
        place: Path = ("tune", "values", index)
        delta = value
        for step in reversed(entry.field.split(".")):
            delta = {step: delta}
        try:
            found.append(config_from_plain(type(config), laid_over(plain, delta)))
        except InvalidValue as error:
            if not problems.below(place):
                depth = len(entry.field.split("."))
                for inner, sentence in error.findings:
                    problems.add((*place, *inner[depth:]), sentence)
    return tuple(found)


def _check_apart(
    entry: TuneEntry, drafts: Sequence[Draft], configs: Mapping[str, tuple[Any, ...]], problems: Problems
) -> None:
    """Arms that differ in the tuned field only would all be the same arm once it is tuned."""
    seen: list[tuple[str, str, Any]] = []
    for draft in drafts:
        one = draft.variant
        config = configs[one.name][0]
        twin = next((name for name, *key in seen if key == [one.algorithm, config]), None)
        if twin is not None:
            what = "the baseline" if twin == BASELINE else f"`{twin}`"
            problems.add(
                draft.path,
                f"`{one.name}` differs from {what} in `{entry.field}` only, which `tune` chooses for both: retuned, "
                "there would be nothing to compare.",
            )
        seen.append((one.name, one.algorithm, config))
