"""What a study with looks reports of them: its boundaries, why each change stopped, what that saved."""

from collections.abc import Sequence
from dataclasses import replace

from reports.adaptive import Course, Path, Why, view_at
from reports.contrasts import Numbers, compare
from reports.effect_tables import ends_of
from reports.notation import NONE, decimals, fixed, interval, plural
from reports.sequential import nominal_levels, spent
from reports.tables import Kind, Table, Value, columns_of
from reports.verdicts import Conclusion

_SPENDING = {
    "quadratic": "alpha t\u00b2",
    "linear": "alpha t",
    "obrien_fleming": "O'Brien-Fleming-like",
    "pocock": "Pocock-like",
}


def stopping_tables(conclusion: Conclusion) -> dict[str, Table]:
    """Both tables by name; none for a study with a fixed number of seeds."""
    if conclusion.course is None:
        return {}
    return {table.name: table for table in (looks_table(conclusion), stopping_table(conclusion))}


def _course(conclusion: Conclusion) -> Course:
    assert conclusion.course is not None
    return conclusion.course


def looks_table(conclusion: Conclusion) -> Table:
    """The boundary at each look, and what was decided there."""
    course = _course(conclusion)
    plan, several = course.plan, course.family > 1
    every, one = (nominal_levels(plan.spending, plan.looks, course.alpha / m) for m in (course.family, 1))
    cells: list[list[str]] = []
    records: list[dict[str, Value]] = []
    for look, n in enumerate(plan.looks):
        tested = [path for path in course.paths if len(path.looks) > look]
        stopped = [path.variant.name for path in tested if path.last and path.last.look == look and path.why != "open"]
        used = spent(plan.spending, n / plan.most, course.alpha)
        taken = look < course.looked
        cells.append(
            [str(look + 1), str(n), f"{used:.4f}", _level(every[look]), _level(one[look]),
             str(len(tested)) if taken else NONE,
             ", ".join(stopped) or ("none" if tested else "none open") if taken else "not taken"]
        )  # fmt: skip
        records.append(
            {"look": look + 1, "n": n, "alpha_spent": used, "p_all_open": float(every[look]),
             "p_one_open": float(one[look]), "taken": int(taken), "tested": len(tested),
             "stopped": ", ".join(stopped)}
        )  # fmt: skip
    spec: list[tuple[str, Kind]] = [
        ("look", "right"), ("seeds per arm", "right"), ("alpha spent", "right"),
        (f"p below, {course.family} open", "right"), ("p below, 1 open", "right"), ("compared", "right"),
        ("decided here", "name"),
    ]  # fmt: skip
    columns = columns_of(spec, cells)
    if not several:
        columns = (*columns[:3], *columns[4:])
    caption = (
        f"Looks and boundaries. At each look Welch's p is compared with a bound that spends {course.alpha:g} over all "
        f"looks together ({_SPENDING[plan.spending]}, t = seeds / {plan.most})"
        + (
            f"; with m of {course.family} ablations not yet separated the bound is that of alpha / m."
            if several
            else "."
        )
        + " A dash: the look was not needed or not taken yet."
    )
    return Table("looks", caption, columns, records)


def _level(p: float) -> str:
    return f"{p:.5f}" if p >= 1e-5 else "< .00001"


