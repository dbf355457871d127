"""What could confound a comparison: sizes and costs, measured from the built networks."""

from torch import nn

from algorithms.splagger.agent import Agent
from algorithms.splagger.config import SplAggerConfig


def describe(agent: Agent, config: SplAggerConfig, num_envs: int, num_seeds: int) -> dict[str, float]:
    """Figures of one seed; see ``algorithms.trainer.Trainer.describe``.

    Args:
        agent: The built networks of all seeds.
        config: Hyper-parameters.
        num_envs: Environments per seed.
        num_seeds: K.
    """

    def parameters(module: nn.Module) -> int:
        return sum(one.numel() for one in module.parameters()) // num_seeds

    memory, policy = parameters(agent.memory), parameters(agent.policy)
    rows = num_envs * config.num_steps
    # Per row and pass 2 FLOPs per weight; backward costs twice that. Where minibatches hold transitions of everywhere,
    # each of them runs the memory over the whole rollout.
    passes = config.update_epochs * (config.num_minibatches if config.minibatch_layout == "transitions" else 1)
    flops = 2 * memory * (1 + 3 * passes) + 2 * policy * (1 + 3 * config.update_epochs)
    return {
        "parameters": float(memory + policy),
        "memory_parameters": float(memory),
        "env_steps_per_iteration": float(rows),
        "rows_per_iteration": float(rows),
        "minibatches": float(config.num_minibatches),
        "optimizer_steps_per_iteration": float(config.num_minibatches * config.update_epochs),
        "flops_per_env_step": float(flops),
    }
