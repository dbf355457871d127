"""Contract checks for environments: run them on your own before you register it.

::

    from envs.testing import check_vector_env

    def test_my_env_keeps_the_contract():
        check_vector_env(lambda num_envs, seeds: MyEnv(num_envs, seeds), metrics=("success",))

For an environment without an axis of seeds, build ``SeedStack([MyEnv(num_envs, seed) for seed in seeds])``.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import torch

from envs.streams import Streams
from envs.vector import Observation, VectorEnv, critic_observation, lazy_reset, policy_observation

MakeEnv = Callable[[int, Sequence[int]], VectorEnv]
"""``make(num_envs, seeds)``: a new environment with K = ``len(seeds)`` blocks of ``num_envs`` copies."""

Steps = list[tuple[Any, ...]]
"""What ``step`` returned, step by step, cloned at once."""


class ContractError(AssertionError):
    """The environment breaks the contract of ``envs.vector``; the message says which sentence of it."""


def check_vector_env(
    make: MakeEnv, *, metrics: Sequence[str] = (), steps: int | None = None, checkpoints: bool = True
) -> None:
    """Run every check below with small K and N and random actions.

    Args:
        make: Builds the environment.
        metrics: The names its ``EnvSpec.metrics`` promises.
        steps: Steps to play; by default enough for every copy to end once and go on.
        checkpoints: False for an environment that cannot be saved.

    Raises:
        ContractError: The first broken rule.
    """
    num_envs, seeds = 3, (11, 12)
    env = make(num_envs, seeds)
    steps = env.max_episode_steps + 3 if steps is None else steps
    actions = random_actions(env, steps)
    first, played = play(env, actions)
    env.close()
    env.close()
    check_shapes(env, first, played, metrics)
    check_episodes(env, first, played)
    check_fresh_tensors(make(num_envs, seeds), actions, played)
    _equal((first, played), _replay(make(num_envs, seeds), actions), "the same seeds gave other numbers")
    other_first, other_played = _replay(make(num_envs, (11, 13)), actions)
    _equal(
        _block((first, played), 0), _block((other_first, other_played), 0), "changing one seed changed another's block"
    )
    if _same(_block((first, played), 1), _block((other_first, other_played), 1)):
        raise ContractError("another seed gave the same episodes: the seed is not used")
    if checkpoints:
        check_checkpoint(make, num_envs, seeds, actions, played)


def random_actions(env: VectorEnv, steps: int) -> list[torch.Tensor]:
    """Uniform actions within the space (standard normal where it is unbounded), the same at every call."""
    stream, space = Streams(range(env.num_seeds), "actions", env.device), env.action_space
    if isinstance(space, gymnasium.spaces.Discrete):
        return [stream.integers(int(space.n), env.num_envs) for _ in range(steps)]
    low, high = (torch.as_tensor(bound, device=env.device) for bound in (space.low, space.high))
    if not space.is_bounded():
        return [stream.normal(env.num_envs, *space.shape) for _ in range(steps)]
    return [stream.uniform(env.num_envs, *space.shape) * (high - low) + low for _ in range(steps)]


def play(env: VectorEnv, actions: Sequence[torch.Tensor]) -> tuple[Observation, Steps]:
    """Reset, then apply the actions one after the other; everything returned is cloned before the next step."""
    first = _clone(env.reset()[0])
    return first, [_step(env, action) for action in actions]


def check_shapes(env: VectorEnv, first: Observation, played: Steps, metrics: Sequence[str]) -> None:
    """Shapes, dtypes and devices of all that ``reset`` and ``step`` return; disjoint flags; values in their spaces."""
    if not isinstance(env, VectorEnv):
        raise ContractError(f"{type(env).__name__} lacks attributes of envs.vector.VectorEnv")
    lead = (env.num_seeds, env.num_envs)
    _check_observation(env, first, "reset's observation")
    for observation, reward, terminated, truncated, info in played:
        _check_observation(env, observation, "step's observation")
        _check_observation(env, info["final_obs"], 'info["final_obs"]')
        _is(reward, lead, torch.float32, "reward")
        _is(terminated, lead, torch.bool, "terminated")
        _is(truncated, lead, torch.bool, "truncated")
        if (terminated & truncated).any():
            raise ContractError("a copy was terminated and truncated at once: the flags must be disjoint")
        if not reward.isfinite().all():
            raise ContractError("a reward is not finite")
        if set(info["final_info"]) != set(metrics):
            raise ContractError(f"final_info reports {sorted(info['final_info'])}, the spec promises {sorted(metrics)}")
        done = terminated | truncated
        for name, value in info["final_info"].items():
            _is(value, lead, torch.float32, f"metric {name}")
            if not value[done].isfinite().all():
                raise ContractError(f"metric {name} of a finished episode is not finite")


def check_episodes(env: VectorEnv, first: Observation, played: Steps) -> None:
    """SAME_STEP: an ending copy returns the next episode's first observation and keeps the last one in final_obs.

    With ``lazy_reset`` it may return the last one instead, if it flags it. Such a simulator, and an environment with
    ``own_clock``, may start its clock anew in the middle of an episode: time may run out at any step up to
    ``max_episode_steps``.
    """
    lazy = lazy_reset(env) is not None
    length = torch.zeros(env.num_seeds, env.num_envs, dtype=torch.int64, device=env.device)
    ended = restarted = 0
    for observation, _, terminated, truncated, info in played:
        length += 1
        done = terminated | truncated
        moved = (policy_observation(observation) != policy_observation(info["final_obs"])).any(-1)
        if (moved & ~done).any():
            raise ContractError("final_obs differs from the observation of a copy that did not end")
        stale = _checked_stale(info, done, moved) if lazy else torch.zeros_like(done)
        own_clock = lazy or bool(getattr(env, "own_clock", False))
        if not own_clock and (done & ~terminated & (length != env.max_episode_steps)).any():
            raise ContractError("a copy was truncated before max_episode_steps")
        if (~done & (length >= env.max_episode_steps)).any():
            raise ContractError("an episode is longer than max_episode_steps")
        ended, restarted = ended + int(done.sum()), restarted + int((done & (moved | stale)).sum())
        length[done] = 0
    if not ended:
        raise ContractError("no episode ended: play more steps")
    if not restarted:
        raise ContractError(
            "a copy that ended returned its last observation, not the next episode's first (SAME_STEP); a simulator "
            'that resets lazily needs `lazy_reset` and flags that observation in info["stale_obs"]'
        )


def _checked_stale(info: dict[str, Any], done: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
    """Which copies return a stale observation: only such as ended, and it is their final one."""
    if "stale_obs" not in info:
        raise ContractError('an environment with `lazy_reset` needs info["stale_obs"]')
    stale: torch.Tensor = info["stale_obs"]
    _is(stale, tuple(done.shape), torch.bool, 'info["stale_obs"]')
    if (stale & ~done).any():
        raise ContractError('info["stale_obs"] flags a copy that did not end')
    if (stale & moved).any():
        raise ContractError("an observation flagged as stale is not the one its episode ended in")
    return stale


def check_fresh_tensors(env: VectorEnv, actions: Sequence[torch.Tensor], expected: Steps) -> None:
    """Overwriting what was returned and what was passed in changes nothing, and later steps do not overwrite it."""
    _overwrite(env.reset()[0])
    previous: Any = None
    for action, wanted in zip(actions, expected, strict=True):
        passed = action.clone()
        returned = env.step(passed)
        if not torch.equal(passed, action):
            raise ContractError("step wrote to the actions")
        _overwrite(passed)
        if previous is not None and not _same(*previous):
            raise ContractError("step wrote to a tensor that an earlier step returned")
        _equal(returned, wanted, "writing to returned tensors changed the environment")
        _overwrite(returned)
        previous = (returned, _clone(returned))
    env.close()


def check_checkpoint(
    make: MakeEnv, num_envs: int, seeds: Sequence[int], actions: Sequence[torch.Tensor], expected: Steps
) -> None:
    """``state_dict`` through ``torch.save`` into a new environment continues bit for bit and is a copy, not a view."""
    middle = len(actions) // 2
    env = make(num_envs, seeds)
    play(env, actions[:middle])
    state = env.state_dict()
    for action in actions[middle:]:
        env.step(action)  # must not reach the state taken before
    env.close()
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    env = make(num_envs, seeds)
    env.load_state_dict(torch.load(file, weights_only=True))
    continued = [_step(env, action) for action in actions[middle:]]
    env.close()
    _equal(continued, expected[middle:], "after load_state_dict the episodes continued differently")


def _step(env: VectorEnv, action: torch.Tensor) -> tuple[Any, ...]:
    """One step's results, cloned, without entries of info that the contract does not name."""
    observation, reward, terminated, truncated, info = env.step(action.clone())
    kept = {key: info[key] for key in ("final_obs", "final_info", "stale_obs") if key in info}
    return tuple(_clone((observation, reward, terminated, truncated, kept)))


