"""What no single section of a study can show: names, splits, budgets and metrics that do not fit together."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ablate.problems import Problems, hint
from ablate.schema import Budget, Metrics, StudyFile
from ablate.tree import Path
from ablate.variants import BASELINE, Draft
from envs import registry as env_registry
from envs.spec import TaskFacts

if TYPE_CHECKING:
    from ablate.study import Task

_PROFILE_KEYS = {info.alias or name for name, info in StudyFile.model_fields.items()} - {
    "schema",
    "profiles",
    "extends",
}


def check_profiles(problems: Problems) -> None:
    """Profiles hold deltas of known sections; what is in them is checked when one is chosen."""
    profiles = problems.tree.data.get("profiles")
    for name, delta in profiles.items() if isinstance(profiles, dict) else ():
        for key in delta if isinstance(delta, dict) else ():
            if key not in _PROFILE_KEYS:
                problems.add(("profiles", name, key), f"unknown field in a profile.{hint(key, _PROFILE_KEYS)}")


def check_names(problems: Problems) -> None:
    """Ablations and controls share one set of names, on file systems that do not tell case apart too."""
    data = problems.tree.data
    seen = {BASELINE: BASELINE}
    for section in ("ablations", "controls"):
        names = data.get(section)
        for name in names if isinstance(names, dict) else ():
            lowered = str(name).lower()
            if lowered in seen:
                problems.add((section, name), f"the name is taken by `{seen[lowered]}`.")
            seen.setdefault(lowered, str(name))
    known = {info.alias or name for name, info in StudyFile.model_fields.items()}
    if not data.get("ablations") and not data.get("controls") and data.keys() <= known:
        problems.add((), "the study has neither `ablations` nor `controls`: there is nothing to compare.")


def check_fit(drafts: Sequence[Draft], task: "Task", problems: Problems) -> None:
    """Combinations that no single field can show, for every variant on a task; the baseline's are said once."""
    inherited: set[tuple[str, str]] = set()
    facts = env_registry.find(task.env).facts(task.num_envs, task.options)
    for draft in drafts:
        found: Callable[[TaskFacts], list[tuple[str, str]]] | None = getattr(draft.variant.config, "problems", None)
        here = found(facts) if found is not None else []
        for field, sentence in here:
            if (field, sentence) in inherited:
                continue
            if draft.variant.role == "baseline":
                problems.add(("baseline", "config", *field.split(".")), f"on {task.env}: {sentence}.")
            elif draft.variant.role == "control":
                problems.add((*draft.path, "config", *field.split(".")), f"on {task.env}: {sentence}.")
            else:
                place = draft.fields.get(field.split(".")[0], draft.path)
                problems.add(place, f"{draft.variant.name} on {task.env}: {sentence}.")
        if draft.variant.role == "baseline":
            inherited = set(here)


def check_scale(drafts: Sequence[Draft], task: "Task", sections: Mapping[str, Any], problems: Problems) -> None:
    """The budget must hold at least one iteration of every variant, and every evaluation point one of its own."""
    tune, evaluation = sections.get("tune"), sections.get("evaluation")
    longest = max(drafts, key=lambda one: getattr(one.variant.config, "num_steps", 1), default=None)
    if longest is None:
        return
    rollout = getattr(longest.variant.config, "num_steps", 1)
    once = task.num_envs * rollout
    places: list[tuple[Budget | None, Path, Path]] = [
        (sections.get("budget"), ("budget", "env_steps"), ("evaluation", "points")),
        (tune and tune.budget, ("tune", "budget", "env_steps"), ("tune", "budget", "env_steps")),
    ]
    for budget, budget_place, points_place in places:
        if budget is None:
            continue
        if budget.env_steps < once:
            problems.add(
                budget_place,
                f"{budget.env_steps:,} steps are less than one iteration of `{longest.variant.name}` on {task.env}: "
                f"num_envs {task.num_envs:,} x num_steps {rollout} = {once:,}.",
            )
        elif evaluation is not None and budget.env_steps // once < evaluation.points:
            problems.add(
                points_place,
                f"{evaluation.points} evaluations need as many iterations, but {budget.env_steps:,} steps hold "
                f"{budget.env_steps // once} of `{longest.variant.name}` on {task.env} ({once:,} steps each).",
            )


def checked_metrics(section: Metrics | None, tasks: "Mapping[int, Task]", problems: Problems) -> Metrics | None:
    """The metrics, once every task is known to report the primary one."""
    if section is None:
        return None
    name, summary = section.primary.name, section.primary.summary
    for task in tasks.values():
        reported = env_registry.find(task.env).reports(task.env, task.options)
        known = [f"eval/{one}" for one in ("return", "length", *reported)]
        if name not in known:
            what = f"{task.env} does not report `{name}`.{hint(name, known)} It reports {', '.join(known)}."
            problems.add(("metrics", "primary", "name"), what)
    if not problems.tree.has(("metrics", "secondary")):
        return section.model_copy(update={"secondary": [one for one in section.secondary if one != summary]})
    for index, one in enumerate(section.secondary):
        if one == summary:
            problems.add(("metrics", "secondary", index), f"`{one}` is the primary summary already.")
        elif one in section.secondary[:index]:
            problems.add(("metrics", "secondary", index), f"`{one}` is listed twice.")
    return section
