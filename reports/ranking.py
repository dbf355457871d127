"""Which change matters most, and which does not matter: rank intervals, equivalence, and what tasks disagree on."""

from reports.effect_tables import effect_text, ends_of
from reports.heterogeneity import TaskSpread
from reports.notation import NONE, decimals, fixed, interval, p_value
from reports.sentences import subject_of
from reports.stats import Interval
from reports.tables import Kind, Table, Value, columns_of
from reports.verdicts import FEW, Conclusion, Contrast


def ranking_table(conclusion: Conclusion) -> Table:
    """Effect, rank interval, test of "no change larger than the margin", points of the score range."""
    rows, percent = conclusion.ranked, conclusion.in_percent
    margin, alpha = conclusion.table.manifest.primary.margin, conclusion.alpha
    spec: list[tuple[str, Kind]] = [
        ("change", "name"), ("effect, %" if percent else "effect", "decimal"), ("rank", "right"),
        (f"[{1 - alpha:.0%}]", "left"), (f"[{1 - 2 * alpha:.0%}] for the margin", "left"),
        (f"p (change > {margin:.0%})", "right"), ("points of the range", "decimal"), (f"[{1 - alpha:.0%}] ", "left"),
    ]  # fmt: skip
    columns = columns_of(spec, [_ranking_cells(conclusion, row) for row in rows])
    if all(row.numbers.points is None for row in rows):
        columns = columns[:6]
    caption = (
        "Rank 1 is the most harmful change. Rank intervals come from Welch tests of all pairs of ablations, adjusted "
        f"by Holm, and hold together with {1 - alpha:.0%}; ties are honest, and below {FEW} runs per arm no place is "
        f"claimed. p (change > {margin:.0%}) is the larger of two one-sided tests of a change beyond the margin, for "
        "one contrast, unadjusted: below alpha the change is smaller than the margin. Points are differences in per "
        "cent of the declared score range."
    )
    rule = (len(conclusion.ablations),) if 0 < len(conclusion.ablations) < len(rows) else ()
    return Table("ranking", caption, columns, [_ranking_record(row) for row in rows], rule)


def may_rank(row: Contrast) -> bool:
    """Are there runs enough to claim a place?"""
    return row.rank is not None and min(row.numbers.n, row.numbers.n_base) >= FEW


def _ranking_cells(conclusion: Conclusion, row: Contrast) -> list[str]:
    percent, points = row.numbers.percent, row.numbers.points
    cells = [row.variant.name, effect_text(row, conclusion.in_percent)[0], NONE, "", NONE, NONE, NONE, ""]
    if row.rank is not None and may_rank(row):
        cells[2], cells[3] = f"{row.rank.place} of {row.rank.of}", f"[{row.rank.low}, {row.rank.high}]"
    if percent is not None and row.effect is not None:
        cells[4] = interval(percent.narrow, decimals(100 * percent.se, most=1), 100)
        cells[5] = p_value(percent.p_margin)
    if points is not None and row.effect is not None:
        places = decimals(100 * points.se, most=2)
        cells[6] = fixed(100 * points.value, places)
        cells[7] = interval(points.interval(1 - conclusion.alpha), places, 100)
    return cells


def _ranking_record(row: Contrast) -> dict[str, Value]:
    percent, points, rank = row.numbers.percent, row.numbers.points, row.rank
    return {
        "variant": row.variant.name, "role": row.role, "effect": row.effect,
        "rank": rank.place if rank else None, "rank_low": rank.low if rank else None,
        "rank_high": rank.high if rank else None, "ranked": rank.of if rank else None,
        **ends_of("percent_margin", percent.narrow if percent else None, 100),
        "p_margin": percent.p_margin if percent else None,
        "points": 100 * points.value if points else None,
        "points_se": 100 * points.se if points else None, "points_df": points.df if points else None,
    }  # fmt: skip


def rank_sentences(conclusion: Conclusion) -> list[str]:
    """S7: the place of the most harmful change; "most" only where no other change can hold that place."""
    placed = [row for row in conclusion.ablations if may_rank(row)]
    top = next((row for row in placed if row.rank is not None and row.rank.place == 1), None)
    if top is None or top.rank is None:
        few = any(row.rank is not None for row in conclusion.ablations)
        return [f"Below {FEW} runs per arm the changes are ordered, not ranked."] if few else []
    rank, level = top.rank, f"{1 - conclusion.alpha:.0%}"
    place = f"{subject_of(top.variant)} ranks 1 of {rank.of} ({level} rank interval {rank.low}\u2013{rank.high})"
    if rank.high > 1:
        return [f"{place}: other changes may hold that place as well."]
    most = " It is the most important of these parts at these settings." if top.verdict == "hurts" else ""
    return [f"{place}.{most}"]


