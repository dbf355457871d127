"""Rewards of the arm-hand tasks on states whose numbers are worked out by hand, and the curriculum's arithmetic."""

import pytest
import torch

from envs.arm_hand.curriculum import ToleranceCurriculum
from envs.arm_hand.options import RegraspOptions, ReorientOptions, ThrowOptions, TwoArmsOptions
from envs.arm_hand.rewards import Measured, judge
from envs.batched import State

FAR = 0.5


def progress(lifted: bool = False, near_steps: int = 0) -> State:
    """One copy whose fingertips have been 0.2 m away, and whose object has been 0.5 m from its goal, at best."""
    return {
        "closest_tips": torch.full((1, 1, 4), 0.2),
        "closest_keypoint": torch.full((1, 1), FAR),
        "lifted": torch.full((1, 1), lifted),
        "near_steps": torch.full((1, 1), near_steps),
    }


def measured(
    tips: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2),
    keypoint: float = FAR,
    height: float = -0.05,
    arm_speed: float = 0.0,
    hand_speed: float = 0.0,
) -> Measured:
    return Measured(
        torch.tensor(tips).view(1, 1, -1),
        *(torch.full((1, 1), value) for value in (keypoint, height, arm_speed, hand_speed)),
    )


def earned(before: State, after: Measured, options: ReorientOptions | RegraspOptions | TwoArmsOptions) -> float:
    return judge(before, after, torch.tensor([0.075]), options).reward.item()


def test_nothing_moves_nothing_is_earned() -> None:
    assert earned(progress(), measured(), ReorientOptions()) == 0


def test_fingertips_are_paid_for_coming_closer_than_ever_while_the_object_lies() -> None:
    # Two tips come 5 and 1 cm closer, one recedes (unpaid): 50 * 0.06 = 3.
    after = measured(tips=(0.15, 0.19, 0.2, 0.4))
    assert earned(progress(), after, ReorientOptions()) == pytest.approx(3.0)
    assert earned(progress(lifted=True), after, ReorientOptions()) == 0
    assert earned(progress(lifted=True), after, TwoArmsOptions()) == pytest.approx(3.0)
    closest = judge(progress(), after, torch.tensor([0.075]), ReorientOptions()).progress["closest_tips"]
    assert torch.allclose(closest, torch.tensor([0.15, 0.19, 0.2, 0.2]))


def test_height_is_paid_until_the_lift_and_the_lift_once() -> None:
    options = ReorientOptions()
    assert earned(progress(), measured(height=0.04), options) == pytest.approx(20 * 0.09)
    assert earned(progress(), measured(height=-0.2), options) == 0  # below the table: no negative pay
    lift = judge(progress(), measured(height=0.11), torch.tensor([0.075]), options)
    assert lift.reward.item() == pytest.approx(300) and lift.progress["lifted"].item()
    assert earned(lift.progress, measured(height=0.2), options) == 0
    assert judge(lift.progress, measured(), torch.tensor([0.075]), options).progress["lifted"].item()


def test_keypoints_are_paid_once_the_object_is_lifted_and_remembered_before() -> None:
    options = ReorientOptions()
    after = measured(keypoint=0.4)
    assert earned(progress(lifted=True), after, options) == pytest.approx(200 * 0.1)
    lying = judge(progress(), after, torch.tensor([0.075]), options)
    assert lying.reward.item() == 0 and lying.progress["closest_keypoint"].item() == pytest.approx(0.4)


def test_joint_speeds_cost() -> None:
    after = measured(arm_speed=10.0, hand_speed=100.0)
    assert earned(progress(), after, ReorientOptions()) == pytest.approx(-0.03 - 0.03)
    assert earned(progress(), after, TwoArmsOptions()) == 0


@pytest.mark.parametrize(("keypoint", "near"), [(0.1124, True), (0.1126, False)])
def test_near_the_goal_is_one_and_a_half_times_the_tolerance(keypoint: float, near: bool) -> None:
    before = progress(lifted=True) | {"closest_keypoint": torch.full((1, 1), 0.1)}
    assert earned(before, measured(keypoint=keypoint), ReorientOptions()) == (1000 if near else 0)


def test_goal_bonus_is_split_over_the_steps_of_a_success() -> None:
    options, state, total = RegraspOptions(), progress(lifted=True), 0.0
    state["closest_keypoint"] = torch.zeros(1, 1)
    for step in range(1, 31):
        judged = judge(state, measured(keypoint=0.05), torch.tensor([0.075]), options)
        assert judged.reached.item() is (step == 30)
        state, total = judged.progress, total + judged.reward.item()
    assert total == pytest.approx(1000, rel=1e-5)


