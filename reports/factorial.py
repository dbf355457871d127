"""Two-level designs over K changes: which sets of changes to run, and which weights on their means answer what.

A setting is the set of changes that are made; the empty set is the baseline, the set of all is the stripped method.
Every question below is linear in the means v(S) of the settings, answer = sum_S w(S) v(S), so its standard error is
closed-form: SE^2 = sum_S w(S)^2 s^2(S)/n(S). With A, B changes and x the other changes that are made:

    alone         v({A}) - v({})                                        leave one out
    last          v(all) - v(all - A)                                   the same step from the stripped side
    main          mean_x [v(x + A) - v(x)]                              over every setting of the others
    interaction   mean_x [v(x + A + B) - v(x + A) - v(x + B) + v(x)]    what both do beyond the sum of each
    Shapley       sum_x |x|! (K - |x| - 1)! / K! [v(x + A) - v(x)]      over every order of making the changes

A fraction of the 2^K settings is the set of words of a linear code: the changes of the left letter are made where an
odd number of those on the right are (E = ABCD). It always holds the baseline. Its resolution is the length of the
shortest product of letters that is constant over the fraction; effects whose product is constant are aliases.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Setting = frozenset[str]
Weights = dict[Setting, float]
Kind = Literal["leave_one_out", "add_one_in", "pairwise", "fractional_factorial", "full_factorial"]

BASELINE = "baseline"
LETTERS = "ABCDEFG"
MOST_FULL = 6
"""Changes of a full factorial: 64 settings."""
MOST_FRACTION = len(LETTERS)
GENERATORS: Mapping[int, tuple[tuple[str, ...], ...]] = {
    3: (("C=AB",),),
    4: (("D=ABC",),),
    5: (("E=ABCD",), ("D=AB", "E=AC")),
    6: (("F=ABCDE",), ("E=ABC", "F=BCD"), ("D=AB", "E=AC", "F=BC")),
    7: (("G=ABCDEF",), ("E=ABC", "F=BCD", "G=ACD"), ("D=AB", "E=AC", "F=BC", "G=ABC")),
}
"""K -> standard fractions, the smallest of each resolution, the half first (Box, Hunter and Hunter, table 12.15)."""


@dataclass(frozen=True, slots=True)
class Fraction:
    """A regular fraction of the 2^K settings.

    Attributes:
        factors: Names of the changes; the letters A, B, ... stand for them in this order.
        generators: ``E=ABCD``: E is made where an odd number of A, B, C, D are.
    """

    factors: tuple[str, ...]
    generators: tuple[str, ...]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All its settings, the baseline first."""
        basic = len(self.factors) - len(self.generators)
        found = []
        for bits in itertools.product((False, True), repeat=basic):
            made = {letter for letter, bit in zip(LETTERS, bits, strict=False) if bit}
            made |= {one[0] for one in self.generators if len(made & set(one[2:])) % 2}
            found.append(frozenset(self._name(letter) for letter in made))
        return tuple(sorted(found, key=lambda setting: _order(setting, self.factors)))

    @property
    def words(self) -> tuple[str, ...]:
        """Every product of letters that is constant over the fraction, the shortest first."""
        first = [frozenset(one.replace("=", "")) for one in self.generators]
        found = set()
        for count in range(1, len(first) + 1):
            for chosen in itertools.combinations(first, count):
                word: frozenset[str] = frozenset()
                for one in chosen:
                    word ^= one
                found.add("".join(sorted(word)))
        return tuple(sorted(found, key=lambda word: (len(word), word)))

    @property
    def resolution(self) -> int:
        """Length of the shortest word: III mixes single changes with pairs, IV pairs with pairs, V neither."""
        return len(self.words[0])

    def aliases(self, effect: Setting, most: int = 2) -> tuple[Setting, ...]:
        """Effects of at most ``most`` changes that this fraction cannot tell from one effect."""
        own = frozenset(LETTERS[self.factors.index(name)] for name in effect)
        twins = (own ^ frozenset(word) for word in self.words)
        return tuple(
            frozenset(self._name(letter) for letter in twin)
            for twin in sorted(twins, key=lambda one: (len(one), sorted(one)))
            if 0 < len(twin) <= most
        )

    def _name(self, letter: str) -> str:
        return self.factors[LETTERS.index(letter)]


def fraction(factors: Sequence[str], resolution: int) -> Fraction | None:
    """The smallest standard fraction of at least this resolution; None where there is none."""
    found = [Fraction(tuple(factors), one) for one in GENERATORS.get(len(factors), ())]
    return min(
        (one for one in found if one.resolution >= resolution), key=lambda one: -len(one.generators), default=None
    )


