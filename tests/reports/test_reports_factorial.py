"""Weights and fractions against games and designs whose answers are known (golden cases G15, G18; section 2)."""

import itertools
import math

import numpy as np
import pytest

from reports import factorial as design
from reports.factorial import GENERATORS, Fraction, fraction, settings, subsets

A, AB, ABC = ("A",), ("A", "B"), ("A", "B", "C")


def removing(game, factors):
    """Means of the settings for a game over the parts that are present: a change takes its part away."""
    return {setting: game({one for one in factors if one not in setting}) for setting in subsets(factors)}


GAMES = {  # parts present -> score; Shapley values and leave-one-out of the parts
    "or": (AB, lambda s: float(bool(s)), (0.5, 0.5), (0.0, 0.0)),
    "and": (AB, lambda s: float(len(s) == 2), (0.5, 0.5), (1.0, 1.0)),
    "mixed": (
        ABC,
        lambda s: 5 * ("A" in s) + 3 * ("B" in s) + 2 * ("C" in s) + 4 * ({"A", "B"} <= s),
        (7, 5, 2),
        (9, 7, 2),
    ),
}


@pytest.mark.parametrize("name", GAMES)
def test_shapley_values_of_known_games(name):
    factors, game, values, left_out = GAMES[name]
    means = removing(game, factors)
    assert [-design.value(design.shapley(one, factors), means) for one in factors] == pytest.approx(values)
    assert [-design.value(design.alone(one), means) for one in factors] == pytest.approx(left_out)
    assert sum(values) == pytest.approx(game(set(factors)) - game(set()))


def test_shapley_is_the_mean_over_all_orders():
    factors = tuple("ABCD")
    rng = np.random.default_rng(3)
    means = {setting: float(rng.normal()) for setting in subsets(factors)}
    for one in factors:
        steps = []
        for order in itertools.permutations(factors):
            before = frozenset(order[: order.index(one)])
            steps.append(means[before | {one}] - means[before])
        assert design.value(design.shapley(one, factors), means) == pytest.approx(np.mean(steps))


def test_effects_of_a_model_with_known_coefficients():
    # v = 2 - 3 A + 1 B + 4 AB + 0.5 C: at-baseline, last and average effects follow by hand.
    def v(s):
        return 2 - 3 * ("A" in s) + ("B" in s) + 4 * ({"A", "B"} <= s) + 0.5 * ("C" in s)

    means = {setting: v(setting) for setting in subsets(ABC)}
    run = subsets(ABC)
    assert design.value(design.alone("A"), means) == -3
    assert design.value(design.last("A", ABC), means) == 1
    assert design.value(design.main_effect("A", run), means) == pytest.approx(-1)
    assert design.value(design.interaction(("A", "B"), run), means) == pytest.approx(4)
    assert design.value(design.interaction(("A", "C"), run), means) == pytest.approx(0)
    assert design.value(design.pair_interaction("A", "B"), means) == pytest.approx(4)
    assert design.value(design.shapley_interaction(("A", "B"), ABC), means) == pytest.approx(4)
    assert design.value(design.shapley_interaction(("B", "C"), ABC), means) == pytest.approx(0)


@pytest.mark.parametrize(("count", "seeds", "left_out", "main", "shapley"), [
    (6, 3, 0.270, 0.144, 0.219), (4, 12, 0.228, 0.144, 0.167),
])  # fmt: skip
def test_standard_errors_at_192_runs(count, seeds, left_out, main, shapley):
    factors = tuple("ABCDEF"[:count])
    run = subsets(factors)
    assert len(run) * seeds == 192
    assert design.error(design.main_effect("A", run), seeds) == pytest.approx(main, abs=5e-4)
    assert design.error(design.shapley("A", factors), seeds) == pytest.approx(shapley, abs=5e-4)
    assert design.error(design.alone("A"), 192 / (count + 1)) == pytest.approx(left_out, abs=5e-4)


def test_the_settings_of_every_kind():
    factors = tuple("ABCD")
    sizes = {
        "leave_one_out": 5,
        "add_one_in": 2 * 4 + 2,
        "pairwise": 1 + 4 + 6,
        "full_factorial": 16,
    }
    for kind, size in sizes.items():
        found = settings(kind, factors)
        assert (len(found), found[0], len(set(found))) == (size, frozenset(), size)
        assert {frozenset({one}) for one in factors} <= set(found)
    part = fraction(factors, 4)
    assert set(settings("fractional_factorial", factors, part)) == {*part.settings, *map(frozenset, factors)}


@pytest.mark.parametrize("count", GENERATORS)
def test_every_fraction_is_orthogonal_up_to_its_resolution(count):
    factors = tuple(f"No{letter}" for letter in design.LETTERS[:count])
    for generators in GENERATORS[count]:
        part = Fraction(factors, generators)
        run = part.settings
        assert len(run) == len(set(run)) == 2 ** (count - len(generators))
        assert frozenset() in run
        sign = {one: np.array([1 if one in s else -1 for s in run]) for one in factors}
        effects = [e for size in (1, 2) for e in itertools.combinations(factors, size)]
        column = {effect: np.prod([sign[one] for one in effect], axis=0) for effect in effects}
        for a, b in itertools.combinations(effects, 2):
            mixed = abs(column[a] @ column[b]) == len(run)
            assert mixed or column[a] @ column[b] == 0
            assert (frozenset(b) in part.aliases(frozenset(a))) == mixed
            if len(a) + len(b) < part.resolution:
                assert not mixed


def test_the_quarter_of_six_has_clear_main_effects_and_aliased_pairs():
    part = fraction(tuple("ABCDEF"), 4)
    assert part.generators == ("E=ABC", "F=BCD")
    assert (part.resolution, part.words) == (4, ("ABCE", "ADEF", "BCDF"))
    assert all(part.aliases(frozenset({one})) == () for one in "ABCDEF")
    assert set(part.aliases(frozenset({"B", "C"}))) == {frozenset({"A", "E"}), frozenset({"D", "F"})}


def test_the_published_resolutions_and_the_smallest_that_suffices():
    found = {
        count: [Fraction(tuple(design.LETTERS[:count]), generators).resolution for generators in sets]
        for count, sets in GENERATORS.items()
    }
    assert found == {3: [3], 4: [4], 5: [5, 3], 6: [6, 4, 3], 7: [7, 4, 3]}
    assert len(fraction(tuple("ABCDEFG"), 4).settings) == 16
    assert len(fraction(tuple("ABCDEFG"), 5).settings) == 64
    assert fraction(tuple("ABCD"), 5) is None
    assert fraction(tuple("AB"), 3) is None
    assert math.isclose(design.error(design.main_effect("A", fraction(tuple("ABCDE"), 5).settings), 4), 0.25)
