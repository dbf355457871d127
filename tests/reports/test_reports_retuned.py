"""Both sides of a study that tunes something: as is and retuned, from manifest to PDF."""

import csv
import json

import pytest
from report_cells import Arm, write_study

import reports
from reports.assemble import all_tables
from reports.document import content
from reports.manifest import read
from reports.retuned import Retuned, changed_verdicts, edges, retuned_sentences, retuned_table, tuning_table
from reports.retuned_plots import retuned_effects, retuned_words
from reports.scores import load
from reports.stats import holm
from reports.style import styled
from reports.tune import retuned_manifest
from reports.verdicts import conclude

VALUES = ["0.003", "0.001", "0.0003"]
AS_IS = {"baseline": 1.0, "Hurt": 0.6, "Shared": 0.8, "Same": 1.0, "PPO": 0.5}
RETUNED = {"baseline": 1.02, "Hurt": 0.6, "Shared": 1.02, "Same": 1.0, "PPO": 0.9}
CHOSEN = {"baseline": 1, "Hurt": 1, "Shared": 0, "Same": 2, "PPO": 0}


def arms(levels):
    return [
        Arm(name, level, 0.04, role={"baseline": "baseline", "PPO": "control"}.get(name, "ablation"))
        for name, level in levels.items()
    ]


def tuned_study(home, *, chosen=None, tasks=1, failed=None, **over):
    """A study with a ``tune`` in its manifest; the retuned runs of an arm that keeps its value are its runs as is."""
    chosen = CHOSEN | (chosen or {})
    retuned = write_study(home, arms(RETUNED), seeds=range(100, 108), tasks=tasks, **over)["cells"]
    manifest = write_study(home, arms(AS_IS), tasks=tasks, **over)
    own = {(cell["variant"], cell["task"], cell["seed"]): cell["hash"] for cell in manifest["cells"]}
    entries = []
    for cell in retuned:
        seed = cell["seed"] - 100
        name, index = cell["variant"], chosen[cell["variant"]]
        if index is not None:
            digest = own[name, cell["task"], seed] if VALUES[index] == "0.001" else cell["hash"]
            entries.append({**cell, "hash": digest, "seed": seed, "stage": "retuned", "value": VALUES[index]})
    manifest["tune"] = {
        "field": "learning_rate",
        "values": VALUES,
        "seeds": [1000, 1001],
        "budget": {"env_steps": 200_000},
        "summary": "auc",
        "arms": [
            {"variant": name, "own": "0.001", "chosen": index, "edge": index in (0, 2),
             "scores": [[0.5 + 0.1 * (i == index)] * tasks for i in range(3)],
             "failed": (failed or {}).get(name, [0, 0, 0]), "runs": 2 * tasks}
            for name, index in chosen.items()
        ],
        "tune": [],
        "retuned": entries,
        "held": [],
    }  # fmt: skip
    (home / "manifest.json").write_text(json.dumps(manifest))
    return manifest


def both(manifest):
    as_is = conclude(load(manifest))
    return Retuned(as_is.table.manifest.tune, as_is, conclude(load(retuned_manifest(manifest))))


def by_title(table):
    titles = [column.title for column in table.columns]
    return {row[0]: dict(zip(titles, row, strict=True)) for row in table.rows}


def test_each_side_is_what_a_study_of_its_cells_would_say(tmp_path):
    found = both(tuned_study(tmp_path))
    alone = conclude(load(tuned_study(tmp_path / "again") | {"tune": None}))
    assert [row.p_holm for row in found.as_is.ablations] == [row.p_holm for row in alone.ablations]
    raw = {row.variant.name: row.p for row in found.retuned.ablations}
    adjusted = dict(zip(raw, holm(list(raw.values()), 3), strict=True))
    assert {row.variant.name: row.p_holm for row in found.retuned.ablations} == adjusted
    verdicts = {row.variant.name: (row.verdict, other.verdict) for row, other in found.pairs}
    assert verdicts == {
        "Hurt": ("hurts", "hurts"),
        "Shared": ("hurts", "no change"),
        "Same": ("no change", "no change"),
        "PPO": ("hurts", "hurts"),
    }
    # The baseline kept its value, so its retuned runs are its runs as is.
    assert (found.retuned.table.scores("baseline", 0) == found.as_is.table.scores("baseline", 0)).all()


