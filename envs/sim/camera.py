"""Pictures of one world, drawn off screen."""

from typing import Any

import numpy as np

from envs.sim.require import require

_HINT = "set MUJOCO_GL to egl (needs a GPU driver or Mesa's EGL) or to osmesa (needs libOSMesa)"


class NoRendererError(RuntimeError):
    """This machine has no OpenGL to draw with; the message says what to install or set."""


class Camera:
    """Draws worlds of one model with the scene's first camera, or a free one that sees everything."""

    def __init__(self, model: Any, *, width: int, height: int) -> None:
        """Open an OpenGL context.

        Args:
            model: ``mujoco.MjModel`` whose sizes and colours are drawn; may change between shots.
            width: Pixels.
            height: Pixels.

        Raises:
            NoRendererError: There is none to be had.
        """
        mujoco = require("mujoco", extra="mujoco", purpose="rendering")
        # The frame buffer must hold the picture, whatever the scene asks for.
        model.vis.global_.offwidth = max(model.vis.global_.offwidth, width)
        model.vis.global_.offheight = max(model.vis.global_.offheight, height)
        try:
            self._renderer = mujoco.Renderer(model, height, width)
        except Exception as error:  # each GL back-end raises its own, down to AttributeError
            raise NoRendererError(f"no OpenGL to draw with ({error}); {_HINT}") from error
        self._view = 0 if model.ncam else -1

    def shoot(self, data: Any) -> np.ndarray:
        """What the camera sees of ``mujoco.MjData``, uint8 ``[height, width, 3]``."""
        self._renderer.update_scene(data, camera=self._view)
        shot: np.ndarray = self._renderer.render()
        return shot.copy()

    def close(self) -> None:
        """Release the context; idempotent."""
        self._renderer.close()
