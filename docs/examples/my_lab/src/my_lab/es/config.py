"""Hyper-parameters of evolution strategies, and its one ablation point: how perturbations are drawn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, MultipleOf
from pydantic import Discriminator

from algorithms.component import Component, Measured
from envs.spec import TaskFacts

if TYPE_CHECKING:
    import torch

    from envs.streams import Streams


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirrored:
    """Every perturbation comes with its negative (Salimans et al. 2017, Sec. 2.1)."""

    kind: Literal["mirrored"] = "mirrored"

    def perturbations(self, noise: "Streams", population: int, size: int) -> "torch.Tensor":
        """Standard normal directions ``[K, population, size]``."""
        both = noise.normal(population // 2, size).repeat(1, 2, 1)
        both[:, population // 2 :].neg_()
        return both

    def violation(self, config: "ESConfig", measured: Measured) -> str | None:
        """A mirrored population has mean zero."""
        if measured["check/noise_mean"] > 1e-6:
            return f"sampling `mirrored`: the perturbations' mean is {measured['check/noise_mean']:.3g} away from 0"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Independent:
    """Every perturbation is drawn on its own; the neutral element."""

    kind: Literal["independent"] = "independent"

    def perturbations(self, noise: "Streams", population: int, size: int) -> "torch.Tensor":
        """Standard normal directions ``[K, population, size]``."""
        return noise.normal(population, size)

    def violation(self, config: "ESConfig", measured: Measured) -> str | None:
        """Independent draws do not cancel."""
        if measured["check/noise_mean"] <= 1e-6:
            return "sampling `independent`: the perturbations cancel as if they were mirrored"
        return None


Sampling = Annotated[
    Mirrored | Independent,
    Discriminator("kind"),
    Component(
        neutral="independent",
        about="mirrored (antithetic) sampling of the perturbations",
        aliases=("mirrored sampling", "antithetic sampling", "antithetic"),
    ),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class ESConfig:
    """Evolution strategies (Salimans et al. 2017, arXiv 1703.03864) with a linear policy and plain gradient steps.

    Attributes:
        population: Perturbations per update; even, and a divisor of the number of environments.
        sigma: Standard deviation of a perturbation.
        learning_rate: Step size along the estimated gradient of the ranks.
        sampling: How perturbations are drawn.
    """

    population: Annotated[int, Ge(2), MultipleOf(2)] = 16
    sigma: Annotated[float, Gt(0)] = 0.1
    learning_rate: Annotated[float, Gt(0)] = 0.1
    sampling: Sampling = Mirrored()

    def problems(self, task: TaskFacts) -> list[tuple[str, str]]:
        """What no single field can show: ``(field, sentence)``; a study that asks for it is refused with its line."""
        if task.num_envs % self.population:
            sentence = f"num_envs = {task.num_envs} cannot be shared out evenly over a population of {self.population}"
            return [("population", sentence)]
        return []
