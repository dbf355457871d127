"""A curriculum belongs to training; an evaluation plays the task as hard as training has made it."""

from collections.abc import Sequence

import torch
from tiny import SMALL, Point

from algorithms.ppo.config import PPOConfig
from algorithms.ppo.trainer import PPOTrainer
from envs.curriculum import Curriculum, follow_curriculum


class Narrowing(Point):
    """A point whose task gets narrower, one level per seed."""

    def __init__(self, num_envs: int, seeds: Sequence[int]) -> None:
        super().__init__(num_envs, seeds)
        self.level = torch.zeros(len(seeds))

    def curriculum(self) -> dict[str, torch.Tensor]:
        return {"level": self.level.clone()}

    def set_curriculum(self, values: dict[str, torch.Tensor]) -> None:
        self.level = values["level"].clone()


def test_evaluation_stands_where_training_has_come() -> None:
    built: list[Narrowing] = []

    def make_env(num_envs: int, seeds: Sequence[int]) -> Narrowing:
        built.append(Narrowing(num_envs, seeds))
        return built[-1]

    trainer = PPOTrainer(PPOConfig(**SMALL), make_env, num_envs=4, seeds=(1, 2))
    built[0].level += torch.tensor([1.0, 3.0])
    trainer.evaluate(2)
    assert len(built) == 2 and built[1].level.tolist() == [1, 3]
    built[1].level += 5
    assert built[0].level.tolist() == [1, 3]


def test_an_environment_without_one_is_left_alone() -> None:
    plain, narrowing = Point(2, (1,)), Narrowing(2, (1,))
    assert not isinstance(plain, Curriculum)
    follow_curriculum(narrowing, plain)
    follow_curriculum(plain, narrowing)
    assert narrowing.level.tolist() == [0]
