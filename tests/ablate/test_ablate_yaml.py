import math

import pytest

from ablate.tree import Origin, Tree, merged, merged_trees
from ablate.yaml_lines import YamlProblems, parse, read, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("3.0e-4", 0.0003),
        ("5E-1", 0.5),
        (".5", 0.5),
        ("-2.", -2.0),
        ("2e10", 20_000_000_000),
        ("6_000_000", 6_000_000),
        ("-7", -7),
        ("0", 0),
        ("true", True),
        ("null", None),
        ("~", None),
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1.2.3", "1.2.3"),
        ("0x10", "0x10"),
        (".inf", math.inf),
    ],
)
def test_unquoted_scalars_mean_what_people_mean(text, value):
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_a_quoted_number_stays_text_and_whole_exponents_are_integers():
    tree = parse('a: "1"\nb: 1e6\nc: !!str 5\n', "x")
    assert tree.data == {"a": "1", "b": 1_000_000, "c": 5}
    assert type(tree.data["b"]) is int


def test_every_value_knows_its_line():
    tree = parse("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", "f.yaml")
    assert tree.origin(("a", "b")) == Origin("f.yaml", 2, "b: 1")
    assert tree.origin(("a", "c", 1, "d")).line == 5
    assert tree.origin(("a", "c", 1, "not", "there")).line == 5


def _problems(text):
    with pytest.raises(YamlProblems) as caught:
        parse(text, "f.yaml")
    return [(one.origin.line, one.path, one.message) for one in caught.value.problems]


def test_all_duplicate_keys_are_reported_at_once():
    found = _problems("a: 1\nb: {x: 1, x: 2}\na: 2\n")
    assert found == [
        (2, "b.x", "duplicate key; first given at line 2."),
        (3, "a", "duplicate key; first given at line 1."),
    ]


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a:\n\tb: 1\n", 2, "tabs cannot indent"),
        ("a: [1, 2\nb: 3\n", 2, "invalid YAML"),
        ("a: {b: 1\n", 2, "invalid YAML"),
        ("a: 'x\n", 2, "invalid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "a single document"),
        ("a: 1\nb: !remove x\n", 2, "tag `!remove`"),
        ("a: *x\n", 1, "undefined alias"),
        ("a: &x [*x]\n", 1, "contains itself"),
        ("a: 1\n2: b\n", 2, "key must be text"),
        ("a: 1\n[b]: c\n", 2, "key must be text"),
        ("a: 1\nb: \x07\n", 2, "U+0007"),
    ],
)
def test_what_is_no_usable_yaml_is_one_clear_problem(text, line, part):
    (found,) = _problems(text)
    assert found[0] == line
    assert part in found[2]


def test_an_alias_that_multiplies_itself_is_refused_quickly():
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 10):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    found = _problems(text)
    assert "does an alias repeat itself" in found[0][2]


def test_deep_nesting_is_a_problem_and_no_crash():
    (found,) = _problems("[" * 20_000)
    assert found[2] == "nested too deeply."


def test_bytes_that_are_not_utf8_name_their_line(tmp_path):
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(YamlProblems) as caught:
        read(file)
    (problem,) = caught.value.problems
    assert problem.origin.line == 2
    assert "not UTF-8 text (byte 0xe9)" in problem.message


def test_a_byte_order_mark_is_no_content(tmp_path):
    file = tmp_path / "bom.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert parse(read(file), "x").data == {"a": 1}


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "sapg_ablations.yaml").write_text("a: 1\n")
    with pytest.raises(YamlProblems) as caught:
        read(tmp_path / "sapg_ablation.yaml")
    assert f"Did you mean `{tmp_path / 'sapg_ablations.yaml'}`?" in caught.value.problems[0].message


def test_a_directory_is_not_a_study(tmp_path):
    with pytest.raises(YamlProblems, match="directory"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("base", "delta", "result"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 4}}, {"a": 1, "b": {"c": 4, "d": 3}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"n": {"kind": "mlp", "hidden": [1]}}, {"n": {"hidden": [2]}}, {"n": {"kind": "mlp", "hidden": [2]}}),
        ({"n": {"kind": "mlp", "hidden": [1]}}, {"n": {"kind": "lstm"}}, {"n": {"kind": "lstm"}}),
        ({"n": {"kind": "mlp", "hidden": [1]}}, {"n": "lstm"}, {"n": {"kind": "lstm"}}),
        ({"n": {"kind": "mlp", "hidden": [1]}}, {"n": "mlp"}, {"n": {"kind": "mlp", "hidden": [1]}}),
        ({"n": "symmetric"}, {"n": {"coef": 0.5}}, {"n": {"kind": "symmetric", "coef": 0.5}}),
        ({"n": {"hidden": [1]}}, {"n": {"kind": "lstm"}}, {"n": {"hidden": [1], "kind": "lstm"}}),
        ({"a": 1}, {"a": None}, {"a": None}),
    ],
)
def test_deltas_merge_mappings_and_replace_the_rest(base, delta, result):
    assert merged(base, delta) == result


def test_merged_trees_point_to_whoever_wrote_the_value():
    base = parse("a: {b: 1, c: 2}\nd: [1, 2, 3]\n", "base.yaml")
    delta = parse("a:\n  b: 5\nd: [9]\n", "delta.yaml")
    both = merged_trees(base, delta)
    assert both.data == {"a": {"b": 5, "c": 2}, "d": [9]}
    assert (both.origin(("a", "b")).source, both.origin(("a", "b")).line) == ("delta.yaml", 2)
    assert (both.origin(("a", "c")).source, both.origin(("a", "c")).line) == ("base.yaml", 1)
    assert both.origin(("d", 2)).source == "delta.yaml"


def test_part_and_set_keep_origins_apart():
    tree = parse("p:\n  q:\n    r: 1\n", "f")
    assert tree.part(("p", "q")).origin(("r",)).line == 3
    tree.set(("p", "x", "y"), 2, Origin("override", None, "p.x.y=2"))
    assert tree.get(("p", "x", "y")) == 2
    assert isinstance(tree, Tree)
    assert tree.origin(("p", "x", "y")).source == "override"
