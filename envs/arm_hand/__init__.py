"""A seven-joint arm that carries a sixteen-joint hand and moves cuboids: AllegroKuka's tasks on MuJoCo."""

from envs.arm_hand.options import ArmHandOptions, RegraspOptions, ReorientOptions, ThrowOptions, TwoArmsOptions
from envs.spec import EnvSpec


def _longest(options: ArmHandOptions) -> int:
    return options.longest_episode


def _spec(name: str, entry: str, options: type[ArmHandOptions], summary: str) -> EnvSpec:
    return EnvSpec(
        id=f"arm_hand/{name}",
        entry=f"envs.arm_hand.tasks:{entry}",
        options=options,
        version=1,
        metrics=("successes", "lifted", "tolerance", "unhealthy"),
        sources=("envs.arm_hand", "envs.hand", "envs.sim", "envs.batched", "envs.streams"),
        summary=summary,
        episode_steps=_longest,
    )


SPECS = (
    _spec("regrasp", "Regrasp", RegraspOptions, "arm and hand lift a cuboid and hold it at a point in the air"),
    _spec("throw", "Throw", ThrowOptions, "arm and hand throw a cuboid into a bin beside the table"),
    _spec(
        "reorient", "Reorient", ReorientOptions, "arm and hand bring a cuboid to one pose in the air after the other"
    ),
    _spec("two_arms_reorient", "TwoArmsReorient", TwoArmsOptions, "two arms with hands do the same, between them"),
)
