import pytest

from ablate.overrides import apply
from ablate.yaml_lines import parse

TEXT = "a: {b: 1, kind: x}\ntasks: [{env: e, num_envs: 4}, {env: f}]\nablations: {NoX: {component: c}}\nname: text\n"


def _edited(*overrides):
    tree = parse(TEXT, "f.yaml")
    problems = apply(tree, overrides)
    return tree.data, [one.message for one in problems]


@pytest.mark.parametrize(
    ("override", "look", "value"),
    [
        ("a.b=2", ("a", "b"), 2),
        ("a.b=1e-3", ("a", "b"), 0.001),
        ("a.b=[1, 2]", ("a", "b"), [1, 2]),
        ("a.b={kind: y, c: 3}", ("a", "b"), {"kind": "y", "c": 3}),
        ("a.b=", ("a", "b"), ""),
        ("a.b=null", ("a", "b"), None),
        ("a.b='2'", ("a", "b"), "2"),
        ("a.b=x=y", ("a", "b"), "x=y"),
        ("a.new=3", ("a", "new"), 3),
        ("a.deep.er=3", ("a", "deep", "er"), 3),
        ("tasks.0.num_envs=8", ("tasks", 0, "num_envs"), 8),
        ("tasks[1].env=g", ("tasks", 1, "env"), "g"),
        ("+ablations.NoY.component=d", ("ablations", "NoY", "component"), "d"),
        ("ablations.NoX.component=d", ("ablations", "NoX", "component"), "d"),
        ("++a.b=7", ("a", "b"), 7),
        ("++a.new=7", ("a", "new"), 7),
    ],
)
def test_what_is_set_is_there(override, look, value):
    data, problems = _edited(override)
    assert problems == []
    for step in look:
        data = data[step]
    assert data == value


@pytest.mark.parametrize("override", ["~a.b", "~a.b=1"])
def test_delete_removes_the_key_only(override):
    data, problems = _edited(override)
    assert problems == []
    assert data["a"] == {"kind": "x"}


def test_deleting_a_list_item_closes_the_gap():
    data, _ = _edited("~tasks.0")
    assert data["tasks"] == [{"env": "f"}]


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("a.b", "an override is `key=value`"),
        ("=3", "an override is `key=value`"),
        ("a..b=3", "empty step"),
        ("+a.b=3", "already there"),
        ("~a.c", "nothing to delete"),
        ("~ablations.NoZ", "nothing to delete. Did you mean `NoX`?"),
        ("~a.b=5", "not deleted: its value is 1"),
        ("ablations.NoZ.component=d", "no `NoZ` under ablations. Did you mean `NoX`?"),
        ("tasks.5.env=g", "is a list of 2; its items are 0 to 1"),
        ("a.b.c.d=3", "`a.b` is 1, which has no parts"),
        ("a.b=[1", "invalid YAML"),
        ("a.0=1", "is a mapping; it has no item 0"),
    ],
)
def test_what_cannot_be_applied_says_why_and_changes_nothing(override, part):
    data, problems = _edited(override)
    assert len(problems) == 1
    assert part in problems[0]
    assert data == parse(TEXT, "f").data


def test_overrides_apply_in_order_and_all_problems_are_kept():
    data, problems = _edited("a.b=2", "a.b=3", "nonsense", "~zzz")
    assert data["a"]["b"] == 3
    assert len(problems) == 2
