"""What a simulator said about itself, checked before anything is built on it."""

from dataclasses import dataclass
from typing import Any

from envs.bridge import worker
from envs.bridge.errors import SimulatorContractError

_RESERVED = frozenset(
    {"obs", "state", "final_obs", "final_state", "reward", "terminated", "truncated", "return", "length"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """The attributes of a simulator; see ``envs/bridge/worker.py``, which says what each means."""

    num_envs: int
    device: str
    observation_size: int
    state_size: int
    action_size: int | None
    num_actions: int | None
    max_episode_steps: int
    metrics: tuple[str, ...]
    arrays: str
    checkpoints: bool
    exact_state: bool
    lazy_reset: bool
    python: str


def facts_from_hello(name: str, hello: dict[str, Any], *, num_envs: int, metrics: tuple[str, ...]) -> Facts:
    """Check a worker's hello.

    Args:
        name: The simulator, as a study writes it.
        hello: What the worker sent.
        num_envs: Copies that were asked for.
        metrics: Names that the study counts on.

    Raises:
        SimulatorContractError: The first attribute that is wrong.
    """

    def refuse(sentence: str) -> SimulatorContractError:
        return SimulatorContractError(f"`{name}`: {sentence}")

    hello = dict(hello)
    if hello.pop("protocol") != worker.PROTOCOL:
        raise refuse("the worker speaks another protocol.")
    for key, least in (("num_envs", 1), ("observation_size", 1), ("max_episode_steps", 1), ("state_size", 0)):
        if not isinstance(hello[key], int) or hello[key] < least:
            raise refuse(f"the simulator's `{key}` is {hello[key]}, not an integer of at least {least}.")
    if hello["num_envs"] != num_envs:
        raise refuse(f"the simulator has {hello['num_envs']} copies, {num_envs} were asked for.")
    kinds = [(key, least) for key, least in (("action_size", 1), ("num_actions", 2)) if hello[key] is not None]
    if len(kinds) != 1:
        raise refuse("a simulator has either `action_size` (continuous) or `num_actions` (discrete).")
    key, least = kinds[0]
    if not isinstance(hello[key], int) or hello[key] < least:
        raise refuse(f"the simulator's `{key}` is {hello[key]}, not an integer of at least {least}.")
    kind, _, index = hello["device"].partition(":")
    if hello["device"] != "cpu" and not (kind == "cuda" and index.isdecimal()):
        raise refuse(f"the simulator's `device` is {hello['device']}, neither `cpu` nor `cuda:0`.")
    if hello["arrays"] not in ("numpy", "torch"):
        raise refuse(f"the simulator's `arrays` is {hello['arrays']}, neither `numpy` nor `torch`.")
    found = hello["metrics"]
    wrong = [one for one in found if one in _RESERVED or found.count(one) > 1]
    if wrong:
        raise refuse(f"the simulator's metric `{wrong[0]}` has a name that is taken.")
    missing = [one for one in metrics if one not in found]
    if missing:
        raise refuse(
            f"the study counts on the metric `{missing[0]}`; the simulator reports {', '.join(found) or 'none'}."
        )
    return Facts(**{**hello, "metrics": tuple(found)})
