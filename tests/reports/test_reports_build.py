import csv
import re
import subprocess
import sys
import zlib

import pytest
from report_cells import Arm, five_arms, write_study

import reports
from reports.alternatives import alternatives
from reports.assemble import _drawers, all_tables
from reports.curves import compare_curves
from reports.document import breakable, content
from reports.latex import booktabs, escape
from reports.manifest import ReportError
from reports.prose import reproduction
from reports.scores import load
from reports.tables import Column, Table, to_csv
from reports.verdicts import conclude

NASTY = r"# $ _ & % < > \ ~ ^ { } αβγ [x] */ // @ref"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    arms = [*five_arms(), Arm("PPO", 0.3, role="control", action=None, failed=(3,))]
    arms[1].name, arms[1].part, arms[1].label = f"No {NASTY}", NASTY, f"a: {NASTY} -> {NASTY}"
    arms[2].missing = (7,)
    arms[3].violated = (0,)
    write_study(home, arms, question=NASTY, study=f"study {NASTY}", study_yaml=f"question: {NASTY}\n")
    return reports.build(home / "manifest.json", home / "report")


def test_everything_is_written(built):
    assert built.pdf.read_bytes().startswith(b"%PDF")
    tables = {path.name for path in built.tables}
    stems = ("contrasts", "tasks", "ranking", "secondary", "checks", "power", "exclusions", "failures", "confounds",
             "cost", "agreement", "robustness", "aggregates", "design")  # fmt: skip
    assert tables == {f"{stem}.{form}" for stem in stems for form in ("csv", "tex")} | {"scores.csv", "bands.csv"}
    assert {path.name for path in built.figures} == {
        f"{stem}.{form}" for stem in ("forest", "ranks", "strips", "curves", "probes") for form in ("pdf", "png")
    }
    assert all(path.stat().st_size > 500 for path in built.figures)


def test_warnings_name_what_a_reader_must_know(built):
    said = " ".join(built.warnings)
    assert "Partial study: 1 of 56 runs" in said
    assert "Manipulation checks failed in 1 runs (NoLatents)" in said


def test_csv_holds_the_numbers_of_the_conclusion_at_full_precision(built):
    path = next(path for path in built.tables if path.name == "contrasts.csv")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    by_name = {row.variant.name: row for row in built.conclusion.contrasts}
    assert {row["variant"] for row in rows} == set(by_name)
    for row in rows:
        found = by_name[row["variant"]]
        if found.numbers.percent:
            assert float(row["percent"]) == 100 * found.numbers.percent.value
            assert float(row["percent_low"]) == 100 * found.numbers.percent.interval.low
            assert float(row["p"]) == found.p
        assert row["verdict"] == found.verdict


def test_bands_of_the_curves_are_there_as_numbers(built):
    path = next(path for path in built.tables if path.name == "bands.csv")
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    table = built.conclusion.table
    for row in built.conclusion.contrasts:
        own = [one for one in rows if one["variant"] == row.variant.name]
        both = compare_curves(table, row.variant.name, 0, 0.95)
        if both is None or both.band is None:
            continue
        assert [float(one["env_steps"]) for one in own] == both.steps.tolist()
        assert [float(one["low"]) for one in own] == both.band.low.tolist()
        assert [float(one["mean"]) for one in own] == both.variant.mean(axis=0).tolist()
        assert all(float(one["low"]) < float(one["difference"]) < float(one["high"]) for one in own)
    assert len({one["variant"] for one in rows}) >= 4


def test_summary_holds_question_verdicts_and_sentences(built):
    text = built.summary.read_text(encoding="utf-8")
    assert NASTY in text
    assert "lowers eval/return by" in text
    assert all(row.variant.name in text for row in built.conclusion.contrasts)


def test_verdict_table_is_strings_in_the_order_of_the_report(built):
    rows = reports.verdict_table(built.conclusion)
    assert [row["change"] for row in rows] == [row.variant.name for row in built.conclusion.ranked]
    assert all(isinstance(value, str) for row in rows for value in row.values())
    assert rows[0]["verdict"].startswith("hurts")


