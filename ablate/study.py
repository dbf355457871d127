"""A study: loaded, resolved, frozen. The only validation boundary of the platform.

``load`` reads the file and what it extends, lays the chosen profile and the overrides over it, and checks all of it
at once; nothing behind this module sees plain data or has to doubt a value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from ablate import overrides as overriding
from ablate.errors import StudyError
from ablate.problems import Problem, hint, rendered
from ablate.schema import AblationEntry, Budget, Evaluation, Metrics, Resources
from ablate.tree import Origin, Path, Tree, merged_trees
from ablate.yaml_lines import YamlProblems, parse, read

if TYPE_CHECKING:
    from ablate.adaptive import Adaptive
    from ablate.tuning import Tune
    from ablate.variants import Variant
    from reports.factorial import Design


@dataclass(frozen=True, slots=True)
class Arm:
    """An algorithm with its resolved config: the baseline, or a control."""

    algorithm: str
    preset: str | None
    config: Any
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """An environment with its resolved options.

    Attributes:
        env: Registered id, or ``gymnasium:ID``.
        num_envs: Copies per seed.
        options: Instance of the environment's options dataclass.
        label: Short name, distinct within the study.
    """

    env: str
    num_envs: int
    options: Any
    label: str


@dataclass(frozen=True, slots=True)
class Study:
    """One study file, resolved.

    Attributes:
        schema: Version of the file format.
        study: Its name.
        question: What it is to answer.
        baseline: What every ablation is compared with.
        tasks: At least one.
        budget: Environment steps per seed.
        evaluation: How cells are scored.
        seeds: Distinct, in the order of the file.
        metrics: Primary (tested) and secondary.
        ablations: As declared, by name.
        controls: Other algorithms, by name.
        resources: Packing and placement.
        alpha: Family-wise error rate.
        variants: Baseline, ablations, controls; see ``ablate.variants.expand``.
        tune: What is chosen per arm on seeds of its own; None compares the arms as they are only.
        adaptive: When to look and add seeds, ``seeds`` being all that may be used; None trains all of them.
        design: Which sets of ablations are made at once; None makes each alone.
        profiles: Names of the profiles the file offers.
        path: The file.
        profile: The chosen profile.
        overrides: As typed.
        text: The file's text.
    """

    schema: str
    study: str
    question: str
    baseline: Arm
    tasks: tuple[Task, ...]
    budget: Budget
    evaluation: Evaluation
    seeds: tuple[int, ...]
    metrics: Metrics
    ablations: Mapping[str, AblationEntry]
    controls: Mapping[str, Arm]
    resources: Resources
    alpha: float
    variants: "tuple[Variant, ...]"
    tune: "Tune | None"
    adaptive: "Adaptive | None"
    design: "Design | None"
    profiles: tuple[str, ...]
    path: FilePath
    profile: str | None
    overrides: tuple[str, ...]
    text: str = field(repr=False)

    @property
    def record(self) -> str:
        """The name under which store, MLflow and report keep what a run left: each profile is a record of its own."""
        return self.study if self.profile is None else f"{self.study}@{self.profile}"

    def variant(self, name: str) -> "Variant":
        """The variant of that name.

        Raises:
            UsageError: There is none; the message names the nearest.
        """
        from ablate.errors import UsageError

        for one in self.variants:
            if one.name == name:
                return one
        names = [one.name for one in self.variants]
        raise UsageError(f"no variant `{name}` in {self.study}.{hint(name, names)} Variants: {', '.join(names)}.")


def load(path: str | FilePath, profile: str | None = None, overrides: Sequence[str] = ()) -> Study:
    """Load a study.

    Args:
        path: The YAML file.
        profile: A profile of the file; None for the file's own values.
        overrides: Edits in Hydra's grammar; see ``ablate.overrides``.

    Raises:
        StudyError: With every problem of the file, its bases, the profile and the overrides.
    """
    study, problems = check(path, profile, overrides)
    if problems or study is None:
        raise StudyError(rendered(str(path), problems))
    return study


def check(
    path: str | FilePath, profile: str | None = None, overrides: Sequence[str] = ()
) -> tuple[Study | None, list[Problem]]:
    """Load a study or say everything that is wrong with it; never both empty."""
    from ablate.resolve import resolve

    file = FilePath(path)
    try:
        text = read(file)
        tree = _with_bases(parse(text, str(file)), file, ())
    except YamlProblems as error:
        return None, error.problems
    problems: list[Problem] = []
    profiles = tree.data.get("profiles")
    names = tuple(profiles) if isinstance(profiles, dict) else ()
    if profile is not None:
        if profile in names and isinstance(profiles[profile], dict):
            tree = _with_profile(tree, profile)
        elif profile not in names:
            known = f" Profiles: {', '.join(names)}." if names else " The file has no profiles."
            problems.append(
                Problem("profiles", f"no profile `{profile}`.{hint(profile, names)}{known}", Origin("", None, ""))
            )
    problems += overriding.apply(tree, overrides)
    resolved, more = resolve(tree)
    problems += [one for one in more if one not in problems]
    if problems or resolved is None:
        return None, problems
    return Study(**resolved, profiles=names, path=file, profile=profile, overrides=tuple(overrides), text=text), []


def _with_bases(tree: Tree, file: FilePath, below: tuple[FilePath, ...]) -> Tree:
    """Lay a file over the file it extends, and so on.

    Raises:
        YamlProblems: A file is no mapping, a base is missing, or files extend each other.
    """
    if not isinstance(tree.data, dict):
        what = "the file is empty." if tree.data is None else "the file must be a mapping (`key: value` lines)."
        raise YamlProblems([Problem("", what, tree.origin(()))])
    base = tree.data.pop("extends", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise YamlProblems([Problem("extends", "expected the name of a file.", tree.origin(("extends",)))])
    base_file = file.parent / base
    chain = (*below, file.resolve())
    if base_file.resolve() in chain:
        raise YamlProblems([Problem("extends", f"`{base}` leads back to this file.", tree.origin(("extends",)))])
    try:
        base_text = read(base_file)
    except YamlProblems as error:
        raise YamlProblems(
            [Problem("extends", f"{base_file}: {one.message}", tree.origin(("extends",))) for one in error.problems]
        ) from None
    return merged_trees(_with_bases(parse(base_text, str(base_file)), base_file, chain), tree)


def _with_profile(tree: Tree, profile: str) -> Tree:
    """Lay a profile over the file that declares it."""
    delta = tree.part(("profiles", profile))
    own = {key: value for key, value in delta.data.items() if key not in ("profiles", "extends", "schema")}
    paths: dict[Path, Origin] = {one: origin for one, origin in delta.origins.items() if one and one[0] in own}
    return merged_trees(tree, Tree(own, paths))


def profile_names(path: str | FilePath) -> tuple[str, ...]:
    """The profiles that a file offers, its bases' included; none when it cannot be read."""
    file = FilePath(path)
    try:
        tree = _with_bases(parse(read(file), str(file)), file, ())
    except YamlProblems:
        return ()
    profiles = tree.data.get("profiles")
    return tuple(profiles) if isinstance(profiles, dict) else ()