@dataclass(frozen=True, slots=True)
class Design:
    """A design of a study: which of its ablations are changes, and what it runs.

    Attributes:
        kind: As the study file calls it.
        factors: The ablations that are made and not made, in the order of the file.
        part: The fraction of a ``fractional_factorial``.
    """

    kind: Kind
    factors: tuple[str, ...]
    part: Fraction | None = None

    @property
    def arms(self) -> dict[Setting, str]:
        """Every setting and the variant that runs it; the baseline first, then by number of changes."""
        return {one: self.name(one) for one in settings(self.kind, self.factors, self.part)}

    @property
    def regular(self) -> tuple[Setting, ...]:
        """The settings that main effects and interactions are averaged over: none below a fraction."""
        if self.kind == "full_factorial":
            return tuple(subsets(self.factors))
        return self.part.settings if self.part else ()

    def name(self, setting: Setting) -> str:
        """``NoA+NoB``: the changes that are made, in the order of the file."""
        return "+".join(one for one in self.factors if one in setting) or BASELINE


def parse_design(raw: Mapping[str, Any] | None) -> Design | None:
    """The manifest's ``design``; None for a study that makes every ablation alone."""
    if raw is None:
        return None
    factors, generators = tuple(raw["factors"]), tuple(raw.get("generators") or ())
    return Design(raw["kind"], factors, Fraction(factors, generators) if generators else None)


def settings(kind: Kind, factors: Sequence[str], part: Fraction | None = None) -> tuple[Setting, ...]:
    """The settings that a design runs, the baseline first, then by number of changes; every design leaves each one out.

    Args:
        kind: Of the design.
        factors: Names of the changes.
        part: The fraction of a ``fractional_factorial``.
    """
    every = frozenset(factors)
    found = {frozenset[str](), *(frozenset({one}) for one in factors)}
    if kind == "add_one_in":
        found |= {every, *(every - {one} for one in factors)}
    elif kind == "pairwise":
        found |= {frozenset(pair) for pair in itertools.combinations(factors, 2)}
    elif kind == "full_factorial":
        found |= set(subsets(factors))
    elif part is not None:
        found |= set(part.settings)
    return tuple(sorted(found, key=lambda setting: _order(setting, factors)))


def _order(setting: Setting, factors: Sequence[str]) -> tuple[int, list[int]]:
    return len(setting), sorted(factors.index(one) for one in setting)


def subsets(factors: Sequence[str]) -> list[Setting]:
    """Every set of changes, by size."""
    return [frozenset(one) for size in range(len(factors) + 1) for one in itertools.combinations(factors, size)]


def alone(change: str) -> Weights:
    """What one change does to the baseline."""
    return {frozenset({change}): 1.0, frozenset(): -1.0}


def last(change: str, factors: Sequence[str]) -> Weights:
    """What one change does where all others are made already."""
    every = frozenset(factors)
    return {every: 1.0, every - {change}: -1.0}


def main_effect(change: str, run: Sequence[Setting]) -> Weights:
    """Mean of the settings with the change minus mean of those without; ``run`` is a whole or regular design."""
    return _signs(run, lambda setting: change in setting, 2.0)


def interaction(pair: Sequence[str], run: Sequence[Setting]) -> Weights:
    """What two changes do together beyond the sum of what each does, over the settings of the others."""
    return _signs(run, lambda setting: len(setting.intersection(pair)) != 1, 4.0)


def _signs(run: Sequence[Setting], up: Callable[[Setting], bool], scale: float) -> Weights:
    return {setting: (scale if up(setting) else -scale) / len(run) for setting in run}


def pair_interaction(first: str, second: str) -> Weights:
    """The same beside the baseline alone: v({A, B}) - v({A}) - v({B}) + v({})."""
    return interaction((first, second), subsets((first, second)))


def shapley(change: str, factors: Sequence[str]) -> Weights:
    """The mean over all orders of making the changes of what this one does when its turn comes."""
    others, count = [one for one in factors if one != change], len(factors)
    found: Weights = {}
    for before in subsets(others):
        share = math.factorial(len(before)) * math.factorial(count - len(before) - 1) / math.factorial(count)
        found[before | {change}], found[before] = share, -share
    return found


def shapley_interaction(pair: Sequence[str], factors: Sequence[str]) -> Weights:
    """The Shapley interaction index: the interaction of two changes, over all orders of the others."""
    others, count = [one for one in factors if one not in pair], len(factors)
    found: Weights = {}
    for rest in subsets(others):
        share = math.factorial(len(rest)) * math.factorial(count - len(rest) - 2) / math.factorial(count - 1)
        for inner in subsets(tuple(pair)):
            found[rest | inner] = share if len(inner) != 1 else -share
    return found


def error(weights: Weights, runs: float) -> float:
    """Standard error in between-seed SDs where every setting has that many runs."""
    return math.sqrt(sum(weight**2 for weight in weights.values()) / runs)


def value(weights: Weights, means: Mapping[Setting, float]) -> float:
    """The answer for known means."""
    return sum(weight * means[setting] for setting, weight in weights.items())