def test_rebuild_is_byte_identical(built, tmp_path):
    again = reports.build(built.pdf.parent.parent / "manifest.json", tmp_path / "again")
    assert again.pdf.read_bytes() == built.pdf.read_bytes()
    for old, new in zip(sorted(built.figures), sorted(again.figures), strict=True):
        assert old.read_bytes() == new.read_bytes()
    for old, new in zip(sorted(built.tables), sorted(again.tables), strict=True):
        assert old.read_bytes() == new.read_bytes()


def objects(path):
    """Everything a PDF says about itself: its bytes with what is compressed in them unpacked."""
    raw, parts = path.read_bytes(), []
    for start in re.finditer(rb"stream\r?\n", raw):
        try:
            parts.append(zlib.decompress(raw[start.end() : raw.find(b"endstream", start.end())]))
        except zlib.error:
            continue  # not compressed, or not by deflate
    return raw + b"\n".join(parts)


def pdf_string(text):
    """A literal or hexadecimal PDF string as text."""
    if text.startswith(b"<"):
        return bytes.fromhex(text[1:-1].decode()).decode("utf-16")
    return re.sub(rb"\\([()\\])", rb"\1", text[1:-1]).decode("latin-1")


def test_the_pdf_is_tagged_and_every_figure_speaks(built):
    found = objects(built.pdf)
    assert b"/StructTreeRoot" in found
    assert b"/Marked true" in found
    assert b"/Lang(en)" in found
    headings, rows = found.count(b"/S/H1"), found.count(b"/S/TR")
    assert headings >= 10
    assert rows > len(built.conclusion.contrasts)
    assert found.count(b"/S/TH") > 20
    spoken = {pdf_string(one) for one in re.findall(rb"/Alt ?(\((?:\\.|[^()\\])*\)|<[0-9A-F]*>)", found)}
    wanted = alternatives(built.conclusion, [path.stem for path in built.figures if path.suffix == ".pdf"])
    assert spoken == set(wanted.values())
    assert len(wanted) == 5
    assert found.count(b"/S/Figure") >= len(wanted)
    forest = next(text for text in spoken if text.startswith("Forest plot"))
    assert all(row.variant.name in forest for row in built.conclusion.contrasts)
    assert "hurts" in forest


def test_every_figure_that_a_report_can_have_has_words(built):
    from reports.alternatives import _WORDS

    assert set(_drawers(built.conclusion)) == {*_WORDS, "retuned"}


@pytest.mark.parametrize(
    ("arms", "over"),
    [
        ([Arm("baseline", role="baseline", action=None)], {"seeds": 1}),
        ([Arm("baseline", role="baseline", action=None), Arm("A", missing=(0, 1))], {"seeds": 2}),
        (
            [Arm("baseline", 0.0, 0.2, role="baseline", action=None), Arm("A", 0.3, 0.2)],
            {"score_range": None, "tasks": 2},
        ),
    ],
    ids=["baseline alone", "nothing to compare yet", "no percentages over two tasks"],
)
def test_thin_studies_still_report(tmp_path, arms, over):
    write_study(tmp_path, arms, **({"seeds": 4} | over))
    assert reports.build(tmp_path / "manifest.json", tmp_path / "out").pdf.stat().st_size > 10_000


def test_forty_variants_take_four_pages_of_curves(tmp_path):
    arms = [five_arms()[0], *(Arm(f"Variant_{i}_" + "long" * (i % 7), 1.1 - i * 0.02) for i in range(40))]
    write_study(tmp_path, arms, seeds=3, probes=False, points=10)
    paths = reports.build(tmp_path / "manifest.json", tmp_path / "out")
    assert len([path for path in paths.figures if path.name.startswith("curves-")]) == 4


