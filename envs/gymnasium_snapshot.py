"""The state of a gymnasium environment as bytes, exact enough to continue bit for bit.

gymnasium has no such thing, so this takes the attributes of every wrapper and of the environment itself by pickle
(episode counters, random generators, and for classic control the whole state). MuJoCo's model and data stay where they
are: the integration state and the derived arrays of ``MjData`` (an environment reads some of them before it steps) are
copied by value. What cannot be copied raises ``CheckpointUnsupportedError`` rather than continue wrongly.
"""

import io
import pickle
from types import FunctionType
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

_Layer = gymnasium.Env[Any, Any] | gymnasium.vector.VectorEnv[Any, Any, Any]
_Place = tuple[int, str | None]
"""Layer and attribute of an object that a restored environment already owns; None is the layer itself."""


class CheckpointUnsupportedError(RuntimeError):
    """This environment's state cannot be saved: a run in it can only start again from the beginning."""


class Checkpointed(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Reaches ``take`` and ``restore`` through ``get_attr`` and ``set_attr``, which also work across processes."""

    @property
    def snapshot(self) -> bytes | CheckpointUnsupportedError:
        """The state, or why there is none: raising would end a worker process of ``AsyncVectorEnv``."""
        try:
            return take(self.env)
        except CheckpointUnsupportedError as error:
            return error

    @property
    def restored(self) -> bytes | None:
        """Set this to a snapshot to continue from it; readable because ``set_attr`` reads before it writes."""
        return None

    @restored.setter
    def restored(self, snapshot: bytes) -> None:
        restore(self.env, snapshot)


def take(env: _Layer) -> bytes:
    """The state of an environment with all its wrappers.

    Raises:
        CheckpointUnsupportedError: Some part of it can be copied by no means known here.
    """
    layers = _layers(env)
    owned = _owned(layers)
    physics = {place: _physics(layers, place) for place in owned.values() if _is_mujoco_data(_at(layers, place))}
    out = io.BytesIO()
    try:
        _Pickler(out, owned).dump(([vars(layer) for layer in layers], physics))
    except CheckpointUnsupportedError:
        raise
    except Exception as error:  # foreign objects raise what they like when they are pickled
        raise CheckpointUnsupportedError(f"the state of {env} cannot be saved: {error}") from error
    return out.getvalue()


def restore(env: _Layer, snapshot: bytes) -> None:
    """Put an environment made by the same arguments into the state of ``take``."""
    layers = _layers(env)
    attributes, physics = _Unpickler(io.BytesIO(snapshot), layers).load()
    for layer, saved in zip(layers, attributes, strict=True):
        vars(layer).clear()
        vars(layer).update(saved)
    for place, saved in physics.items():
        _set_physics(_at(layers, place), saved)


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, owned: dict[int, _Place]) -> None:
        super().__init__(file)
        self._owned = owned

    def persistent_id(self, obj: Any) -> _Place | None:
        place = self._owned.get(id(obj))
        if place is None and isinstance(obj, gymnasium.Env | gymnasium.utils.EzPickle):
            # Pickled, these become new ones in their initial state.
            raise CheckpointUnsupportedError(f"its state cannot be saved: it holds another environment, {obj}")
        return place


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, layers: list[_Layer]) -> None:
        super().__init__(file)
        self._layers = layers

    def persistent_load(self, pid: Any) -> Any:
        return _at(self._layers, pid)


def _layers(env: _Layer) -> list[_Layer]:
    """The wrappers from the outermost inwards, then the environment itself."""
    layers = [env]
    while isinstance(layers[-1], gymnasium.Wrapper):
        layers.append(layers[-1].env)
    return layers


def _at(layers: list[_Layer], place: _Place) -> Any:
    layer, name = place
    return layers[layer] if name is None else vars(layers[layer])[name]


def _owned(layers: list[_Layer]) -> dict[int, _Place]:
    """Objects to refer to rather than to copy, by ``id``: layers, registry entries, models, renderers, functions."""
    owned: dict[int, _Place] = {}
    for index, layer in enumerate(layers):
        for name, value in vars(layer).items():
            simulator = type(value).__module__.split(".")[0] == "mujoco" or type(value).__name__ == "MujocoRenderer"
            if simulator or isinstance(value, EnvSpec | FunctionType):
                owned[id(value)] = (index, name)
        owned[id(layer)] = (index, None)
    return owned


def _is_mujoco_data(value: Any) -> bool:
    return type(value).__module__.split(".")[0] == "mujoco" and type(value).__name__ == "MjData"


def _physics(layers: list[_Layer], place: _Place) -> dict[str, Any]:
    import mujoco

    data = _at(layers, place)
    state = np.empty(mujoco.mj_stateSize(data.model, mujoco.mjtState.mjSTATE_INTEGRATION))
    mujoco.mj_getState(data.model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    return {"integration": state, "derived": {name: np.array(array) for name, array in _arrays(data).items()}}


def _set_physics(data: Any, saved: dict[str, Any]) -> None:
    import mujoco

    mujoco.mj_setState(data.model, data, saved["integration"], mujoco.mjtState.mjSTATE_INTEGRATION)
    for name, array in _arrays(data).items():
        if name in saved["derived"] and saved["derived"][name].shape == array.shape:
            array[...] = saved["derived"][name]


def _arrays(data: Any) -> dict[str, np.ndarray]:
    """Arrays of ``MjData`` whose shape is the model's; those of the contacts (``efc_...``) live for one step only."""
    named = ((name, getattr(data, name)) for name in dir(data) if not name.startswith(("_", "efc_", "iefc_")))
    return {name: value for name, value in named if isinstance(value, np.ndarray) and value.size}
