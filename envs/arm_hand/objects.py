"""Every copy has its own cuboid, drawn when the environment is made: from then on it keeps it."""

from collections.abc import Sequence

import torch

from envs.arm_hand.cuboids import DENSITY, EDGE, scales
from envs.arm_hand.options import ArmHandOptions
from envs.arm_hand.scene import GOAL, OBJECT
from envs.sim.protocol import Sim
from envs.streams import Streams


def draw_scales(options: ArmHandOptions, *, num_envs: int, seeds: Sequence[int], device: torch.device) -> torch.Tensor:
    """Edges of every copy's cuboid in units of 5 cm, ``[K, N, 3]``.

    Each seed shuffles the shapes and deals them out in turn, so that every shape occurs equally often.
    """
    shapes = torch.tensor(
        scales(small=options.small_cuboids, big=options.big_cuboids, sticks=options.sticks), device=device
    )
    order = Streams(seeds, "objects", device).permutation(len(shapes))
    return shapes[order[:, torch.arange(num_envs, device=device) % len(shapes)]]


def resize(sim: Sim, scale: torch.Tensor, *, goal: bool) -> None:
    """Give the object of every world its size, mass and inertia.

    Args:
        sim: Worlds of a scene of ``envs.arm_hand.scene``.
        scale: ``[W, 3]``.
        goal: Whether the goal shows the object and takes its size.
    """
    half = scale.to(sim.expand("geom_size").dtype) * (EDGE / 2)
    mass = DENSITY * (2 * half).prod(-1)
    squares = (2 * half) ** 2
    for geom in sim.model.ids("geom", [OBJECT, GOAL] if goal else [OBJECT]):
        sim.expand("geom_size")[:, geom] = half
        sim.expand("geom_rbound")[:, geom] = half.norm(dim=-1)
        # Middle and half edges; flat on the CPU, [2, 3] on the GPU.
        box = sim.expand("geom_aabb")[:, geom]
        box.copy_(torch.cat((torch.zeros_like(half), half), -1).view_as(box))
    (body,) = sim.model.ids("body", [OBJECT])
    sim.expand("body_mass")[:, body] = mass
    sim.expand("body_inertia")[:, body] = mass.unsqueeze(-1) / 12 * (squares.sum(-1, keepdim=True) - squares)
    sim.commit_model(torch.ones(sim.num_worlds, dtype=torch.bool, device=sim.device))