def stopping_table(conclusion: Conclusion) -> Table:
    """Per change: when and why it stopped, with the repeated interval beside the one of a fixed number of seeds."""
    course, percent = _course(conclusion), conclusion.in_percent
    paths = {path.variant.name: path for path in course.paths}
    ordered = [paths[row.variant.name] for row in conclusion.ranked]
    level = f"{1 - conclusion.alpha:.0%}"
    unit = "effect, %" if percent else "effect"
    spec: list[tuple[str, Kind]] = [
        ("change", "name"), ("seeds", "right"), ("stopped because", "left"), (unit, "decimal"),
        (f"repeated [{level}]", "left"), (f"fixed [{level}]", "left"), ("p", "right"), ("bound", "right"),
        ("saved", "right"),
    ]  # fmt: skip
    found = [(path, _fixed(conclusion, path)) for path in ordered]
    cells = [_stop_cells(conclusion, path, numbers) for path, numbers in found]
    records = [_stop_record(conclusion, path, numbers) for path, numbers in found]
    margin = conclusion.table.manifest.primary.margin
    caption = (
        f"Why each change stopped. Separated: p below the bound of its look. No change: the repeated "
        f"{1 - 2 * conclusion.alpha:.0%} interval lies inside \u00b1{margin:.0%}. Repeated intervals hold at all looks "
        "together, so they hold where one stopped; fixed ones would need a number of seeds chosen beforehand and are "
        "shown for comparison only. p is Welch's at the last look of the change. Saved: seeds not needed of "
        f"{course.plan.most}."
    )
    rule = len(conclusion.ablations)
    return Table("stopping", caption, columns_of(spec, cells), records, (rule,) if 0 < rule < len(cells) else ())


def _fixed(conclusion: Conclusion, path: Path) -> Numbers | None:
    """The contrast at its last look as if that number of seeds had been fixed."""
    if path.last is None or path.last.numbers.difference is None:
        return None
    course = _course(conclusion)
    view = view_at(conclusion.table, course, path.last.n)
    return compare(view, path.variant, course.alpha, course.family, permute=False)


def why_text(why: Why, margin: float) -> str:
    """Why a change stopped, in words."""
    return {"n_max": "last look", "no change": f"no change > {margin:.0%}", "open": "still open"}.get(why, str(why))


def _stop_cells(conclusion: Conclusion, path: Path, plain: Numbers | None) -> list[str]:
    course, at = _course(conclusion), path.last
    why = why_text(path.why, conclusion.table.manifest.primary.margin)
    n = course.n(path.variant.name)
    saved = f"{course.plan.most - n}" if path.why != "open" else NONE
    if at is None or plain is None or plain.difference is None or at.numbers.difference is None:
        return [path.variant.name, str(n), why, NONE, "", "", NONE, NONE, saved]
    effect, repeated, fixed_ends = _effects(at.numbers, plain, conclusion.in_percent)
    return [
        path.variant.name, str(n), why, effect, repeated, fixed_ends, _level(plain.difference.p), _level(at.level),
        saved,
    ]  # fmt: skip


def _effects(found: Numbers, plain: Numbers, percent: bool) -> tuple[str, str, str]:
    if percent and found.percent and plain.percent:
        places = decimals(100 * found.percent.se, most=1)
        repeated, once = (interval(one.interval, places, 100) for one in (found.percent, plain.percent))
        return fixed(100 * found.percent.value, places), repeated, once
    assert found.difference is not None
    places = decimals(found.difference.se)
    ends = [one.difference_interval for one in (found, plain)]
    repeated, once = (interval(one, places) if one else "" for one in ends)
    return fixed(found.difference.value, places), repeated, once


def _stop_record(conclusion: Conclusion, path: Path, plain: Numbers | None) -> dict[str, Value]:
    course, at = _course(conclusion), path.last
    n = course.n(path.variant.name)
    record: dict[str, Value] = {
        "variant": path.variant.name, "role": path.variant.role, "why": path.why,
        "look": at.look + 1 if at else None, "seeds": n, "most": course.plan.most,
        "reason": path.reason,
    }  # fmt: skip
    if at is None or plain is None or plain.difference is None:
        return record
    percent = plain.percent
    return record | {
        "difference": plain.difference.value, "se": plain.difference.se, "df": plain.difference.df,
        **ends_of("difference_repeated", at.numbers.difference_interval),
        **ends_of("difference_fixed", plain.difference_interval),
        "percent": 100 * percent.value if percent else None,
        **ends_of("percent_repeated", at.numbers.percent.interval if at.numbers.percent else None, 100),
        **ends_of("percent_narrow_repeated", at.numbers.percent.narrow if at.numbers.percent else None, 100),
        **ends_of("percent_fixed", percent.interval if percent else None, 100),
        "p": plain.difference.p, "bound": at.level, "not_yet_separated": at.left,
    }  # fmt: skip


