"""Any registered gymnasium environment as a ``VectorEnv``: numpy on the inside, tensors ``[K, N, ...]`` outside."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch

from envs.gymnasium_copies import make_copies
from envs.gymnasium_spec import GymnasiumOptions, check_id


class GymnasiumEnv:
    """Adapter for ``gymnasium:ID``.

    Observations are flattened to float32 vectors (``gymnasium.spaces.flatten``: discrete ones become one-hot). Box
    actions are flattened and clipped to the space's bounds, discrete ones start at 0. Task metrics: none.
    """

    critic_observation_space = None

    def __init__(
        self,
        *,
        env_id: str,
        num_envs: int,
        seeds: Sequence[int],
        device: torch.device | str,
        options: GymnasiumOptions,
    ) -> None:
        check_id(env_id)
        spec = gymnasium.spec(env_id)
        limit = options.max_episode_steps or spec.max_episode_steps
        if limit is None:
            raise ValueError(
                f"`gymnasium:{env_id}` is registered without a time limit: set its option max_episode_steps"
            )
        self.num_seeds = len(seeds)
        self.num_envs = num_envs
        self.device = torch.device(device)
        self.max_episode_steps = limit
        self._copies = make_copies(spec, num_envs=num_envs, seeds=seeds, options=options)
        single = self._copies.vectors[0]
        try:
            self.observation_space = _flat_observations(env_id, single.single_observation_space)
            self.action_space = _flat_actions(env_id, single.single_action_space)
        except ValueError:
            self.close()
            raise
        self._single_actions: Any = single.single_action_space
        self._next_seeds: Sequence[Any] = self._copies.seeds

    def reset(self) -> tuple[torch.Tensor, dict[str, Any]]:
        """Start every copy from a fresh episode."""
        pairs = zip(self._copies.vectors, self._next_seeds, strict=True)
        observations = [vector.reset(seed=seed)[0] for vector, seed in pairs]
        self._next_seeds = [None] * len(self._copies.vectors)  # the copies' generators just go on
        return self._tensor(self._rows(observations)), {}

    def step(
        self, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Advance every copy by one step; copies that end start their next episode in the same step."""
        per_vector = np.split(self._native_actions(actions), len(self._copies.vectors))
        steps = [vector.step(one) for vector, one in zip(self._copies.vectors, per_vector, strict=True)]
        observations, rewards, terminated, truncated, infos = zip(*steps, strict=True)
        final = self._rows([_final(*one) for one in zip(observations, infos, strict=True)])
        ended = np.concatenate(terminated)
        return (
            self._tensor(self._rows(observations)),
            self._tensor(np.concatenate(rewards), torch.float32),
            self._tensor(ended, torch.bool),
            self._tensor(np.concatenate(truncated) & ~ended, torch.bool),
            {"final_obs": self._tensor(final), "final_info": {}},
        )

    def state_dict(self) -> dict[str, Any]:
        """The copies' states as byte tensors, so that ``torch.load(weights_only=True)`` reads them.

        Raises:
            CheckpointUnsupportedError: The environment's state cannot be saved.
        """
        snapshots = self._copies.snapshots()
        return {"copies": [torch.frombuffer(bytearray(one), dtype=torch.uint8) for one in snapshots]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from ``state_dict``."""
        self._copies.restore([one.numpy().tobytes() for one in state["copies"]])
        self._next_seeds = [None] * len(self._copies.vectors)

    def close(self) -> None:
        """End worker processes and simulators; idempotent."""
        self._copies.close()

    def _native_actions(self, actions: torch.Tensor) -> np.ndarray:
        """``[K, N, A]`` or ``[K, N]`` as gymnasium wants them, ``[K * N, ...]``."""
        space, rows = self._single_actions, actions.flatten(0, 1).detach().cpu().numpy()
        if isinstance(space, gymnasium.spaces.Discrete):
            return np.asarray(rows + space.start)
        return np.asarray(np.clip(rows.reshape(-1, *space.shape), space.low, space.high).astype(space.dtype))

    def _rows(self, observations: Sequence[np.ndarray]) -> np.ndarray:
        """One float32 row per copy, ``[K * N, D]``, in memory of its own."""
        return np.concatenate([one.reshape(len(one), -1) for one in observations]).astype(np.float32)

    def _tensor(self, rows: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """``[K * N, ...]`` as a fresh tensor ``[K, N, ...]`` on the device."""
        tensor = torch.from_numpy(rows).to(self.device, dtype)
        return tensor.view(self.num_seeds, self.num_envs, *rows.shape[1:])


def _final(observations: np.ndarray, info: dict[str, Any]) -> np.ndarray:
    """The observation each copy stepped into: ``final_obs`` where an episode ended, else the returned one."""
    if "final_obs" not in info:
        return observations
    final = np.array(observations)
    ended = info["_final_obs"]
    final[ended] = np.stack(info["final_obs"][ended])
    return final


def _flat_observations(env_id: str, space: gymnasium.Space[Any]) -> gymnasium.spaces.Box:
    if not isinstance(space, gymnasium.spaces.Box):
        raise ValueError(f"`gymnasium:{env_id}` observes {space}, which has no flat form")
    return gymnasium.spaces.Box(space.low.reshape(-1).astype(np.float32), space.high.reshape(-1).astype(np.float32))


def _flat_actions(env_id: str, space: gymnasium.Space[Any]) -> gymnasium.spaces.Box | gymnasium.spaces.Discrete:
    if isinstance(space, gymnasium.spaces.Discrete):
        return gymnasium.spaces.Discrete(int(space.n))
    if isinstance(space, gymnasium.spaces.Box):
        return gymnasium.spaces.Box(space.low.reshape(-1).astype(np.float32), space.high.reshape(-1).astype(np.float32))
    raise ValueError(f"`gymnasium:{env_id}` wants actions of {space}; supported are Box and Discrete")
