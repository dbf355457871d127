"""From the tree of a study file to typed, resolved sections, noting every problem on the way.

Each section is checked on its own, so a mistake in one does not hide the mistakes in another.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic_core import PydanticUndefined

from ablate.adaptive import Adaptive, resolved_adaptive
from ablate.checks import check_fit, check_names, check_profiles, check_scale, checked_metrics
from ablate.configs import InvalidValue, config_from_plain, config_to_plain, defaults, laid_over, typed
from ablate.designs import design_drafts, resolved_design
from ablate.interventions import ablation_drafts
from ablate.problems import Problem, Problems, hint
from ablate.schema import (
    SCHEMA,
    TODO,
    AblationEntry,
    AdaptiveSeeds,
    BaselineEntry,
    ControlEntry,
    Name,
    SeedRange,
    StudyFile,
    TaskEntry,
    TuneEntry,
)
from ablate.tree import Path, Tree
from ablate.tuning import Tune, resolved_tune, tuned_drafts
from ablate.variants import Draft, baseline_draft, control_drafts, distinct, shared_fields
from algorithms import registry as algorithm_registry
from envs import registry as env_registry
from envs.spec import UnknownEnvError

if TYPE_CHECKING:
    from ablate.study import Arm, Task

_ITEMWISE: dict[str, type] = {"tasks": TaskEntry, "ablations": AblationEntry, "controls": ControlEntry}


def resolve(tree: Tree) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Check a tree in full.

    Returns:
        The fields of a ``Study`` (without those that say where it came from), or None; and every problem.
    """
    problems = Problems(tree)
    sections = _sections(problems)
    check_profiles(problems)
    seeds = _seeds(sections.get("seeds"), ("seeds",), problems)
    tasks = _tasks(sections.get("tasks"), problems)
    baseline = _arm(sections.get("baseline"), ("baseline",), None, problems)
    controls: dict[str, Arm] = {}
    drafts: list[Draft] = []
    design = None
    if baseline is not None:
        for name, entry in (sections.get("controls") or {}).items():
            control = _arm(entry, ("controls", name), baseline, problems)
            if control is not None:
                controls[name] = control
        ablations = sections.get("ablations") or {}
        drafts = [
            baseline_draft(baseline),
            *ablation_drafts(ablations, baseline, problems),
            *control_drafts(controls, baseline),
        ]
        adaptive_seeds = isinstance(sections.get("seeds"), AdaptiveSeeds)
        design = resolved_design(sections.get("design"), ablations, drafts, problems, adaptive=adaptive_seeds)
        drafts += design_drafts(design, drafts, baseline, problems)
    check_names(problems)
    variants = distinct(drafts, problems)
    tune = _tune(sections, seeds, drafts, problems)
    adaptive = _adaptive(sections, problems)
    for task in tasks.values():
        check_fit(drafts, task, problems)
        check_scale(drafts, task, sections, problems)
    if tune is not None and not problems.found:
        for task in tasks.values():
            check_fit(tuned_drafts(tune, drafts), task, problems)
    sections["metrics"] = checked_metrics(sections.get("metrics"), tasks, problems)
    if problems.found:
        return None, problems.found
    found = {
        key: sections[key]
        for key in ("study", "question", "budget", "evaluation", "metrics", "ablations", "resources", "alpha")
    }
    return {
        "schema": SCHEMA,
        **found,
        "baseline": baseline,
        "tasks": tuple(_labelled(list(tasks.values()))),
        "seeds": seeds,
        "controls": controls,
        "variants": tuple(variants),
        "tune": tune,
        "adaptive": adaptive,
        "design": design,
    }, []


def _sections(problems: Problems) -> dict[str, Any]:
    """Every section that has the right shape, defaults filled in; missing and unknown ones are noted."""
    data = problems.tree.data
    fields = {info.alias or name: info for name, info in StudyFile.model_fields.items()}
    for key in data:
        if key not in fields:
            problems.add((key,), f"unknown field.{hint(key, fields) or ' Fields: ' + ', '.join(fields) + '.'}")
    found = {}
    for key, info in fields.items():
        if key in data and key in _ITEMWISE:
            found[key] = _items(data[key], (key,), problems)
        elif key in data:
            found[key] = _typed(_full_type(info), data[key], (key,), problems)
        elif info.default is PydanticUndefined:
            problems.add((), f"`{key}` is missing.{_example(key)}")
        else:
            found[key] = info.default
    return found


def _example(key: str) -> str:
    examples = {"schema": f" Write `schema: {SCHEMA}`.", "seeds": " Write `seeds: {count: 8}` or a list."}
    return examples.get(key, "")


def _full_type(info: Any) -> Any:
    """A field's type with its constraints, which pydantic keeps apart."""
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def _typed(kind: Any, value: Any, path: Path, problems: Problems) -> Any:
    """The value as its type; None where it does not fit, which is noted."""
    try:
        return typed(kind, value)
    except InvalidValue as error:
        for inner, sentence in error.findings:
            problems.add((*path, *inner), sentence)
        return None


