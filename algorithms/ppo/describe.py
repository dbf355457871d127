"""What could confound a comparison: sizes and costs, measured from the built network."""

from algorithms.ppo.config import PPOConfig
from algorithms.ppo.minibatches import num_minibatches
from algorithms.ppo.networks import ActorCritic


def describe(network: ActorCritic, config: PPOConfig, num_envs: int, num_seeds: int, groups: int) -> dict[str, float]:
    """Figures of one seed.

    Args:
        network: The built network of all seeds.
        config: Hyper-parameters.
        num_envs: Environments per seed.
        num_seeds: K.
        groups: Groups of rows in an update, each of one policy's rollout size.
    """
    policies = network.policies
    parameters = sum(parameter.numel() for parameter in network.parameters()) // num_seeds
    # A row passes one of the networks: 2 FLOPs per weight of every matrix it meets; backward costs twice that.
    matrices = [p for name, p in network.named_parameters() if name.endswith(("weight", "recurrent", "latent"))]
    forward = 2 * sum(p.numel() for p in matrices) // (num_seeds * policies.num_networks)
    steps = num_envs * config.num_steps
    group_rows = steps // policies.num_policies
    rows = groups * group_rows
    chunk = config.chunk_steps or (config.num_steps if config.network.kind == "lstm" else 1)
    minibatches = num_minibatches(
        config.minibatch_layout,
        groups=groups,
        chunks_per_group=group_rows // chunk,
        chunk_rows=chunk,
        minibatch_rows=config.minibatch_rows(num_envs),
    )
    relabelled = rows - steps
    flops = forward * (steps + 3 * config.update_epochs * rows + 2 * relabelled) / steps
    return {
        "parameters": float(parameters),
        "env_steps_per_iteration": float(steps),
        "rows_per_iteration": float(rows),
        "minibatches": float(minibatches),
        "optimizer_steps_per_iteration": float(minibatches * config.update_epochs),
        "flops_per_env_step": float(flops),
    }