def test_the_table_shows_both_sides_in_the_order_of_the_main_result(tmp_path):
    found = both(tuned_study(tmp_path))
    table = retuned_table(found)
    rows = by_title(table)
    assert list(rows) == ["baseline", *(row.variant.name for row in found.as_is.ranked)]
    assert len({column.title for column in table.columns}) == len(table.columns) == 10
    assert [rows[name]["learning_rate"] for name in ("baseline", "Shared", "Same")] == [
        "0.001 (own)",
        "0.001 → 0.003",
        "0.001 → 0.0003",
    ]
    assert (rows["Shared"]["verdict as is"], rows["Shared"]["verdict retuned"]) == ("hurts", "no change > 10%")
    assert rows["PPO"]["p retuned"].startswith("(")
    main = {row[0]: row for row in all_tables(found.as_is)["contrasts"].rows}
    assert rows["Hurt"]["% as is"].strip() == main["Hurt"][4].strip()
    records = {record["variant"]: record for record in table.records}
    other = next(other for _, other in found.pairs if other.variant.name == "Shared")
    assert records["Shared"]["percent_retuned"] == 100 * other.numbers.percent.value
    assert records["Shared"]["p_holm_retuned"] == other.p_holm
    assert table.rules == (1, 4)


def test_tuning_scores_are_shown_with_the_chosen_one_marked(tmp_path):
    found = both(tuned_study(tmp_path, failed={"Hurt": [2, 0, 0]}))
    rows = by_title(tuning_table(found))
    assert rows["Shared"] == {"arm": "Shared", "own": "0.001", "0.003": "0.600*", "0.001": "0.500", "0.0003": "0.500"}
    assert rows["Hurt"]["0.003"] == "0.500 (2 failed)"
    assert "Failed runs score the floor." in tuning_table(found).caption
    assert sum(record["chosen"] for record in tuning_table(found).records) == 5


def test_sentences_say_where_it_was_tuned_what_changed_and_what_is_doubtful(tmp_path):
    found = both(tuned_study(tmp_path))
    said = " ".join(retuned_sentences(found))
    assert "chosen from 0.003, 0.001, 0.0003 on seeds 1000, 1001, with 200k environment steps per run" in said
    assert "The comparison never sees these seeds, and every arm got the same 6 tuning runs." in said
    assert "baseline, Hurt keep their own values, so their retuned runs are the runs as is." in said
    assert changed_verdicts(found) == [
        "The verdict depends on learning_rate: Shared (hurts as is, no change > 10% retuned)."
    ]
    assert edges(found.tune) == [
        "Chosen at the edge of the values of learning_rate: Shared (0.003), Same (0.0003), PPO (0.003); "
        "a better value may lie beyond."
    ]


def test_undecided_arms_are_said_to_be_open_and_not_judged(tmp_path):
    found = both(tuned_study(tmp_path, chosen={"Shared": None}))
    said = retuned_sentences(found)
    assert "Not chosen yet, because tuning runs are missing: Shared." in said
    rows = by_title(retuned_table(found))
    assert (rows["Shared"]["learning_rate"], rows["Shared"]["verdict retuned"]) == ("0.001 → ?", "not estimable")
    assert "No verdict changes when every arm has a learning_rate of its own." in said


def test_all_failed_runs_are_said(tmp_path):
    said = " ".join(retuned_sentences(both(tuned_study(tmp_path, failed={"Hurt": [2, 2, 2]}))))
    assert "Every tuning run failed, so the nearest value was taken: Hurt." in said