def _items(value: Any, path: Path, problems: Problems) -> dict[Any, Any]:
    """The items of a list or mapping that have the right shape, by index or name."""
    name = str(path[0])
    pairs: Iterable[tuple[int | str, Any]] = ()
    if name == "tasks" and isinstance(value, list) and value:
        pairs = enumerate(value)
    elif name != "tasks" and isinstance(value, dict):
        pairs = value.items()
    else:
        _typed(_full_type(StudyFile.model_fields[name]), value, path, problems)
    found = {}
    for key, one in pairs:
        if isinstance(key, str):
            _typed(Name, key, (*path, key), problems)
        if name == "ablations" and _has_holes((*path, key), problems):
            continue
        item = _typed(_ITEMWISE[name], one, (*path, key), problems)
        if item is not None:
            found[key] = item
    return found


def _has_holes(path: Path, problems: Problems) -> bool:
    """Whether an imported ablation still waits for a decision; each hole is a problem of its own."""
    holes = [where for where, value in problems.tree.scalars(path) if value == TODO]
    for where in holes:
        what = f"choose a {where[-1]}" if isinstance(where[-1], str) and where[-1] != "with" else "choose a value"
        problems.add(where, f"still {TODO}: {what} (`ablate list components` shows the components and their kinds).")
    return bool(holes)


def _seeds(section: Any, path: Path, problems: Problems) -> tuple[int, ...]:
    if isinstance(section, SeedRange):
        return tuple(range(section.start, section.start + section.count))
    if isinstance(section, AdaptiveSeeds):
        return tuple(range(section.start, section.start + max(section.adaptive.looks)))
    seen: dict[int, int] = {}
    for index, seed in enumerate(section or ()):
        if seed in seen:
            problems.add((*path, index), f"seed {seed} is listed twice; a repeated seed is not a new run.")
        seen.setdefault(seed, index)
    return tuple(seen)


def _adaptive(sections: Mapping[str, Any], problems: Problems) -> Adaptive | None:
    """The ``adaptive`` form of the seeds, checked against the rest of the study."""
    entry = sections.get("seeds")
    if not isinstance(entry, AdaptiveSeeds):
        return None
    return resolved_adaptive(
        entry.adaptive,
        tasks=len(sections.get("tasks") or ()),
        tuned=sections.get("tune") is not None,
        problems=problems,
    )


def _tune(
    sections: Mapping[str, Any], own_seeds: tuple[int, ...], drafts: list[Draft], problems: Problems
) -> Tune | None:
    """The ``tune:`` block, checked against every arm."""
    entry: TuneEntry | None = sections.get("tune")
    if entry is None:
        return None
    seeds = _seeds(entry.seeds, ("tune", "seeds"), problems)
    budget = sections.get("budget")
    return resolved_tune(entry, seeds, own_seeds, drafts, budget.env_steps if budget else 0, problems)


def _tasks(section: Mapping[int, TaskEntry] | None, problems: Problems) -> "dict[int, Task]":
    """Tasks whose environment and options exist, by index."""
    from ablate.study import Task

    found: dict[int, Task] = {}
    for index, entry in (section or {}).items():
        path: Path = ("tasks", index)
        try:
            spec = env_registry.find(entry.env)
        except UnknownEnvError as error:
            problems.add((*path, "env"), str(error))
            continue
        plain = laid_over(defaults(spec.options), entry.options)
        options = _typed(spec.options, plain, (*path, "options"), problems)
        if options is None:
            continue
        task = Task(entry.env, entry.num_envs, options, entry.env)
        twin = next((other for other, one in found.items() if one == task), None)
        if twin is not None:
            problems.add(path, f"the same task as tasks.{twin}.")
            continue
        found[index] = task
    return found


def _labelled(tasks: "list[Task]") -> "list[Task]":
    """Labels that tell the tasks apart: the environment, and what differs where two share one."""
    found = []
    for task in tasks:
        twins = [one for one in tasks if one.env == task.env and one is not task]
        odd = []
        if any(one.num_envs != task.num_envs for one in twins):
            odd.append(f"num_envs={task.num_envs}")
        mine = config_to_plain(task.options)
        odd += [
            f"{key}={value}"
            for key, value in mine.items()
            if any(config_to_plain(one.options)[key] != value for one in twins)
        ]
        found.append(dataclasses.replace(task, label=f"{task.env} ({', '.join(odd)})" if odd else task.env))
    return found


def _arm(entry: BaselineEntry | None, path: Path, baseline: "Arm | None", problems: Problems) -> "Arm | None":
    """An algorithm with its config: defaults, what it shares with the baseline, its preset, its own deltas."""
    from ablate.study import Arm

    if entry is None:
        return None
    try:
        algorithm = algorithm_registry.find(entry.algorithm)
    except algorithm_registry.UnknownAlgorithmError as error:
        problems.add((*path, "algorithm"), str(error))
        return None
    preset: Mapping[str, Any] = {}
    if entry.preset is not None:
        if entry.preset not in algorithm.presets:
            known = ", ".join(algorithm.presets) or "none"
            near = hint(entry.preset, algorithm.presets)
            problems.add(
                (*path, "preset"), f"`{entry.algorithm}` has no preset `{entry.preset}`.{near} Presets: {known}."
            )
            return None
        preset = algorithm.presets[entry.preset]
    inherited = shared_fields(baseline.config, algorithm.config) if baseline is not None else {}
    plain = laid_over(defaults(algorithm.config), inherited, preset, entry.config)
    try:
        config = config_from_plain(algorithm.config, plain)
    except InvalidValue as error:
        for inner, sentence in error.findings:
            problems.add((*path, "config", *inner), sentence)
        return None
    note = entry.note if isinstance(entry, ControlEntry) else None
    return Arm(entry.algorithm, entry.preset, config, note)
