"""The study file's shape: what may be written where. Meaning is checked in ``ablate.resolve``."""

import re
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from ablate.configs import STRICT

SCHEMA = "ablate/v1"
TODO = "TODO"
"""What ``ablate import`` writes where it found no match; a study that still holds one is refused."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")


def _name(value: Any) -> Any:
    if isinstance(value, str) and not (_NAME.fullmatch(value) and ".." not in value and not value.endswith(".")):
        raise ValueError(
            f'"{value}" cannot be a name: it becomes a directory, so write 1 to 64 letters, digits, `_`, `-`, `+` or '
            "single dots, starting with a letter or digit."
        )
    return value


def _fraction(value: Any) -> Any:
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*%\s*", value)
        if found is None:
            raise ValueError(f'expected a fraction such as 0.1 or a percentage such as 10%, found the text "{value}".')
        return float(found[1]) / 100
    return value


def _fixed_form(value: Any) -> str:
    return "range" if isinstance(value, dict | SeedRange) else "list"


def _seeds_form(value: Any) -> str:
    adaptive = isinstance(value, AdaptiveSeeds) or (isinstance(value, dict) and "adaptive" in value)
    return "adaptive form" if adaptive else _fixed_form(value)


def _one_form(value: Any) -> Any:
    if isinstance(value, dict) and "count" in value and "adaptive" in value:
        raise ValueError("`count` and `adaptive` are two ways to say how many seeds; keep one.")
    return value


Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})]
Fraction = Annotated[
    float,
    BeforeValidator(_fraction),
    Gt(0),
    Lt(1),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^\s*[0-9]*\.?[0-9]+\s*%\s*$"}]}),
]
Count = Annotated[int, Ge(1)]
Seed = Annotated[int, Ge(0), Le(2**63 - 1)]
Summary = Literal["final", "auc", "time_to_threshold"]
Auto = Literal["auto"]


class _Section(BaseModel):
    model_config = ConfigDict(**STRICT, frozen=True, use_attribute_docstrings=True, populate_by_name=True)


class BaselineEntry(_Section):
    """What every ablation is compared with."""

    algorithm: str
    """A registered algorithm; see `ablate list algorithms`."""
    preset: str | None = None
    """A named starting point of that algorithm; without it, the paper's defaults."""
    config: dict[str, Any] = {}
    """Deltas over the preset; see `ablate show STUDY` for the result."""


class ControlEntry(BaselineEntry):
    """Another algorithm for comparison: it takes over the baseline's value of every field both have."""

    note: str | None = None
    """Why it is there; printed in the report."""


class TaskEntry(_Section):
    """One environment and its options."""

    env: str
    """A registered environment, or `gymnasium:ID`; see `ablate list envs`."""
    num_envs: Annotated[int, Ge(1), Le(2**24)]
    """Copies per seed."""
    options: dict[str, Any] = {}
    """Options of the environment."""


class Budget(_Section):
    """How long every cell trains."""

    env_steps: Count
    """Transitions per seed, summed over its copies."""


class Evaluation(_Section):
    """How every cell is scored."""

    points: Count = 20
    """Evaluations, at equally spaced budgets; the last one at the end."""
    episodes: Count = 32
    """Whole episodes per evaluation and seed."""


class SeedRange(_Section):
    """`count` seeds from `start` on."""

    count: Annotated[int, Ge(1), Le(10_000)]
    start: Seed = 0


class AdaptiveEntry(_Section):
    """When to look at the scores; frozen from the first look on."""

    looks: Annotated[list[Annotated[int, Ge(1), Le(10_000)]], MinLen(2)] = [5, 8, 12, 16, 20, 25, 30]
    """Seeds per arm at each look, increasing; the last is never exceeded."""
    spending: Literal["quadratic", "linear", "obrien_fleming", "pocock"] = "quadratic"
    """How the error rate is spread over the looks: the earlier, the sooner a large effect stops and the harder a small
    one is found. In that order: pocock, linear, quadratic, obrien_fleming."""


class AdaptiveSeeds(_Section):
    """Seeds from `start` on, added look by look to the arms that are undecided, and to the baseline."""

    adaptive: AdaptiveEntry
    start: Seed = 0


