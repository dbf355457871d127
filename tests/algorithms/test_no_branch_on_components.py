"""A trainer never asks which variant of a component it has: walk the syntax tree of every trainer."""

import ast
from pathlib import Path

import pytest

import algorithms
from algorithms.component import components
from algorithms.registry import algorithms as registered

ROOT = Path(algorithms.__file__).parent
TRAINERS = sorted(ROOT.glob("*/trainer.py"))
FIELDS = [field for one in registered().values() for field in components(one.config).values()]
# The fields, and the classes that a field may hold: asking for the class is asking for the variant.
POINTS = sorted({field.name for field in FIELDS} | {kind.__name__ for field in FIELDS for kind in field.kinds.values()})


def decisions_of(node: ast.AST) -> list[ast.expr]:
    """The expressions a node decides by."""
    if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
        return [node.test]
    if isinstance(node, ast.Match):
        return [node.subject, *(case.guard for case in node.cases if case.guard is not None)]
    if isinstance(node, ast.comprehension):
        return list(node.ifs)
    return []


def branches_on_components(source: str, points: list[str]) -> list[str]:
    """Every test in ``source`` that mentions an ablation point, as ``line: expression``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        for test in decisions_of(node):
            names = {inner.attr for inner in ast.walk(test) if isinstance(inner, ast.Attribute)}
            names |= {inner.id for inner in ast.walk(test) if isinstance(inner, ast.Name)}
            if names & {*points, "kind"}:
                found.append(f"{test.lineno}: {ast.unparse(test)}")
    return found


def test_the_points_and_the_trainers_are_found():
    assert {"aggregation", "conditioning", "entropy", "num_policies", "Symmetric", "NoEntropy"} <= set(POINTS)
    assert {path.parent.name for path in TRAINERS} >= {"ppo", "sapg"}


@pytest.mark.parametrize("path", TRAINERS, ids=lambda path: path.parent.name)
def test_no_trainer_branches_on_a_component(path):
    assert branches_on_components(path.read_text(), POINTS) == []


@pytest.mark.parametrize(
    "source",
    [
        "if config.aggregation.kind == 'symmetric': pass",
        "x = 1 if self.config.entropy else 2",
        "while conditioning: pass",
        "match config.aggregation:\n    case _: pass",
        "match 1:\n    case _ if config.num_policies > 1: pass",
        "assert cfg.num_policies > 1",
        "x = [i for i in y if i < config.num_policies]",
        "if isinstance(part, Symmetric): pass",
    ],
)
def test_the_walk_sees_every_way_to_branch(source):
    assert len(branches_on_components(source, POINTS)) == 1


def test_using_a_component_is_not_branching():
    source = "sources = config.aggregation.sources(config.num_policies)\nfor x in sources:\n    pass"
    assert branches_on_components(source, POINTS) == []