def test_cost_sums_the_shares_of_a_pack(built):
    path = next(path for path in built.tables if path.name == "cost.csv")
    base = next(iter(csv.DictReader(path.read_text(encoding="utf-8").splitlines())))
    assert (float(base["wall_s"]), int(base["packs"])) == (80.0, 1)  # eight seeds, 10 s each
    assert float(base["env_steps_per_s"]) == 8e6 / 80


def test_reproduction_quotes_file_profile_and_overrides(tmp_path):
    over = {"study_path": "/somewhere/secret/sapg.yaml", "profile": "gpu", "overrides": ["seeds.count=4", "a=[1, 2]"]}
    conclusion = conclude(load(write_study(tmp_path, five_arms()[:2], seeds=3, **over)))
    commands = dict(reproduction(conclusion, "digest"))
    assert commands["run"] == "ablate run sapg.yaml --profile gpu seeds.count=4 'a=[1, 2]'"


def test_text_without_glyphs_is_marked_in_the_report_and_announced(tmp_path):
    conclusion = conclude(load(write_study(tmp_path, five_arms()[:2], seeds=3, study="研究 α")))
    shown = content(conclusion, {}, all_tables(conclusion), "", "")
    assert shown["study"] == "\ufffd\ufffd α"
    assert any("2 characters have no glyph" in line for line in shown["banners"])


def test_a_missing_or_broken_manifest_is_one_clear_error(tmp_path):
    with pytest.raises(ReportError, match="cannot be read"):
        reports.build(tmp_path / "manifest.json", tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ReportError, match="not valid JSON"):
        reports.build(tmp_path / "manifest.json", tmp_path)


def test_importing_reports_is_light_and_building_needs_no_gpu_stack():
    code = (
        "import sys, reports; assert not {'numpy', 'matplotlib', 'typst'} & set(sys.modules);"
        "import reports.assemble;"
        "assert not {'torch', 'ray', 'mlflow', 'ablate', 'algorithms', 'envs'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_latex_prints_every_special_character_literally():
    assert escape(r"a_b & 5% $x$ #1 {y} ~ ^ \ < > α −1") == (
        r"a\_b \& 5\% \$x\$ \#1 \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{} \textless{} \textgreater{} "
        r"$\alpha$ $-$1"
    )


def test_booktabs_table_has_a_line_per_row_and_aligned_columns():
    table = Table(
        "t", "50% of it", (Column("name", ["[a]", "b"], "left"), Column("x", ["1", "2"])), [{"a": 1}, {"a": 2}]
    )
    text = booktabs(table)
    assert r"\begin{tabular}{@{}lr@{}}" in text
    assert r"{}[a] & 1 \\" in text  # a bracket after \\ would be read as its argument
    assert text.count(r" \\") == 3
    assert r"50\% of it" in text


def test_csv_leaves_missing_values_empty_and_joins_keys():
    assert to_csv([{"a": 1.5, "b": None}, {"a": float("nan"), "c": "x,y"}]) == 'a,b,c\n1.5,,\n,,"x,y"\n'


def test_long_names_may_break_anywhere_sensible():
    assert "\u200b" not in breakable("short words stay whole")
    assert max(len(piece) for piece in breakable("x" * 100).split("\u200b")) <= 14
    assert breakable("a" * 20).replace("\u200b", "") == "a" * 20


@pytest.mark.slow
def test_a_thousand_cells_of_two_hundred_rows_take_under_ten_seconds_and_a_gibibyte(tmp_path):
    arms = [five_arms()[0], *(Arm(f"Variant_{i}", 1.1 - i * 0.02) for i in range(39))]
    write_study(tmp_path, arms, seeds=25, extra_rows=180)
    code = (
        "import sys, time, resource; from pathlib import Path; start = time.process_time(); import reports;"
        "reports.build(Path(sys.argv[1]) / 'manifest.json', Path(sys.argv[1]) / 'out');"
        "print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True)
    seconds, mebibytes = map(float, run.stdout.split())
    assert seconds < 10
    assert mebibytes < 1024