FixedSeeds = Annotated[
    Annotated[Annotated[list[Seed], MinLen(1)], Tag("list")] | Annotated[SeedRange, Tag("range")],
    Discriminator(_fixed_form),
]
Seeds = Annotated[
    Annotated[Annotated[list[Seed], MinLen(1)], Tag("list")]
    | Annotated[SeedRange, Tag("range")]
    | Annotated[AdaptiveSeeds, Tag("adaptive form")],
    Discriminator(_seeds_form),
    BeforeValidator(_one_form),
]


class Primary(_Section):
    """The metric that contrasts are tested on."""

    name: str = "eval/return"
    """`eval/return`, `eval/length` or `eval/<metric of the environment>`."""
    summary: Literal["final", "auc"] = "final"
    """One number per run: the mean of the last tenth of the evaluations, or the area under the curve."""
    goal: Literal["max", "min"] = "max"
    margin: Fraction = 0.10
    """The smallest change that matters, as a fraction of the baseline."""


class Metrics(_Section):
    """What is reported."""

    primary: Primary = Primary()
    secondary: list[Summary] = ["auc", "time_to_threshold"]
    """Further summaries of the same metric; reported, not tested."""


class TuneEntry(_Section):
    """One field of the config, chosen per arm on seeds that the comparison never sees."""

    field: str
    """Dotted; every arm's config must have it, e.g. `learning_rate`."""
    values: Annotated[list[Any], MinLen(2)]
    """What every arm tries."""
    seeds: FixedSeeds
    """None of them may be a seed of the study."""
    budget: Budget | None = None
    """Of every tuning run; the study's unless given."""
    summary: Literal["final", "auc"] = "auc"
    """What the primary metric is judged by: its mean along the run, or its last tenth."""


class AblationEntry(_Section):
    """One intervention on one component; `with` as a list makes one variant of each value."""

    part: str | None = None
    """The part in the paper's words."""
    component: str | None = None
    """A component of the baseline's algorithm; see `ablate list components`."""
    action: Literal["REMOVE", "REPLACE", "ADD"] | None = None
    """REMOVE sets the neutral element, REPLACE another value, ADD a value where the baseline has the neutral one."""
    with_: Any = Field(default=None, alias="with")
    """A kind, a mapping (`{kind: high_ratio, off_policy_coef: 0.5}`), a number, or a list of those."""
    expect: Literal["worse", "better", "none"] | None = None
    """What is expected, written down before the run."""
    compound: bool = False
    """Several components change at once, on purpose."""
    set: dict[str, Any] | None = None
    """The components of a compound ablation and their values."""


class DesignEntry(_Section):
    """Which sets of ablations are made at once."""

    kind: Literal["leave_one_out", "add_one_in", "pairwise", "fractional_factorial", "full_factorial"]
    """Every design makes each ablation alone; what else it makes decides what it can show."""
    factors: Annotated[list[str], MinLen(2)] | None = None
    """The ablations that are combined; all of them unless given. Others stay as they are."""
    resolution: Annotated[int, Ge(3), Le(7)] | None = None
    """Of a fractional factorial: 3 mixes single changes with pairs, 4 pairs with pairs, from 5 on pairs are clear."""


class Resources(_Section):
    """How cells are packed and placed; none of it changes a number."""

    gpus_per_pack: Auto | Annotated[float, Ge(0)] = "auto"
    max_concurrent: Auto | Count = "auto"
    """Packs that train at the same time."""
    retries: Annotated[int, Ge(0)] = 2
    """For infrastructure faults only; a deterministic error fails at once."""
    seeds_per_pack: Auto | Count = "auto"
    """Seeds trained by one process as one program."""
    checkpoint_seconds: Annotated[float, Ge(0)] = 30.0
    """Wall time between two checkpoints of a pack: what a kill can lose."""
    hang_seconds: Annotated[float, Gt(0)] = 900.0
    """A process silent for this long (and for ten of its longest iterations) is killed and its pack tried again."""


