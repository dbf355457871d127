"""What each figure shows, in words: the alternative texts of the PDF, for readers who hear it.

Only what the figure adds is said: the text beside it explains the intervals, and the tables hold every number.
"""

from collections.abc import Callable, Mapping, Sequence

from reports.curves import compare_curves
from reports.design_tables import TITLES, answer_text
from reports.designs import findings
from reports.effect_tables import effect_text, mean_text
from reports.notation import FIGURE_SPACE, POINT_SPACE, compact, plural
from reports.probe_plots import probe_columns
from reports.profiles import profile_names
from reports.ranking import may_rank
from reports.retuned import Retuned
from reports.retuned_plots import retuned_words
from reports.verdicts import Conclusion, verdict_text

_MOST = 12
"""Items that a text lists; beyond, it counts them."""


def alternatives(conclusion: Conclusion, names: Sequence[str], retuned: Retuned | None = None) -> dict[str, str]:
    """Figure name -> what it shows; the figures are those of ``reports.assemble``."""
    plain = str.maketrans({FIGURE_SPACE: "", POINT_SPACE: ""})
    said = {name: _WORDS[name](conclusion) for name in names if name in _WORDS}
    if retuned is not None:
        said["retuned"] = retuned_words(retuned)
    return {name: " ".join(said[name].translate(plain).split()) for name in names}


def _listed(items: Sequence[str]) -> str:
    rest = f"; and {len(items) - _MOST} more" if len(items) > _MOST else ""
    return "; ".join(items[:_MOST]) + rest


def _forest(conclusion: Conclusion) -> str:
    margin, unit = conclusion.table.manifest.primary.margin, " %" if conclusion.in_percent else ""
    rows = []
    for row in conclusion.ranked:
        value, ends = effect_text(row, conclusion.in_percent)
        shown = "" if row.effect is None else f"{value}{unit} {ends}, "
        rows.append(f"{row.variant.name} {shown}{verdict_text(row, margin)}")
    return f"Forest plot of effects against the baseline, from the most harmful change on. {_listed(rows)}."


def _heat_map(conclusion: Conclusion) -> str:
    study = conclusion.table.manifest
    rows = len([row for row in conclusion.ranked if row.effect is not None])
    tasks = _listed([task.label for task in study.tasks])
    return f"Heat map of the effects of {plural(rows, 'change')} (rows) on {len(study.tasks)} tasks (columns): {tasks}."


def _ranks(conclusion: Conclusion) -> str:
    placed = [(row.rank, row.variant.name) for row in conclusion.ablations if row.rank is not None and may_rank(row)]
    items = [f"{name} {rank.low} to {rank.high}" for rank, name in sorted(placed, key=lambda pair: pair[0].place)]
    return f"Rank intervals, 1 the most harmful change: {_listed(items)}."


def _strips(conclusion: Conclusion) -> str:
    table, said = conclusion.table, []
    for task, entry in enumerate(table.manifest.tasks):
        arms = [(one.name, table.scores(one.name, task)) for one in table.manifest.variants]
        items = [f"{name} {mean_text(scores, table)} (n = {len(scores)})" for name, scores in arms if len(scores)]
        said.append(f"Means on {entry.label}: {_listed(items)}.")
    return f"Score of every run, a row per variant. {' '.join(said[:_MOST])}"


def _curves(conclusion: Conclusion) -> str:
    study, apart = conclusion.table.manifest, []
    for task, entry in enumerate(study.tasks):
        for row in conclusion.ranked:
            both = compare_curves(conclusion.table, row.variant.name, task, 1 - conclusion.alpha)
            since = both.band.separated_from(both.steps) if both is not None and both.band is not None else None
            if since is not None:
                apart.append(f"{row.variant.name} on {entry.label} from {compact(since)} steps on")
    found = f"separated from the baseline to the end: {_listed(apart)}" if apart else "no curve separates for good"
    return f"Learning curves of {plural(len(conclusion.ranked), 'change')} with differences from the baseline; {found}."


def _performance(conclusion: Conclusion) -> str:
    names = _listed([one.name for one in conclusion.table.manifest.variants])
    return f"Falling curves: share of runs above each score, for {names}."


def _stopping(conclusion: Conclusion) -> str:
    assert conclusion.course is not None
    course = conclusion.course
    items = [f"{one.variant.name} {one.why} after {course.n(one.variant.name)} seeds" for one in course.paths]
    return f"Estimate and repeated interval of every change at each look: {_listed(items)}."


def _design_effects(conclusion: Conclusion) -> str:
    found = findings(conclusion.table, conclusion.alpha)
    assert found is not None
    answers = [one for what in TITLES for one in found.of(what).values()]
    items = [f"{' with '.join(one.changes)}, {TITLES[one.what]}: {answer_text(found, one)}" for one in answers]
    return f"Effects of every change in several combinations of the others. {_listed(items)}."


def _design_runs(conclusion: Conclusion) -> str:
    design = conclusion.table.manifest.design
    assert design is not None
    return f"Score of every run, a row per setting of the design: {_listed(list(design.arms.values()))}."


def _probes(conclusion: Conclusion) -> str:
    return f"Curves of probes along training, a line per variant: {_listed(probe_columns(conclusion.table))}."


def _profiles(conclusion: Conclusion) -> str:
    return f"Profiles over time steps, trained and untrained, per variant: {_listed(profile_names(conclusion.table))}."


_WORDS: Mapping[str, Callable[[Conclusion], str]] = {
    "forest": _forest,
    "heatmap": _heat_map,
    "ranks": _ranks,
    "strips": _strips,
    "curves": _curves,
    "performance": _performance,
    "stopping": _stopping,
    "design_runs": _design_runs,
    "design_effects": _design_effects,
    "probes": _probes,
    "profiles": _profiles,
}