def heterogeneity_table(conclusion: Conclusion) -> Table:
    """Per contrast: the tasks' range, the contrast without each task, and the interval if tasks were a sample."""
    study, percent = conclusion.table.manifest, conclusion.in_percent
    rows = [row for row in conclusion.ranked if row.numbers.spread is not None and row.effect is not None]
    level = f"[{1 - conclusion.alpha:.0%}]"
    unit = ", %" if percent else ""
    spec: list[tuple[str, Kind]] = [
        ("change", "name"), (f"effect{unit}", "decimal"), ("over tasks", "left"), ("leaving one out", "left"),
        (f"if tasks were a sample {level}", "left"), ("p", "right"), ("driven by", "left"),
    ]  # fmt: skip
    labels = [task.label for task in study.tasks]
    found = [(row, row.numbers.spread) for row in rows if row.numbers.spread is not None]
    cells = [_spread_cells(conclusion, row, spread, labels) for row, spread in found]
    records = [_spread_record(conclusion, row, spread, labels) for row, spread in found]
    caption = (
        "How much the tasks disagree. The range is over single tasks; leaving one out gives the smallest and the "
        "largest effect with any one task removed. The last interval asks another question than the main "
        "result, what other tasks like these would show, with T \u2212 1 degrees of freedom. A change is driven by a "
        "task without which at most half of its effect is left."
    )
    return Table("heterogeneity", caption, columns_of(spec, cells), records)


def driving(row: Contrast) -> int | None:
    """The task that makes a finding; only findings can be driven by one."""
    spread = row.numbers.spread
    return spread.driver if spread is not None and row.verdict in ("hurts", "helps") else None


def _unit(conclusion: Conclusion) -> float:
    return 100.0 if conclusion.in_percent else 1.0


def _spread_cells(conclusion: Conclusion, row: Contrast, spread: TaskSpread, labels: list[str]) -> list[str]:
    factor = _unit(conclusion)
    places = decimals(factor * spread.sample.se, most=1 if conclusion.in_percent else 4)
    without = [change.value for change in spread.without]
    driver = driving(row)
    return [
        row.variant.name, effect_text(row, conclusion.in_percent)[0],
        f"{fixed(factor * min(spread.effects), places)} to {fixed(factor * max(spread.effects), places)}",
        f"{fixed(factor * min(without), places)} to {fixed(factor * max(without), places)}",
        interval(spread.sample.interval(1 - conclusion.alpha), places, factor),
        p_value(spread.sample.p), labels[driver] if driver is not None else NONE,
    ]  # fmt: skip


def _spread_record(conclusion: Conclusion, row: Contrast, spread: TaskSpread, labels: list[str]) -> dict[str, Value]:
    factor = _unit(conclusion)

    def ends(name: str, found: Interval) -> dict[str, Value]:
        return ends_of(name, found, factor)

    record: dict[str, Value] = {
        "variant": row.variant.name, "effect": factor * spread.sample.value,
        **ends("tasks_as_sample", spread.sample.interval(1 - conclusion.alpha)),
        "p_tasks_as_sample": spread.sample.p, "df_tasks_as_sample": spread.sample.df,
        "driven_by": labels[driver] if (driver := driving(row)) is not None else None,
    }  # fmt: skip
    for label, effect, change in zip(labels, spread.effects, spread.without, strict=True):
        record |= {f"effect[{label}]": factor * effect, f"without[{label}]": factor * change.value}
        record |= ends(f"without[{label}]", change.interval)
    return record


def heterogeneity_sentences(conclusion: Conclusion) -> list[str]:
    """S8: effects that one task makes; needs three tasks, a finding, and half of it gone without that task."""
    study, factor = conclusion.table.manifest, _unit(conclusion)
    said = []
    for row in conclusion.ranked:
        spread, driver = row.numbers.spread, driving(row)
        if spread is None or driver is None:
            continue
        rest = spread.without[driver]
        places = decimals(factor * spread.sample.se, most=1 if conclusion.in_percent else 4)
        unit = "%" if conclusion.in_percent else f" {row.numbers.unit}"
        said.append(
            f"{row.variant.name} is driven by {study.tasks[driver].label}: without it "
            f"{fixed(factor * rest.value, places)}{unit} {interval(rest.interval, places, factor)}."
        )
    return said