class StudyFile(_Section):
    """An ablation study: a question, a baseline, ablations, tasks and seeds."""

    schema_: Literal["ablate/v1"] = Field(alias="schema")
    study: Name
    """Names the study's directory and MLflow experiment."""
    question: str = ""
    """What the study is to answer; printed on the report's cover."""
    baseline: BaselineEntry
    tasks: Annotated[list[TaskEntry], MinLen(1)]
    budget: Budget
    evaluation: Evaluation = Evaluation()
    seeds: Seeds
    metrics: Metrics = Metrics()
    ablations: dict[Name, AblationEntry] = {}
    controls: dict[Name, ControlEntry] = {}
    design: DesignEntry | None = None
    """Which sets of ablations are made at once; each alone unless given."""
    tune: TuneEntry | None = None
    """What is chosen per arm on seeds of its own; the report then shows every arm as is and retuned."""
    profiles: dict[Name, dict[str, Any]] = {}
    """Named deltas over this file: the same science at another scale (`--profile NAME`)."""
    extends: str | None = None
    """Another study file to start from."""
    resources: Resources = Resources()
    alpha: Annotated[float, Gt(0), Lt(1)] = 0.05
    """Family-wise error rate over all ablations."""


def json_schema() -> dict[str, Any]:
    """JSON Schema of study files, with the config of every registered algorithm and the options of every env.

    For editors: what a merge makes mandatory (a ``kind``, a required section that ``extends`` brings) is optional here.
    """
    from pydantic import TypeAdapter

    from algorithms import registry as algorithm_registry
    from envs import registry as env_registry

    schema = StudyFile.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    choices: dict[str, tuple[str, dict[str, Any]]] = {"algorithm": ("config", {}), "env": ("options", {})}
    for name, algorithm in sorted(algorithm_registry.algorithms().items()):
        choices["algorithm"][1][name] = _reference(definitions, TypeAdapter(algorithm.config).json_schema())
    for name, spec in sorted(env_registry.specs().items()):
        choices["env"][1][name] = _reference(definitions, TypeAdapter(spec.options).json_schema())
    for entry, key in (("BaselineEntry", "algorithm"), ("ControlEntry", "algorithm"), ("TaskEntry", "env")):
        field, known = choices[key]
        definitions[entry]["allOf"] = [
            {
                "if": {"properties": {key: _matches(name)}, "required": [key]},
                "then": {"properties": {field: reference}},
            }
            for name, reference in known.items()
        ]
    definitions["BaselineEntry"]["properties"]["algorithm"]["enum"] = list(choices["algorithm"][1])
    definitions["ControlEntry"]["properties"]["algorithm"]["enum"] = list(choices["algorithm"][1])
    profile = {"type": "object", "properties": {
        key: value for key, value in schema["properties"].items() if key not in ("schema", "profiles", "extends")
    }, "additionalProperties": False}  # fmt: skip
    schema["properties"]["profiles"] = {"type": "object", "additionalProperties": profile}
    schema["required"] = ["schema"]
    for entry in ("BaselineEntry", "ControlEntry"):  # a delta need not repeat what its base names
        definitions[entry].pop("required")
    definitions["TuneEntry"].pop("required")
    definitions["DesignEntry"].pop("required")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "ablate study"}


def _matches(name: str) -> dict[str, str]:
    """``gymnasium:`` stands for every id that starts so."""
    return {"pattern": f"^{re.escape(name)}"} if name.endswith(":") else {"const": name}


def _reference(definitions: dict[str, Any], schema: dict[str, Any]) -> dict[str, str]:
    """Move a schema and its definitions into the study's; unions of mappings may leave their ``kind`` out."""
    definitions.update({name: _relaxed(one) for name, one in schema.pop("$defs", {}).items()})
    name = schema["title"]
    definitions[name] = _relaxed(schema)
    return {"$ref": f"#/$defs/{name}"}


def _relaxed(schema: dict[str, Any]) -> dict[str, Any]:
    """A delta's schema: nothing is required, nothing unknown is allowed, text may stand for a kind."""
    relaxed = {**schema, "additionalProperties": False}
    relaxed.pop("required", None)
    properties = relaxed.get("properties", {})
    for name, one in properties.items():
        if "discriminator" in one:
            kinds = list(one["discriminator"]["mapping"])
            default = one.get("default", {})
            loose = {key: inner for key, inner in one.items() if key not in ("oneOf", "discriminator")}
            properties[name] = {**loose, "anyOf": [*one["oneOf"], {"enum": kinds}], "default": default}
    return relaxed