@pytest.mark.parametrize(("counted", "steps"), [("cumulative", 6), ("consecutive", 1)])
def test_steps_near_the_goal_are_counted_since_the_goal_or_in_a_row(counted: str, steps: int) -> None:
    options = RegraspOptions(near_goal=counted)
    tolerance = torch.tensor([0.075])
    away = judge(progress(near_steps=5), measured(keypoint=0.3), tolerance, options)
    back = judge(away.progress, measured(keypoint=0.1), tolerance, options)
    assert away.progress["near_steps"].item() == steps - 1 and back.progress["near_steps"].item() == steps


def test_each_seed_has_its_own_tolerance() -> None:
    before = {name: value.expand(2, *value.shape[1:]) for name, value in progress().items()}
    after = Measured(*(value.expand(2, *value.shape[1:]) for value in measured(keypoint=0.1)))
    reached = judge(before, after, torch.tensor([0.075, 0.06]), ReorientOptions()).reached
    assert reached.tolist() == [[True], [False]]


class TestToleranceCurriculum:
    def make(self, **options: float) -> ToleranceCurriculum:
        return ToleranceCurriculum(ReorientOptions(tolerance_interval=10, **options), num_seeds=2, num_envs=2)

    def advance(self, curriculum: ToleranceCurriculum, steps: int) -> list[float]:
        for _ in range(steps):
            curriculum.advance()
        return curriculum.tolerance.tolist()

    def test_seeds_that_earn_it_narrow_it_once_per_interval(self) -> None:
        curriculum = self.make()
        both = torch.ones(2, 2, dtype=torch.bool)
        curriculum.record(both, torch.tensor([[6.0, 0.0], [5.0, 0.9]]))
        assert self.advance(curriculum, 9) == pytest.approx([0.075, 0.075])
        assert self.advance(curriculum, 1) == pytest.approx([0.0675, 0.075])
        assert self.advance(curriculum, 9) == pytest.approx([0.0675, 0.075])
        assert self.advance(curriculum, 1) == pytest.approx([0.06075, 0.075])

    def test_a_seed_that_waits_is_served_at_once(self) -> None:
        curriculum = self.make()
        self.advance(curriculum, 25)
        curriculum.record(torch.tensor([[False, False], [True, True]]), torch.full((2, 2), 3.0))
        assert self.advance(curriculum, 1) == pytest.approx([0.075, 0.0675])
        assert self.advance(curriculum, 9) == pytest.approx([0.075, 0.0675])

    def test_copies_count_with_their_last_episode_and_with_nothing_before_it(self) -> None:
        curriculum = self.make()
        curriculum.record(torch.tensor([[True, False], [True, False]]), torch.full((2, 2), 5.9))
        assert self.advance(curriculum, 10) == pytest.approx([0.075, 0.075])  # 5.9 / 2 < 3
        curriculum.record(torch.tensor([[False, True], [True, False]]), torch.full((2, 2), 0.2))
        assert self.advance(curriculum, 1) == pytest.approx([0.0675, 0.075])  # 6.1 / 2, 0.2 / 2

    def test_it_ends_at_the_final_tolerance(self) -> None:
        curriculum = self.make()
        curriculum.record(torch.ones(2, 2, dtype=torch.bool), torch.full((2, 2), 9.0))
        # 0.075 * 0.9^20 = 0.0091: 20 steps of the curriculum reach 1 cm.
        assert self.advance(curriculum, 190)[0] > 0.01
        assert self.advance(curriculum, 10) == pytest.approx([0.01, 0.01])
        assert self.advance(curriculum, 50) == pytest.approx([0.01, 0.01])

    def test_throw_has_none(self) -> None:
        curriculum = ToleranceCurriculum(ThrowOptions(tolerance_interval=1), num_seeds=1, num_envs=1)
        curriculum.record(torch.ones(1, 1, dtype=torch.bool), torch.full((1, 1), 9.0))
        assert self.advance(curriculum, 5) == pytest.approx([0.075])

    def test_continues_from_a_checkpoint(self) -> None:
        curriculum, other = self.make(), self.make()
        curriculum.record(torch.ones(2, 2, dtype=torch.bool), torch.full((2, 2), 4.0))
        self.advance(curriculum, 15)
        saved = curriculum.state_dict()
        self.advance(curriculum, 20)
        other.load_state_dict(saved)
        assert self.advance(other, 4) == pytest.approx([0.0675, 0.0675])
        assert self.advance(other, 1) == pytest.approx([0.06075, 0.06075])

    def test_a_follower_stands_still(self) -> None:
        curriculum = self.make()
        curriculum.record(torch.ones(2, 2, dtype=torch.bool), torch.full((2, 2), 9.0))
        curriculum.follow(torch.tensor([0.05, 0.02]))
        assert self.advance(curriculum, 100) == pytest.approx([0.05, 0.02])


def test_the_curriculum_cannot_widen() -> None:
    with pytest.raises(ValueError, match="only narrows"):
        ReorientOptions(tolerance=0.01, final_tolerance=0.02)