def test_the_report_has_the_section_the_files_and_the_warnings(tmp_path):
    tuned_study(tmp_path)
    built = reports.build(tmp_path / "manifest.json", tmp_path / "report")
    assert built.pdf.read_bytes().startswith(b"%PDF")
    names = {path.name for path in built.tables}
    assert {"retuned.csv", "retuned.tex", "tuning.csv", "tuning.tex"} <= names
    assert {"retuned.pdf", "retuned.png"} <= {path.name for path in built.figures}
    shown = content(built.conclusion, {}, _tables(built), "", "", built.retuned)
    headings = [block["text"] for block in shown["blocks"] if block["kind"] == "heading"]
    assert headings[:2] == ["Main result", "Retuned"]
    assert any(line.startswith("The verdict depends on learning_rate") for line in shown["banners"])
    assert dict(shown["design"])["tuning"] == "learning_rate per arm, 3 values × 2 further seeds, 200k steps each"
    assert any(line.startswith("Chosen at the edge") for line in built.warnings)
    summary = built.summary.read_text(encoding="utf-8")
    assert "## Retuned" in summary
    assert "| 0.001 → 0.003 |" in summary
    with next(path for path in built.tables if path.name == "scores.csv").open() as file:
        stages = [row["stage"] for row in csv.DictReader(file)]
    assert (stages.count("main"), stages.count("retuned")) == (40, 40)
    rows = reports.verdict_table(built.conclusion, built.retuned)
    assert [row["change"] for row in rows][:2] == ["baseline", built.conclusion.ranked[0].variant.name]
    again = reports.build(tmp_path / "manifest.json", tmp_path / "again")
    assert again.pdf.read_bytes() == built.pdf.read_bytes()


def _tables(built):
    return all_tables(built.conclusion) | {
        table.name: table for table in (retuned_table(built.retuned), tuning_table(built.retuned))
    }


def test_a_study_that_tunes_nothing_has_none_of_it(tmp_path):
    write_study(tmp_path, arms(AS_IS), seeds=3)
    conclusion = conclude(load(read(tmp_path / "manifest.json")))
    shown = json.dumps(content(conclusion, {}, all_tables(conclusion), "", ""))
    assert conclusion.table.manifest.tune is None
    assert "etuned" not in shown
    assert "uning" not in shown


@pytest.mark.parametrize("tasks", [1, 2])
def test_nothing_retuned_yet_and_several_tasks_still_report(tmp_path, tasks):
    manifest = tuned_study(tmp_path, tasks=tasks, chosen=dict.fromkeys(CHOSEN) if tasks == 1 else None, points=4)
    found = both(manifest)
    assert len(tuning_table(found).rows) == 5 * tasks
    if tasks == 2:
        assert "divided by the range its environment declares" in retuned_sentences(found)[0]
    tables = all_tables(found.as_is) | {one.name: one for one in (retuned_table(found), tuning_table(found))}
    assert content(found.as_is, {}, tables, "", "", found)["blocks"]


def test_the_figure_draws_every_effect_twice(tmp_path):
    found = both(tuned_study(tmp_path, points=5, probes=False))
    with styled():
        (axes,) = retuned_effects(found)[0].axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    bars = [line for line in axes.lines if line.get_marker() == "None" and len(line.get_xdata()) == 2]
    wanted = [100 * row.effect for pair in found.pairs for row in pair]
    assert [float(dot.get_xdata()[0]) for dot in dots] == pytest.approx(wanted)
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [True, False] * len(found.pairs)
    ends = [row.numbers.percent.interval for pair in found.pairs for row in pair]
    spans = {(round(float(bar.get_xdata()[0]), 6), round(float(bar.get_xdata()[1]), 6)) for bar in bars}
    assert {(round(100 * one.low, 6), round(100 * one.high, 6)) for one in ends} <= spans
    assert all(name in retuned_words(found) for name in ("Hurt", "Shared", "Same", "PPO"))


def test_without_a_retuned_effect_there_is_no_figure(tmp_path):
    found = both(tuned_study(tmp_path, chosen=dict.fromkeys(CHOSEN), points=5, probes=False))
    assert retuned_effects(found) == []