def stopping_sentences(conclusion: Conclusion) -> list[str]:
    """How seeds were added, what stopped why, and what that saved."""
    course, study = _course(conclusion), conclusion.table.manifest
    plan, tasks = course.plan, len(study.tasks)
    looks = ", ".join(map(str, plan.looks))
    said = [
        f"Seeds were added while looking: after {looks} seeds per arm every undecided change was compared with the "
        "baseline, on the same seeds of both, and only undecided changes and the baseline got more. Looks, endpoint, "
        "margin and level were frozen before the first look. Verdicts, p and intervals are those of the "
        "group-sequential procedure, never of a single test."
    ]
    counts = [course.n(one.name) for one in study.variants]
    used, most = sum(counts) * tasks, plan.most * len(counts) * tasks
    so_far = " so far" if course.open else ""
    said.append(
        f"{plural(used, 'run')}{so_far} instead of the {most} of a plan with {plan.most} seeds in every arm: "
        f"{most - used} saved ({1 - used / most:.0%}). The baseline has {course.n(study.baseline.name)} seeds."
    )
    said += _reasons(course.paths, study.primary.margin, course)
    return said


def _reasons(paths: Sequence[Path], margin: float, course: Course) -> list[str]:
    words: dict[Why, str] = {
        "separated": "Separated from the baseline",
        "no change": f"Closed as no change larger than {margin:.0%}",
        "n_max": f"Undecided at the last look of {course.plan.most} seeds",
        "not estimable": "Stopped because it cannot be judged",
        "open": "Still open",
    }
    found = []
    for why, text in words.items():
        names = [f"{path.variant.name} (n = {path.last.n})" if path.last else path.variant.name
                 for path in paths if path.why == why]  # fmt: skip
        if names:
            found.append(f"{text}: {', '.join(names)}.")
    return found


def adaptive_method(conclusion: Conclusion) -> list[str]:
    """The methods paragraph; empty for a study with a fixed number of seeds."""
    if conclusion.course is None:
        return []
    course = conclusion.course
    return [
        f"The number of seeds was not fixed. At {plural(len(course.plan.looks), 'look')} Welch's p was compared with "
        f"the nominal level of a two-sided group-sequential boundary with {_SPENDING[course.plan.spending]} spending "
        f"(Lan and DeMets), Holm over {plural(course.family, 'ablation variant')} as of Tamhane et al. (2021): alpha "
        "/ m with m not yet separated. p values are repeated p values: the smallest alpha at which the look's own "
        "boundary would have been crossed, times m. Intervals are repeated confidence intervals at the look where the "
        "change stopped. Changes closed as no change still count in m. Below ten seeds no change stops while the "
        "arms' spreads differ by more than a factor of three or their runs fall into two groups; below five a "
        "separation must exceed the margin. Estimates after an early stop overstate the size; a replication with "
        "fresh seeds is the unbiased number."
    ]


_NOTE = (
    " Seeds were added while looking: n is where the change stopped, intervals are repeated confidence intervals and p "
    "repeated p values, so they hold in spite of it."
)


DESCRIBED = (
    " Seeds were added while looking: intervals, bands and p shown here are those of a fixed number of seeds and "
    "describe; what is decided is decided by the looks."
)
_DESCRIBES = ("tasks", "robustness", "heterogeneity", "secondary", "aggregates")
_RANKED = (
    " Seeds were added while looking: two changes are compared on the seeds that both had, by repeated p values, so "
    "rank intervals hold in spite of it; so does the interval for the margin, which is the repeated one. p (change > "
    "margin) and points are those of a fixed number of seeds and describe."
)
_ASKED = (
    " Seeds were added while looking: every analysis is asked at the bound of the look where the change stopped, and "
    "of a change that is still open none is."
)


def noted(table: Table, conclusion: Conclusion) -> Table:
    """A table with what a reader must know of its intervals where seeds were adaptive."""
    note = {"contrasts": _NOTE, "ranking": _RANKED, "agreement": _ASKED, **dict.fromkeys(_DESCRIBES, DESCRIBED)}.get(
        table.name, ""
    )
    return replace(table, caption=table.caption + note) if conclusion.course is not None else table