def _replay(env: VectorEnv, actions: Sequence[torch.Tensor]) -> tuple[Observation, Steps]:
    result = play(env, actions)
    env.close()
    return result


def _check_observation(env: VectorEnv, observation: Observation, name: str) -> None:
    spaces = [(env.observation_space, policy_observation(observation))]
    if env.critic_observation_space is not None:
        spaces.append((env.critic_observation_space, critic_observation(observation)))
    for space, value in spaces:
        _is(value, (env.num_seeds, env.num_envs, *space.shape), torch.float32, name)
        low, high = (torch.as_tensor(bound, device=value.device) for bound in (space.low, space.high))
        # Bounds such as |cos| <= 1 are kept up to rounding only.
        slack = 1e-5 * value.abs().clamp_min(1)
        if not ((value >= low - slack) & (value <= high + slack)).all():
            raise ContractError(f"{name} leaves the observation space")


def _is(value: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype, name: str) -> None:
    if tuple(value.shape) != shape or value.dtype != dtype:
        raise ContractError(f"{name} is {tuple(value.shape)} {value.dtype}, the contract says {shape} {dtype}")


def _leaves(tree: Any) -> list[torch.Tensor]:
    """The tensors of nested dicts, lists and tuples, in a fixed order."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, dict):
        return [leaf for name in sorted(tree) for leaf in _leaves(tree[name])]
    return [leaf for value in tree for leaf in _leaves(value)]


def _clone(tree: Any) -> Any:
    if isinstance(tree, torch.Tensor):
        return tree.clone()
    if isinstance(tree, dict):
        return {name: _clone(value) for name, value in tree.items()}
    return type(tree)(_clone(value) for value in tree)


def _block(tree: Any, seed: int) -> list[torch.Tensor]:
    return [leaf[seed] for leaf in _leaves(tree)]


def _overwrite(tree: Any) -> None:
    for leaf in _leaves(tree):
        leaf.fill_(1)


def _same(left: Any, right: Any) -> bool:
    """Bitwise, NaN included: an unused metric may be anything, but the same thing again."""
    pairs = zip(_leaves(left), _leaves(right), strict=True)
    return all(one.shape == other.shape and torch.equal(_bits(one), _bits(other)) for one, other in pairs)


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(torch.int32) if tensor.dtype == torch.float32 else tensor


def _equal(left: Any, right: Any, complaint: str) -> None:
    if not _same(left, right):
        raise ContractError(complaint)
